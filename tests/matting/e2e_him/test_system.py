"""From picture to mattes: the paper's way and ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from instmatt_core.errors import UsageError, WeightsError
from instmatt_core.image import as_image
from instmatt_core.matting.e2e_him import E2EHIM, system
from instmatt_core.matting.e2e_him.inference import People


@pytest.fixture(scope="module")
def small_system(crowd: dict[str, Tensor]) -> E2EHIM:
    return E2EHIM(crowd)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network sees fewer pixels, for speed; the paper's way does not ask."""
    monkeypatch.setattr(system, "SIDE", 128)


def test_equals_the_authors_script(state: dict[str, Tensor], case: dict[str, np.ndarray]) -> None:
    found = E2EHIM(state, compat="paper")(as_image(case["image"]))
    truth = case["final_alphas_u8"]
    assert len(found) == len(truth)
    difference = np.abs((found.alphas.numpy() * 255).round() - truth)
    assert (difference <= 1).mean() >= 0.999


def test_mattes_keep_the_promises(small_system: E2EHIM, picture: Tensor) -> None:
    shares: list[float] = []
    mattes = small_system(picture, shares.append)
    assert len(mattes) > 1
    assert mattes.size == (96, 160)
    assert mattes.alphas.min() >= 0
    assert mattes.alphas.sum(0).max() <= 1 + 1e-5
    centres = [(a.sum(0) * torch.arange(160)).sum() / a.sum() for a in mattes.alphas]
    assert centres == sorted(centres)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert mattes.info["matting"] == small_system.name == "e2e-him"


def test_batch_of_several_sizes_equals_one_by_one(small_system: E2EHIM, picture: Tensor) -> None:
    pictures = [picture, picture[:, :, :100], picture.flip(2)]
    for together, image in zip(small_system.batch(pictures), pictures, strict=True):
        alone = small_system(image)
        assert len(together) == len(alone)
        torch.testing.assert_close(together.boxes, alone.boxes, atol=1, rtol=0)
        assert (together.alphas - alone.alphas).abs().mean() < 1e-3


@pytest.mark.parametrize(
    ("size", "seen"), [((640, 640), (640, 640)), ((480, 720), (512, 768)), ((3000, 2000), (768, 512)), ((9, 4000), (32, 13504))]
)
def test_network_sees_the_pictures_shape(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], seen: tuple[int, int]) -> None:
    monkeypatch.setattr(system, "SIDE", 640)
    assert system.network_size(size) == seen


class Split:
    """A network's answer: someone on the left, someone on the right, between them a band that neither surely has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        logits = torch.zeros(2, 3, 16, 16)
        logits[0, 2, :, :6] = logits[0, 0, :, 10:] = logits[0, 1, :, 6:10] = 9
        logits[1] = logits[0].flip(2)
        self.people = People(torch.tensor([0.7, 0.9]), logits, torch.full((2, 128, 128), 0.25))
        monkeypatch.setattr(E2EHIM, "_find", lambda self_, images: [self.people] * len(images))


def test_only_the_unknown_band_of_a_large_picture_is_refined(state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    Split(monkeypatch)
    asked: list[Tensor] = []

    def refine(image: Tensor, trimaps: Tensor, alphas: Tensor) -> Tensor:
        asked.extend(trimaps)
        assert image.shape == (3, 200, 400)
        assert alphas[0, 100, [10, 200, 390]].tolist() == pytest.approx([1, 0.25, 0])  # the network's own
        return torch.full_like(alphas, 0.4)  # what it says outside of the band does not count

    refined = E2EHIM(state, refine=refine)(torch.rand(3, 200, 400))
    assert [sorted(t.unique().tolist()) for t in asked] == [[0, 0.5, 1]] * 2
    assert refined.scores.tolist() == pytest.approx([0.7, 0.9])
    assert refined.alphas[0, 100, [10, 200, 390]].tolist() == pytest.approx([1, 0.4, 0])

    own = E2EHIM(state, refine=None)(torch.rand(3, 200, 400))
    assert own.alphas[0, 100, [10, 200, 390]].tolist() == pytest.approx([1, 0.25, 0])
    E2EHIM(state, refine=refine)(torch.rand(3, 100, 100))  # smaller than what the network saw
    assert len(asked) == 2


def test_closed_form_refines_unless_told_otherwise(state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    Split(monkeypatch)
    image = 0.05 * torch.rand(3, 200, 400, generator=torch.Generator().manual_seed(0))
    image[:, :, :220] += 0.9
    alphas = E2EHIM(state)(image).alphas
    assert alphas[0, 100, 210] > 0.9
    assert alphas[0, 100, 230] < 0.1


def test_nobody_is_a_normal_answer(nobody: dict[str, Tensor], picture: Tensor) -> None:
    for compat in ("default", "paper"):
        mattes = E2EHIM(nobody, compat=compat)(picture)
        assert (len(mattes), mattes.size) == (0, (96, 160))


def test_unknown_options(state: dict[str, Tensor]) -> None:
    with pytest.raises(UsageError, match="compat is one of default, paper"):
        E2EHIM(state, compat="strict")
    with pytest.raises(UsageError, match="bfloat16"):
        E2EHIM(state, precision="int8")
    with pytest.raises(UsageError, match="swin-t"):
        E2EHIM(state, backbone="vgg")
    with pytest.raises(WeightsError, match="missing pre_conv"):
        E2EHIM({})
