"""E2E-HIM's targets, its losses against literal versions, and twenty steps at tiny size."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from block_scenes import block_scene

from instmatt_core.matting.e2e_him import E2EHIM
from instmatt_core.training import e2e_him, losses
from instmatt_core.training.e2e_him import BACKGROUND, FOREGROUND, UNKNOWN, targets, trimap
from instmatt_core.training.loop import Run, build_task
from instmatt_core.training.recipe import Recipe, Stage

TINY = Recipe("e2e-him", (Stage(20, 64, 2),), rate=3e-4, warm_up=3, network={"backbone": "efficientnet-lite2"}, real=0.0)


def test_trimap() -> None:
    alpha = np.zeros((60, 60), np.uint8)
    alpha[20:40, 20:40] = 255
    alpha[20:40, 40:44] = 100
    for seed in range(10):
        classes = trimap(alpha, np.random.default_rng(seed))
        assert (classes[(alpha > 0) & (alpha < 255)] == UNKNOWN).all()
        assert classes[30, 20] == classes[30, 18] == UNKNOWN  # on both sides of a hard edge
        assert classes[0, 0] == BACKGROUND
        assert (alpha[classes == FOREGROUND] == 255).all()
        assert (alpha[classes == BACKGROUND] == 0).all()


def test_targets() -> None:
    scene = block_scene((0, 0, 30, 64), (30, 0, 64, 64), side=64)
    batch = targets(scene, np.random.default_rng(0))
    assert batch["count"] == 2
    assert batch["alphas"].shape == batch["trimaps"].shape == (20, 64, 64)
    assert torch.equal(batch["alphas"][:2], torch.from_numpy(scene.alphas))
    assert not batch["trimaps"][2:].any()


def test_match_is_the_cheapest_of_all_assignments() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, trimaps = torch.randn(5, 2, generator=generator), 3 * torch.randn(5, 3, 16, 16, generator=generator)
    alphas = torch.rand(3, 16, 16, generator=generator)

    def cost(query: int, person: int) -> float:
        mask, true = [], []
        for y, x in itertools.product((0, 8), (0, 8)):
            shares = trimaps[query, :, y : y + 8, x : x + 8].mean((1, 2)).softmax(0)
            mask.append(float(shares[2] + shares[1] / 2))
            true.append(float(alphas[person, y : y + 8, x : x + 8].mean()))
        dice = 2 * sum(m * t for m, t in zip(mask, true, strict=True)) / (sum(mask) + sum(true))
        return -float(logits[query].softmax(0)[1]) - dice

    best = min(itertools.permutations(range(5), 3), key=lambda queries: sum(cost(q, k) for k, q in enumerate(queries)))
    queries, people = losses.match(logits, trimaps, alphas)
    assert {(int(q), int(k)) for q, k in zip(queries, people, strict=True)} == {(q, k) for k, q in enumerate(best)}


def test_nobody_matches_nobody() -> None:
    queries, people = losses.match(torch.randn(5, 2), torch.randn(5, 3, 16, 16), torch.zeros(0, 16, 16))
    assert len(queries) == len(people) == 0


def test_class_entropy_literally() -> None:
    logits = torch.randn(2, 3, 2)
    found = torch.tensor([0, 1]), torch.tensor([2, 0])
    total = weight = 0.0
    for b, q in itertools.product(range(2), range(3)):
        person = (b, q) in ((0, 2), (1, 0))
        w = 1.0 if person else 0.1
        total -= w * float(logits[b, q].log_softmax(0)[int(person)])
        weight += w
    assert float(losses.class_entropy(logits, found)) == pytest.approx(total / weight, rel=1e-5)


def test_trimap_entropy_literally() -> None:
    logits, true = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    each: list[list[float]] = [[], [], []]
    for n, y, x in itertools.product(range(2), range(4), range(5)):
        c = int(true[n, y, x])
        each[c].append(-float(logits[n, :, y, x].log_softmax(0)[c]))
    assert float(losses.trimap_entropy(logits, true)) == pytest.approx(sum(float(np.mean(e)) for e in each) / 3, rel=1e-5)


def test_in_band_literally() -> None:
    predicted, true = torch.rand(2, 64, 64), torch.rand(2, 64, 64)
    unknown = torch.rand(2, 64, 64) < 0.3
    made = losses.in_band(predicted, true, unknown)
    torch.testing.assert_close(made["l1"], (predicted - true).abs()[unknown].mean())
    everywhere = losses.in_band(predicted, true, torch.ones_like(unknown))
    torch.testing.assert_close(everywhere["laplacian"], losses.laplacian(predicted[:, None], true[:, None]))
    assert losses.in_band(torch.where(unknown, true, predicted), true, unknown)["laplacian"] == 0  # outside nothing counts


def test_without_people_every_loss_is_finite() -> None:
    nothing = torch.zeros(0, 64, 64)
    assert losses.trimap_entropy(torch.zeros(0, 3, 64, 64), nothing.long()) == 0
    assert all(value == 0 for value in losses.in_band(nothing, nothing, nothing.bool()).values())


def test_the_backbone_learns_at_a_rate_of_its_own(cutouts: Path) -> None:
    task = build_task(TINY, [cutouts], None)
    fresh, backbone = task.groups()
    assert (fresh["rate"], backbone["rate"]) == (TINY.rate, TINY.backbone_rate)
    known = {id(p) for p in task.network.perception.trans.parameters()}
    assert {id(p) for p in backbone["params"]} == known
    assert len(fresh["params"]) + len(known) == len(list(task.network.parameters()))


def test_it_learns(cutouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    run, totals = Run(build_task(TINY, [cutouts], None), TINY, tmp_path, workers=0), []
    run.save = lambda: None  # type: ignore[method-assign] # three times 190 MB
    run.train(lambda step, values: totals.append(values["total"]))
    assert len(totals) == 20
    assert np.isfinite(totals).all()
    assert sum(totals[-5:]) < 0.9 * sum(totals[:5])
    monkeypatch.setattr(e2e_him, "CHECKED", 2)
    assert set(run.task.validate(run.average)) == {"imq_mad", "imq_mse", "imq_grad", "imq_conn", "imq_iou"}
    assert run.task.sheet(run.average).shape == (3, 128, 192)
    E2EHIM(run.task.weights(run.average), backbone="efficientnet-lite2")  # strict: what is exported is a whole system's
