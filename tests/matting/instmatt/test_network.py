"""The network as a module: trainable, and its inference copy made by exact algebra."""

from __future__ import annotations

import torch
from torch import Tensor

from instmatt_core.matting.instmatt.network import InstMattNetwork, build
from instmatt_core.matting.instmatt.refinement import FastRefiner
from instmatt_core.matting.instmatt.spectral import SpectralConv


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    network = InstMattNetwork().train()
    made = network(torch.randn(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    refined = network.refiner(torch.randn(3, 64, 64), made.os1, made.feature)
    (made.os1.mean() + made.os4.mean() + made.os8.mean() + refined.mean()).backward()
    still = [name for name, p in network.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert not still


def test_power_iteration_runs_in_training_only() -> None:
    torch.manual_seed(0)
    conv = SpectralConv(3, 8)
    before = conv.module.weight_u.clone()
    conv.eval()(torch.rand(1, 3, 5, 5))
    assert torch.equal(conv.module.weight_u, before)
    conv.train()
    for _ in range(50):
        conv(torch.rand(1, 3, 5, 5))
    assert not torch.equal(conv.module.weight_u, before)
    torch.testing.assert_close(torch.linalg.matrix_norm(conv.module().flatten(1), ord=2), torch.tensor(1.0), atol=1e-4, rtol=0)


def test_fast_refiner_is_the_refiner(state: dict[str, Tensor]) -> None:
    refiner = build(state).refiner
    generator = torch.Generator().manual_seed(0)
    for count in (1, 2, 5):
        image = torch.randn(3, 40, 48, generator=generator)
        alphas, features = torch.rand(count, 3, 40, 48, generator=generator), torch.randn(count, 32, 40, 48, generator=generator)
        with torch.inference_mode():
            torch.testing.assert_close(
                FastRefiner(refiner)(image, alphas, list(features)), refiner(image, alphas, features), atol=2e-4, rtol=0
            )
