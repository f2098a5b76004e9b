"""Every stage equals what the authors' network and script made; the tolerances are a few times their own rounding noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from instmatt_core.matting.conventions import normalise
from instmatt_core.matting.instmatt import InstMatt
from instmatt_core.matting.instmatt.areas import strips
from instmatt_core.matting.instmatt.inference import FULL_HALO, Generator
from instmatt_core.matting.instmatt.network import InstMattNetwork, TriMatte, activate, build, enlarge
from instmatt_core.matting.instmatt.padding import pad
from instmatt_core.matting.instmatt.paper import shrink, tri_masks
from instmatt_core.matting.instmatt.refinement import areas_of_visits, refine_pass
from instmatt_core.matting.instmatt.system import TriMattes
from instmatt_core.matting.instmatt.windows import choose, disagreement, duplicates, window_side


def prepared(case: Any) -> tuple[Tensor, Tensor]:
    """The network's input: ``(3, H, W)`` and ``(K, 3, H, W)``."""
    image, masks = shrink(case.image, case.people.masks, case.max_side)
    return pad(normalise(image)), pad(tri_masks(masks))


def in_strips(generator: Generator, image: Tensor, guide: Tensor, rows: int) -> TriMatte:
    """What the two steps of the inference copy make together."""
    size = (image.shape[1], image.shape[2])
    coarse = generator.coarse(image, guide, rows)
    parts = [generator.full(image, guide, coarse.at4[a.grown(FULL_HALO, size).at(4).index], a) for a in strips(size, rows)]
    os1, feature = (torch.cat(maps, 2) for maps in zip(*parts, strict=True))
    return TriMatte(activate(os1), activate(enlarge(coarse.os4, 4)), activate(enlarge(coarse.os8, 8)), feature)


def first_stage(paper: InstMatt, case: Any) -> TriMattes:
    image, masks = shrink(case.image, case.people.masks, case.max_side)
    return paper._tri_matte(image, tri_masks(masks), lambda share: None)


def test_network(state: dict[str, Tensor], case: Any) -> None:
    """As it is written down, and as it runs: at once or in strips."""
    network = build(state)
    image, guides = prepared(case)
    generator = Generator(network)
    for k, guide in enumerate(guides[:2]):
        with torch.inference_mode():
            plain = network(image[None], guide[None])
            for made in (plain, in_strips(generator, image, guide, 4096), in_strips(generator, image, guide, 32)):
                torch.testing.assert_close(made.feature, plain.feature, atol=2e-4, rtol=0)
                for name in ("os1", "os4", "os8"):
                    torch.testing.assert_close(
                        case.thin(getattr(made, name))[0], case.alphas(f"alpha_{name}_u16")[k], atol=1e-4, rtol=0, msg=name
                    )


def test_fusion(paper: InstMatt, case: Any) -> None:
    """Rounding, which is the processor's, may flip a pixel per person at the rim of where another size comes in."""
    made = first_stage(paper, case)
    error = (case.thin(made.alphas) - case.alphas("fused_u16")).abs()
    assert (error > 1e-4).any(1).sum() <= len(error)
    assert error.max() < 1e-3
    expected = np.unpackbits(case.data["unknown_os1_bits"])[: made.unknown.numel()].reshape(made.unknown.shape)
    assert (expected != made.unknown.numpy()).sum() <= len(made.unknown)


def test_refiner(paper: InstMatt, state: dict[str, Tensor], case: Any) -> None:
    """The same windows, the same people, the same mattes after each pass."""
    made = first_stage(paper, case)
    bad = duplicates(made.alphas[:, 0])
    assert bad.tolist() == case.data["bad"].astype(bool).tolist()
    if bad.all():
        return
    side = window_side(len(bad), (made.image.shape[1], made.image.shape[2]))
    windows = choose(disagreement(made.alphas).numpy(), side)
    assert windows == [(int(y), int(x)) for x, y in case.data["boxes"][:, :2]]
    features = [f for f, b in zip(made.features, bad.tolist(), strict=True) if not b]
    alphas, written = made.alphas[~bad], torch.ones(len(features), dtype=torch.bool)
    visits = areas_of_visits(torch.ones_like(made.unknown[0]), windows, side, 2)
    for index, areas in enumerate(visits, 1):
        with torch.inference_mode():
            change = refine_pass(paper._refiner, made.image, alphas, features, areas, written)
        error = (case.thin(alphas) - case.alphas(f"refined_iter{index}_u16")[~bad]).abs()
        assert error.max() < 1e-3
        assert error.mean() < 5e-6 + 4e-6  # the file's own resolution adds 3.8e-6 on average
        written = change > 0.01


def test_files(paper: InstMatt, case: Any) -> None:
    """The whole script, in 8 bits."""
    paper.max_side = case.max_side
    made = (paper(case.image, case.people) * 255).round().numpy().transpose(1, 2, 0).astype(int)
    difference = np.abs(made - case.data["final_u8"])
    assert (difference <= 1).mean() > 0.999
    assert difference.max() <= 2


def test_parameters() -> None:
    network = InstMattNetwork()
    assert len(network.state_dict()) == 604
    assert sum(p.numel() for p in network.parameters()) == 29_742_216
