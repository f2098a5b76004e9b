"""The network: equal to the authors', for any size and batch, trainable."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from instmatt_core.errors import WeightsError
from instmatt_core.image import as_image
from instmatt_core.matting.conventions import normalise
from instmatt_core.matting.e2e_him import paper
from instmatt_core.matting.e2e_him.network import E2EHIMNetwork, build


def test_deterministic_weights_are_those_of_the_golden_cases(manifest: dict[str, Any], state: dict[str, Tensor]) -> None:
    assert len(state) == 649
    wrong = [name for name, spec in manifest["tensors"].items() if zlib.crc32(state[name].numpy().tobytes()) != spec["crc32"]]
    assert not wrong


def test_equals_the_authors_network(network: E2EHIMNetwork, case: dict[str, np.ndarray]) -> None:
    with torch.inference_mode():
        logits, alphas, trimaps = network(normalise(paper.squash(as_image(case["image"]))[None]))
    np.testing.assert_allclose(logits, case["x4o"], rtol=0, atol=3e-5)
    np.testing.assert_allclose(alphas[0, :, ::4, ::4], case["x1all_u16_every4"] / 65535, rtol=0, atol=3e-4)
    np.testing.assert_allclose(trimaps[0, :, :, ::32, ::32].flatten(0, 1), case["trimap_logits_640_f32_every32"], rtol=0, atol=5e-4)
    high, low = np.unpackbits(case["trimap_label_packed"]).reshape(2, 20, 640, 640)
    assert (trimaps[0].argmax(1).numpy() != 2 * high + low).sum() <= 40


def test_pictures_of_a_batch_do_not_meet(network: E2EHIMNetwork, picture: Tensor) -> None:
    images = torch.stack((picture, picture.flip(2)))
    with torch.inference_mode():
        together = network(images)
        apart = [network(image[None]) for image in images]
    assert together[1].shape == (2, 20, 96, 160)
    for part, ones in zip(together, zip(*apart, strict=True), strict=True):
        torch.testing.assert_close(part, torch.cat(ones), atol=1e-3, rtol=1e-3)


def test_everything_but_two_parameters_learns(state: dict[str, Tensor], picture: Tensor) -> None:
    network = build(state).train()
    logits, alphas, trimaps = network(picture[None, :, :64, :64])
    (logits.log_softmax(-1).square().sum() + alphas.square().sum() + trimaps.square().mean()).backward()
    idle = {name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()}
    assert idle == {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"}


def test_other_weights_are_refused_by_name(state: dict[str, Tensor]) -> None:
    other = {**state, "g1.weight": torch.zeros(3), "head.bias": torch.zeros(1)}
    del other["pam.gamma"]
    with pytest.raises(WeightsError) as raised:
        build(other)
    for fault in ("missing pam.gamma", "unexpected head.bias", "g1.weight is (3,) instead of (128,)"):
        assert fault in str(raised.value)
