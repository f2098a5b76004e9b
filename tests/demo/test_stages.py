"""The step tab's stages, with InstMatt in deterministic weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from deterministic_weights import deterministic_state

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

from instmatt_demo.stages import WATCHABLE, Work, corrected

from instmatt_core.guidance import trimaps
from instmatt_core.instances import InstanceMasks
from instmatt_core.matting.instmatt import InstMatt
from instmatt_core.progress import silent

MANIFEST = Path(__file__).parent.parent / "matting" / "instmatt" / "golden" / "manifest.json"


@pytest.fixture(scope="module")
def system() -> InstMatt:
    return InstMatt(deterministic_state(json.loads(MANIFEST.read_text("utf-8"))))


@pytest.fixture
def work() -> Work:
    """Two rectangular people before coloured blobs; the second is looked at."""
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse, size=(64, 96), mode="bicubic")[0].clamp(0, 1)
    masks = torch.zeros(2, 64, 96)
    masks[0, 10:60, 5:40] = 1
    masks[1, 15:60, 45:85] = 1
    people = InstanceMasks.from_masks(masks)
    trimap = trimaps(people)[1]
    return Work(image, people, 1, trimap, trimap)


def stroke(work: Work, rows: slice, columns: slice, level: float) -> Work:
    painted = work.painted.clone()
    painted[rows, columns] = level
    return replace(work, painted=painted)


def test_unpainted_it_is_the_systems_own_matte(system: InstMatt, work: Work) -> None:
    seen = WATCHABLE["instmatt"].solve(system, work, silent)
    torch.testing.assert_close(seen.alpha, system(work.image, work.people)[1])
    assert seen.tri_matte is not None
    assert seen.tri_matte.shape == (3, 64, 96)
    assert torch.equal(seen.tri_mask[:2], work.people.masks[[1, 0]])


def test_what_is_painted_reaches_the_network(system: InstMatt, work: Work) -> None:
    before = WATCHABLE["instmatt"].solve(system, work, silent)
    after = WATCHABLE["instmatt"].solve(system, stroke(work, slice(2, 12), slice(60, 90), 1.0), silent)
    assert after.tri_mask[0, 5, 70] == 1
    assert (after.alpha - before.alpha).abs().max() > 0.05


def test_white_takes_from_others_dark_does_not_give_amber_changes_nothing(work: Work) -> None:
    white = corrected(stroke(work, slice(20, 30), slice(20, 30), 1.0)).masks[:, 25, 25]
    dark = corrected(stroke(work, slice(30, 40), slice(60, 70), 0.0)).masks[:, 35, 65]
    amber = corrected(stroke(work, slice(30, 40), slice(60, 70), 0.5)).masks
    assert white.tolist() == [0, 1]
    assert dark.tolist() == [0, 0]
    assert torch.equal(amber, work.people.masks)


def test_closed_form_keeps_to_the_painted_trimap(work: Work) -> None:
    painted = stroke(work, slice(25, 35), slice(60, 70), 0.0)
    seen = WATCHABLE["closed-form"].solve(None, painted, silent)
    assert seen.tri_matte is None
    assert (seen.alpha[25:35, 60:70] == 0).all()
    assert (seen.alpha[painted.painted == 1] == 1).all()
