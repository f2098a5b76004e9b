"""The network as a module: trainable, and its inference copy made by exact algebra."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from instmatt_straightforward import straightforward
from torch import Tensor

from instmatt_core.errors import UsageError
from instmatt_core.guidance import tri_masks
from instmatt_core.image import resize
from instmatt_core.instances import InstanceMasks, share
from instmatt_core.matting.instmatt import InstMatt
from instmatt_core.matting.instmatt.config import AUTHORS, InstMattConfig, config_of
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


SMALL = InstMattConfig((8, 16, 24, 32, 40), (1, 2, 1, 1), (1, 1, 2, 1), 8, 12, 4)


def undecided(config: InstMattConfig) -> InstMattNetwork:
    """A made-up network whose norms are not all the same, and which is undecided here and there."""
    torch.manual_seed(1)
    network = InstMattNetwork(config)
    network.train()(torch.randn(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    return network.eval()


def test_weights_tell_the_size(state: dict[str, Tensor]) -> None:
    assert config_of(state) == AUTHORS
    for config in (SMALL, replace(SMALL, refiner=0)):
        network = build(undecided(config).state_dict())
        assert network.config == config
        assert hasattr(network, "refiner") == bool(config.refiner)
    assert config_of({"something": torch.zeros(1)}) == AUTHORS


def test_a_compact_network_ships_as_it_was_written_down(picture: Tensor, two: InstanceMasks) -> None:
    network = undecided(SMALL)
    shipped = InstMatt(network.state_dict(), memory_mb=1)(picture, two)  # in strips
    torch.testing.assert_close(shipped, straightforward(network, picture, two), atol=2e-4, rtol=0)
    assert ((shipped > 0.05) & (shipped < 0.95)).any()


def test_without_a_refiner_the_first_stage_is_the_result(picture: Tensor, two: InstanceMasks) -> None:
    state = {name: value for name, value in undecided(SMALL).state_dict().items() if not name.startswith("refiner.")}
    system = InstMatt(state)
    torch.testing.assert_close(system(picture, two), share(system.tri_matte(picture, tri_masks(two)).targets))
    with pytest.raises(UsageError, match="cannot refine"):
        system.refine_mattes(picture, two.masks)


def test_large_pictures_are_matted_small(picture: Tensor, two: InstanceMasks) -> None:
    state = undecided(SMALL).state_dict()
    plain = InstMatt(state)(picture, two)
    side = max(two.size)
    assert torch.equal(InstMatt(state, working_side=side)(picture, two), plain)
    small = InstMatt(state, working_side=side // 2)(picture, two)
    assert small.shape == plain.shape
    assert not torch.equal(small, plain)
    assert (small.sum(0) <= 1.0001).all()
    half = (two.size[0] // 2, two.size[1] // 2)
    direct = InstMatt(state)(resize(picture, half), replace(two, masks=resize(two.masks, half)))
    torch.testing.assert_close(resize(small, half), direct, atol=0.15, rtol=0)


def test_who_is_not_in_the_picture_has_an_empty_matte(picture: Tensor, two: InstanceMasks) -> None:
    system = InstMatt(undecided(SMALL).state_dict())
    absent = InstanceMasks(torch.cat((two.masks, torch.zeros_like(two.masks[:1]))), torch.zeros(3, 4), torch.ones(3))
    alphas = system(picture, absent)
    assert not alphas[2].any()
    assert torch.equal(alphas[:2], system(picture, two))
    assert not system(picture, replace(two, masks=torch.zeros_like(two.masks))).any()
