"""Nothing that is wanted is left out, in one map or through several visits of the refiner."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from instmatt_core.matting.instmatt.areas import Area, round_what, strips, widened
from instmatt_core.matting.instmatt.network import build
from instmatt_core.matting.instmatt.refinement import RIM, FastRefiner, areas_of_visits, refine_pass

pixels = st.lists(st.tuples(st.integers(0, 59), st.integers(0, 79)), max_size=12)


@given(pixels, st.sampled_from([4, 8, 20, 64]), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_rectangles_hold_all_that_is_wanted(wanted_pixels: list[tuple[int, int]], rows: int, gap: int) -> None:
    wanted = torch.zeros(60, 80, dtype=torch.bool)
    for y, x in wanted_pixels:
        wanted[y, x] = True
    covered = torch.zeros(60, 80, dtype=torch.long)
    for area in round_what(wanted, Area(slice(0, 60), slice(0, 80)), rows, gap, 4):
        assert area.rows.stop - area.rows.start <= rows
        assert all(s.start % 4 == 0 and s.stop % 4 == 0 for s in area)
        assert wanted[area.index].any()
        covered[area.index] += 1
    assert (covered[wanted] >= 1).all()


def test_far_apart_is_two_rectangles() -> None:
    wanted = torch.zeros(20, 200, dtype=torch.bool)
    wanted[5, 10] = wanted[7, 20] = wanted[6, 150] = True
    found = round_what(wanted, Area(slice(0, 20), slice(0, 200)), 20, 30)
    assert [(a.columns.start, a.columns.stop) for a in found] == [(10, 21), (150, 151)]


def test_strips_are_the_whole() -> None:
    seen = torch.zeros(50, 10)
    for strip in strips((50, 10), 16):
        seen[strip.index] += 1
    assert (seen == 1).all()


def test_an_area_in_another() -> None:
    area = Area(slice(8, 16), slice(4, 32))
    wider = area.grown(8, (20, 100))
    assert wider == Area(slice(0, 20), slice(0, 40))
    assert area.within(wider) == Area(slice(8, 16), slice(4, 32))
    assert area.at(4) == Area(slice(2, 4), slice(1, 8))


def test_widened() -> None:
    point = torch.zeros(9, 9, dtype=torch.bool)
    point[4, 4] = True
    assert widened(point, 2).nonzero().amin(0).tolist() == [2, 2]
    assert widened(point, 2).sum() == 25


def test_what_is_wanted_comes_out_as_if_all_were_computed(state: dict[str, Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    refiner = FastRefiner(build(state).refiner)
    image, start = torch.randn(3, 150, 170, generator=generator), torch.rand(2, 3, 150, 170, generator=generator)
    features = list(torch.randn(2, 32, 150, 170, generator=generator))
    windows, side = [(0, 0), (40, 50), (10, 70), (50, 10)], 100
    wanted = torch.zeros(150, 170, dtype=torch.bool)
    wanted[70:80, 60:75] = True
    results = []
    for mask in (torch.ones_like(wanted), wanted):
        alphas = start.clone()
        visits = areas_of_visits(mask, windows, side, 2)
        for areas in visits:
            with torch.inference_mode():
                refine_pass(refiner, image, alphas, features, areas, torch.ones(2, dtype=torch.bool))
        results.append(
            (alphas, sum((a.rows.stop - a.rows.start) * (a.columns.stop - a.columns.start) for v in visits for w in v for a in w))
        )
    (everything, cost), (some, less) = results
    assert cost == 2 * len(windows) * (side - 2 * RIM) ** 2
    assert less < cost / 2
    torch.testing.assert_close(some[:, :, wanted], everything[:, :, wanted], atol=2e-5, rtol=0)
    assert not torch.equal(some, everything)
