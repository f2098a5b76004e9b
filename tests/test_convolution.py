"""Fused kernels give what the separate steps give."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from instmatt_core.convolution import conv2d, conv_transpose2d, fold_norms, in_order
from instmatt_core.pyramid import Pyramid


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(1, 8, 13, 17, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=torch.channels_last)


def test_convolution_and_sum(x: torch.Tensor) -> None:
    torch.manual_seed(0)
    conv, other = nn.Conv2d(8, 16, 3, padding=1), torch.randn(1, 16, 13, 17)
    with torch.inference_mode():
        torch.testing.assert_close(conv2d(x, conv, "leaky_relu", (0.2,)), F.leaky_relu(conv(x), 0.2), atol=1e-5, rtol=0)
        torch.testing.assert_close(conv2d(4 * x, conv, "hardtanh", (0.0, 2.0)), conv(4 * x).clamp(0, 2), atol=1e-5, rtol=0)
        torch.testing.assert_close(conv2d(x, conv, "gelu"), F.gelu(conv(x)), atol=1e-5, rtol=0)
        torch.testing.assert_close(conv2d(x, conv, "relu", add=other), F.relu(conv(x) + other), atol=1e-5, rtol=0)
        torch.testing.assert_close(conv2d(x, conv, add=other), conv(x) + other, atol=1e-5, rtol=0)


def test_transposed_convolution(x: torch.Tensor) -> None:
    torch.manual_seed(0)
    conv = nn.ConvTranspose2d(8, 8, 4, 2, 1)
    with torch.inference_mode():
        torch.testing.assert_close(conv_transpose2d(x, conv, "leaky_relu", (0.2,)), F.leaky_relu(conv(x), 0.2), atol=1e-5, rtol=0)


def test_norms_are_folded_where_a_convolution_is_before_them(x: torch.Tensor) -> None:
    torch.manual_seed(0)
    norms = [nn.BatchNorm2d(8), nn.BatchNorm2d(8)]
    for norm in norms:
        norm.running_mean, norm.running_var = torch.randn(8), torch.rand(8) + 0.5
    network = nn.Sequential(nn.Conv2d(8, 8, 3), norms[0], nn.ReLU(), norms[1]).eval()
    with torch.inference_mode():
        before = network(x)
        fold_norms(network)
        torch.testing.assert_close(network(x), before, atol=1e-5, rtol=0)
    assert [type(part) for part in network] == [nn.Conv2d, nn.Identity, nn.ReLU, nn.BatchNorm2d]


def test_the_pyramid_at_work_is_the_one_that_was_trained() -> None:
    torch.manual_seed(0)
    network = Pyramid(prompts=2)
    picture, prompt = torch.rand(2, 3, 64, 96), torch.rand(2, 2, 16, 24)
    network(picture, prompt)  # so that the norms have seen something
    trained = network.eval()(picture, prompt)
    fold_norms(network)
    with torch.inference_mode():
        for seen, before in zip(network(picture, prompt), trained, strict=True):
            assert before.std() > 0
            torch.testing.assert_close(seen, before.detach(), atol=1e-3 * float(before.std()), rtol=0)


def test_gradients_pass_outside_inference_mode(x: torch.Tensor) -> None:
    conv = nn.Conv2d(8, 4, 3, padding=1)
    conv2d(x, conv, "relu", add=torch.zeros(1, 4, 13, 17)).sum().backward()
    assert conv.weight.grad is not None
    assert conv.weight.grad.any()


def test_the_order_of_convolutions() -> None:
    model = nn.ModuleDict({"last": nn.Conv2d(4, 2, 1), "first": nn.Conv2d(3, 4, 1)})
    model.forward = lambda x: model["last"](model["first"](x))  # type: ignore[method-assign]
    for _ in range(2):  # nothing stays of the first time
        assert in_order(model, 8) == ["first", "last"]
