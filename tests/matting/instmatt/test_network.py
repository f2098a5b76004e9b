"""The network as a module: trainable, and its inference copy made by exact algebra."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from instmatt_straightforward import straightforward
from torch import Tensor

from instmatt_core.detect.people.network import PeopleNetwork
from instmatt_core.errors import UsageError
from instmatt_core.guidance import steepened, tri_masks, tri_masks_of
from instmatt_core.image import resize
from instmatt_core.instances import InstanceMasks, TriMasks, share
from instmatt_core.matting.cleanup import seconded, without_haze, without_specks
from instmatt_core.matting.instmatt import InstMatt
from instmatt_core.matting.instmatt.config import AUTHORS, InstMattConfig, config_of
from instmatt_core.matting.instmatt.inference import Generator
from instmatt_core.matting.instmatt.network import InstMattNetwork, activate, build, enlarge
from instmatt_core.matting.instmatt.refinement import FastRefiner
from instmatt_core.matting.instmatt.spectral import SpectralConv
from instmatt_core.matting.instmatt.system import once, settled, working_size
from instmatt_core.matting.upsampling import carry
from instmatt_core.weights.bundled import load_bundled
from instmatt_core.windows import mask_boxes


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
    for config in (SMALL, replace(SMALL, refiner=0), replace(SMALL, refiner=0, semantics=True)):
        network = build(undecided(config).state_dict())
        assert network.config == config
        assert hasattr(network, "refiner") == bool(config.refiner)
        assert hasattr(network, "semantics") == config.semantics
    assert config_of({"something": torch.zeros(1)}) == AUTHORS


def test_a_compact_network_ships_as_it_was_written_down(picture: Tensor, two: InstanceMasks) -> None:
    network = undecided(SMALL)
    shipped = InstMatt(network.state_dict(), memory_mb=1)(picture, two)  # in strips
    torch.testing.assert_close(shipped, straightforward(network, picture, two), atol=2e-4, rtol=0)
    assert ((shipped > 0.05) & (shipped < 0.95)).any()


def test_semantics_begin_with_the_closer_look_and_change_nothing_at_first() -> None:
    closer, network = load_bundled("people_closer"), undecided(replace(SMALL, refiner=0, semantics=True))
    network.semantics.start(closer)
    image, tri_masks = torch.randn(1, 3, 96, 160), torch.rand(1, 3, 96, 160)
    pyramid = network.semantics.pyramid
    with torch.no_grad():
        assert not any(part.any() for part in network.semantics(image, tri_masks))
        seen, target, others = torch.rand(1, 3, 64, 96), torch.rand(1, 1, 16, 24), torch.rand(1, 1, 16, 24)
        look = PeopleNetwork(prompted=True).eval()
        look.load_state_dict(closer)
        told, prompt = torch.cat((target, others), 1), torch.cat((target, target, others), 1)
        torch.testing.assert_close(look.features(pyramid(seen, told)[0]), look(seen, prompt)[2])


@pytest.mark.parametrize("size", [(96, 160), (128, 64)])
def test_semantics_ship_as_they_were_written_down(size: tuple[int, int]) -> None:
    """The inference copy in strips is the network, whatever the multiples of 32."""
    network = undecided(replace(SMALL, refiner=0, semantics=True))
    for conv in network.semantics.into:
        torch.nn.init.normal_(conv.weight, std=0.1)
    image, tri_mask = torch.randn(3, *size), torch.rand(3, *size)
    with torch.inference_mode():
        made, coarse = network(image[None], tri_mask[None]), Generator(network).coarse(image, tri_mask, 64)
        torch.testing.assert_close(activate(enlarge(coarse.os8, 8)), made.os8, atol=1e-4, rtol=0)
        torch.testing.assert_close(activate(enlarge(coarse.os4, 4)), made.os4, atol=1e-4, rtol=0)
        network.config = replace(network.config, semantics=False)
        assert (network(image[None], tri_mask[None]).os8 - made.os8).abs().max() > 1e-3


def test_without_a_refiner_the_first_stage_is_the_result(picture: Tensor, two: InstanceMasks) -> None:
    state = {name: value for name, value in undecided(SMALL).state_dict().items() if not name.startswith("refiner.")}
    system = InstMatt(state)
    torch.testing.assert_close(system(picture, two), share(system.tri_matte(picture, tri_masks(two)).targets))
    with pytest.raises(UsageError, match="cannot refine"):
        system.refine_mattes(picture, two.masks)


def test_with_a_working_side_each_person_is_matted_apart() -> None:
    """What is done for each person by hand; what lies beyond the surroundings does not matter; with a refiner it is refused."""
    state = undecided(SMALL).state_dict()
    with pytest.raises(UsageError, match="refine everyone"):
        InstMatt(state, working_side=64)
    state = {name: value for name, value in state.items() if not name.startswith("refiner.")}
    picture = torch.rand(3, 150, 400, generator=torch.Generator().manual_seed(3))
    masks = torch.zeros(3, 150, 400)
    masks[0, 20:90, 60:90] = masks[1, 40:120, 90:130] = masks[2, 60:80, 380:390] = 1
    masks[0, 40:90, 90:100] = 0.4  # torn
    people = InstanceMasks(masks, torch.zeros(3, 4), torch.ones(3))
    system, done = InstMatt(state, working_side=128), []
    alphas = system(picture, people, done.append)
    assert done == pytest.approx([1 / 3, 2 / 3, 1])
    expected = torch.zeros_like(masks)
    for k, (top, bottom, left, right) in enumerate(((0, 139, 12, 139), (0, 150, 42, 179), (12, 129, 332, 400))):
        window = (slice(None), slice(top, bottom), slice(left, right))
        part, seen = picture[window], masks[window]
        size = working_size((bottom - top, right - left), 128)
        scaled, guides = resize(part, size), tri_masks_of(steepened(resize(seen, size)))
        matte = settled(InstMatt(state).tri_matte(scaled, TriMasks(guides)).targets[k])
        matte = without_haze(seconded(scaled, matte, 2, 0.65), guides[k, 0], 0.1)
        matte = carry(part, scaled, matte, 3)
        expected[k][window[1:]] = without_specks(matte, 0.01, masks[k][window[1:]])
    torch.testing.assert_close(alphas, share(settled(expected)), atol=2e-3, rtol=0)
    assert ((alphas > 0.05) & (alphas < 0.95)).any()
    picture[:, :, 300:] = 0
    torch.testing.assert_close(system(picture, people)[:2], alphas[:2])


def test_windows_are_brought_to_the_working_side_but_not_enlarged_beyond_measure() -> None:
    sizes = {(1024, 512): (512, 256), (300, 400): (384, 512), (512, 100): (512, 100), (100, 60): (200, 120), (1, 4096): (1, 512)}
    assert {size: working_size(size, 512) for size in sizes} == sizes


def test_nearly_the_same_mask_again_gets_nothing_and_takes_nothing() -> None:
    state = {name: value for name, value in undecided(SMALL).state_dict().items() if not name.startswith("refiner.")}
    picture = torch.rand(3, 150, 200, generator=torch.Generator().manual_seed(3))
    masks = torch.zeros(3, 150, 200)
    masks[0, 20:90, 40:80] = masks[1, 40:120, 110:150] = masks[2, 20:90, 44:80] = 1
    people = InstanceMasks.from_masks(masks)
    assert people.sources == (0, 2, 1)
    assert once(people.masks, people.boxes) == [0, 2]
    system = InstMatt(state, working_side=128)
    alphas = system(picture, people)
    assert not alphas[1].any()
    assert torch.equal(alphas[[0, 2]], system(picture, InstanceMasks.from_masks(masks[:2])))
    part = torch.stack((masks[0] + masks[1], masks[1]))
    assert once(part, mask_boxes(part)) == [0, 1]  # a part is not the same


def test_who_is_not_in_the_picture_has_an_empty_matte(picture: Tensor, two: InstanceMasks) -> None:
    system = InstMatt(undecided(SMALL).state_dict())
    absent = InstanceMasks(torch.cat((two.masks, torch.zeros_like(two.masks[:1]))), torch.zeros(3, 4), torch.ones(3))
    alphas = system(picture, absent)
    assert not alphas[2].any()
    assert torch.equal(alphas[:2], system(picture, two))
    assert not system(picture, replace(two, masks=torch.zeros_like(two.masks))).any()
