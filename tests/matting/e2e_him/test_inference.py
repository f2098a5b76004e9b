"""What inference leaves out or does otherwise changes nothing."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from instmatt_core.matting.conventions import normalise
from instmatt_core.matting.e2e_him import inference
from instmatt_core.matting.e2e_him.blocks import upsample
from instmatt_core.matting.e2e_him.inference import find_people, prepare, upsampled_kernel
from instmatt_core.matting.e2e_him.network import E2EHIMNetwork, build


@pytest.fixture(scope="module")
def prepared(crowd: dict[str, Tensor]) -> E2EHIMNetwork:
    return prepare(build(crowd))


def test_equals_the_whole_network_up_to_the_edges(crowd: dict[str, Tensor], prepared: E2EHIMNetwork, picture: Tensor) -> None:
    images = normalise(torch.stack((picture, picture.flip(2))))
    with torch.inference_mode():
        logits, alphas, trimaps = build(crowd)(images)
        found = find_people(prepared, images)
    for b, people in enumerate(found):
        person = logits[b].argmax(-1) == 1
        assert 0 < person.sum() < 20
        torch.testing.assert_close(people.scores, logits[b, person].softmax(-1)[:, 1], atol=1e-5, rtol=0)
        torch.testing.assert_close(people.alphas, alphas[b, person], atol=3e-4, rtol=0)
        torch.testing.assert_close(upsample(people.trimaps, 8), trimaps[b, person], atol=5e-4, rtol=0)


def test_kernel_for_the_small_map_is_the_kernel_after_upsampling() -> None:
    generator = torch.Generator().manual_seed(0)
    small, kernel = torch.randn(1, 2, 9, 11, generator=generator), torch.randn(3, 2, 5, 5, generator=generator)
    expected = F.conv2d(upsample(small), kernel, padding=2)[0]
    phases = F.conv2d(small, upsampled_kernel(kernel), padding=2).view(2, 2, 3, 10, 12)
    for i in (0, 1):
        for j in (0, 1):
            found = phases[i, j, :, i : i + 9, j : j + 11]
            torch.testing.assert_close(found[:, 2:-2, 2:-2], expected[:, i::2, j::2][:, 2:-2, 2:-2], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("k", [1, 3])
def test_convolution_of_an_upsampled_map_by_bands(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    monkeypatch.setattr(inference, "BAND", 3)
    generator = torch.Generator().manual_seed(0)
    coarse, weight = torch.randn(2, 4, 11, 7, generator=generator), torch.randn(5, 4, k, k, generator=generator)
    y = torch.randn(2, 5, 22, 14, generator=generator)
    expected = y + F.conv2d(upsample(coarse), weight, padding=k // 2)
    inference.add_upsampled_conv(y, coarse, weight)
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)


def test_somebody_and_nobody_in_one_batch(prepared: E2EHIMNetwork, picture: Tensor) -> None:
    images = normalise(torch.stack((picture, picture.flip(2))))
    bias = prepared.get_submodule("globalfcnum.layers.1").bias
    with torch.inference_mode():
        logits = prepared.perception(images).logits
        most = (logits[..., 1] - logits[..., 0]).amax(1)
        bias[1] -= most.mean()  # between the two
        counts = [len(people.alphas) for people in find_people(prepared, images)]
        bias[1] += most.mean()
    assert min(counts) == 0 < max(counts)


def test_nobody(nobody: dict[str, Tensor], picture: Tensor) -> None:
    network = prepare(build(nobody))
    with torch.inference_mode():
        (people,) = find_people(network, normalise(picture[None]))
    assert (len(people.scores), people.trimaps.shape, people.alphas.shape) == (0, (0, 3, 12, 20), (0, 96, 160))


def test_half_the_bits_give_nearly_the_same(everybody: dict[str, Tensor], picture: Tensor) -> None:
    half, single = prepare(build(everybody), torch.bfloat16), prepare(build(everybody))
    assert half.get_submodule("trans.layers.0.blocks.0.mlp.fc1.linear").weight.dtype == torch.bfloat16
    with torch.inference_mode():
        (people,), (exact,) = (find_people(n, normalise(picture[None])) for n in (half, single))
    assert people.alphas.dtype == torch.float32
    assert 1e-5 < (people.alphas - exact.alphas).abs().mean() < 0.05
