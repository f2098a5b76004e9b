"""The library's front door."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import instmatt_core
from instmatt_core.cli.matte import EXAMPLE
from instmatt_core.errors import Cancelled, GuidanceError, UsageError


def test_every_kind_of_picture_gives_the_same(example: torch.Tensor) -> None:
    pipeline = instmatt_core.Pipeline(device="cpu")
    pil = Image.open(EXAMPLE)
    results = [pipeline(x, max_side=320).alphas for x in (EXAMPLE, pil, np.asarray(pil), example)]
    assert len(results[0]) == 2
    for other in results[1:]:
        torch.testing.assert_close(other, results[0])


def test_mattes_keep_the_promises(example: torch.Tensor, tmp_path: Path) -> None:
    stages: list[float] = []
    mattes = instmatt_core.matte(example, device="cpu", progress=lambda name, share: stages.append(share))
    assert mattes.size == tuple(example.shape[1:])
    assert mattes.alphas.dtype == torch.float32
    assert mattes.alphas.min() >= 0
    assert mattes.alphas.sum(0).max() <= 1 + 1e-5
    assert stages == sorted(stages)
    assert stages[-1] == 1.0
    assert [p.name for p in mattes.save(tmp_path)] == ["00.png", "01.png", "people.json"]
    for cutout, alpha in zip(mattes.cutouts(example), mattes.alphas, strict=True):
        torch.testing.assert_close(cutout[3], alpha)


def test_cancel(example: torch.Tensor) -> None:
    with pytest.raises(Cancelled):
        instmatt_core.matte(example, device="cpu", progress=lambda name, share: share < 0.3)


def test_masks_instead_of_a_detector(example: torch.Tensor) -> None:
    masks = torch.zeros(3, *example.shape[1:])
    masks[0, 200:500, 600:800] = 1
    masks[1, 200:500, 100:300] = 1  # the third is empty
    mattes = instmatt_core.matte(example, masks=masks, device="cpu")
    assert len(mattes) == 2
    assert mattes.boxes[0, 0] < mattes.boxes[1, 0]
    assert len(instmatt_core.matte(example, masks=masks[:0], device="cpu")) == 0
    with pytest.raises(GuidanceError, match="masks are"):
        instmatt_core.matte(example, masks=masks[:, :50], device="cpu")


def test_threads_share_one_pipeline(example: torch.Tensor) -> None:
    pipeline = instmatt_core.Pipeline(device="cpu")
    results: list[torch.Tensor] = []
    threads = [threading.Thread(target=lambda: results.append(pipeline(example, max_side=256).alphas)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for other in results[1:]:
        torch.testing.assert_close(other, results[0])


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="blazepose"):
        instmatt_core.Pipeline(detector="nobody")
    with pytest.raises(UsageError, match="cannot be used"):
        instmatt_core.Pipeline(device="xpu:7")


def test_import_and_help_are_light() -> None:
    code = (
        "import sys, instmatt_core; from instmatt_core.cli.main import main\n"
        "try: main(['matte', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pymatting', 'gradio', 'cv2', 'scipy', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_public_names_exist() -> None:
    for name in instmatt_core.__all__:
        assert getattr(instmatt_core, name) is not None


def test_end_to_end_systems_take_no_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    from instmatt_core import pipeline

    def everyone(image: torch.Tensor, progress: Any) -> instmatt_core.InstanceMattes:
        alphas = torch.zeros(2, *image.shape[1:])
        alphas[0, :, 6:], alphas[1, :, :3] = 0.9, 0.8
        return instmatt_core.InstanceMattes(alphas, torch.zeros(2, 4), torch.tensor([0.7, 0.6]))

    monkeypatch.setitem(pipeline.END_TO_END, "everyone", lambda options: everyone)
    chain = instmatt_core.Pipeline(matting="everyone", device="cpu")
    mattes = chain(torch.rand(3, 8, 10))
    assert mattes.scores.tolist() == pytest.approx([0.6, 0.7])  # left to right
    with pytest.raises(instmatt_core.UsageError, match="takes no masks"):
        chain(torch.rand(3, 8, 10), masks=torch.ones(1, 8, 10))


def test_options_reach_the_matting_system() -> None:
    with pytest.raises(instmatt_core.UsageError, match="closed-form has no weights"):
        instmatt_core.Pipeline(matting="closed-form", weights="instmatt", device="cpu").load()
    with pytest.raises(instmatt_core.WeightsError, match="instmatt weights convert"):
        instmatt_core.Pipeline(matting="instmatt", device="cpu").load()


def test_the_user_picks_what_refines_an_end_to_end_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names reach the steps they stand for, with weights of their own."""
    from instmatt_core import pipeline
    from instmatt_core.matting import refinement

    asked: list[Any] = []

    class System:
        def __init__(self, *states: Any, **options: Any):
            self.options = options

        def alpha(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
            return torch.full_like(trimap, 0.125)

        def refine_mattes(self, image: torch.Tensor, alphas: torch.Tensor) -> torch.Tensor:
            return 0.5 * alphas

    def load_weights(spec: str, *, system: str, **how: Any) -> dict[str, torch.Tensor]:
        asked.append((spec, system))
        return {}

    for place in ("matting.e2e_him.E2EHIM", "matting.sim.SIM", "matting.instmatt.InstMatt"):
        monkeypatch.setattr(f"instmatt_core.{place}", System)
    monkeypatch.setattr("instmatt_core.weights.load_weights", load_weights)

    def refine_of(**options: Any) -> Any:
        asked.clear()
        system = pipeline.Pipeline(matting="e2e-him", weights="mine", device="cpu", **options).load().matting
        assert asked.pop() == ("mine", "e2e-him")
        return system.options["refine"]

    trimaps, alphas = (torch.tensor([0, middle, 1]).expand(1, 3, 3) for middle in (0.5, 0.25))
    assert refine_of() is refine_of(refine="closed-form") is refinement.closed_form
    assert refine_of(refine="none") is None
    assert refine_of(compat="paper") is None
    assert refine_of(refine="sim", refine_weights="other")(torch.zeros(3, 3, 3), trimaps, alphas)[0, 0, 1] == 0.125
    assert asked == [("other", "sim"), ("sim-classifier", "sim-classifier")]
    torch.testing.assert_close(refine_of(refine="instmatt")(torch.zeros(3, 3, 3), trimaps, alphas), 0.5 * alphas)
    assert asked == [("instmatt", "instmatt")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matting": "e2e-him", "refine": "magic"}, "refine is one of closed-form, none, sim, instmatt"),
        ({"matting": "instmatt", "refine": "sim"}, "refine is for end-to-end systems"),
        ({"refine_weights": "sim"}, "refine is for end-to-end systems"),
        ({"matting": "e2e-him", "refine_weights": "sim"}, "refine=closed-form has no weights"),
        ({"matting": "e2e-him", "refine": "none", "compat": "paper"}, "the paper's way refines nothing"),
    ],
)
def test_what_cannot_refine_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        instmatt_core.Pipeline(device="cpu", **options).load()


def test_sim_without_weights() -> None:
    with pytest.raises(instmatt_core.WeightsError, match=r"(?s)sim.*instmatt weights convert"):
        instmatt_core.Pipeline(matting="sim", device="cpu").load()


def test_the_compact_network_is_in_the_package(example: torch.Tensor) -> None:
    found = instmatt_core.matte(example, matting="instmatt-compact", device="cpu")
    assert len(found) == 2
    assert found.info["matting"] == "instmatt-compact"
    assert (found.alphas == 0).float().mean() > 0.5  # what is nobody's is nobody's at all
    assert (found.alphas == 1).flatten(1).any(1).all()
    assert ((found.alphas > 0.1) & (found.alphas < 0.9)).flatten(1).float().mean(1).min() > 1e-3  # soft edges
    for wrong in ({"weights": "instmatt"}, {"compat": "paper"}):
        with pytest.raises(UsageError, match="its own weights"):
            instmatt_core.Pipeline(matting="instmatt-compact", device="cpu", **wrong).load()
