"""Targets and losses of the people detector, against literal versions."""

from __future__ import annotations

import numpy as np
import torch
from block_scenes import block_scene

from instmatt_core.training.people import LABEL_FROM, centre_loss, dice_loss, mask_loss, outline, targets


def test_targets() -> None:
    batch = targets(block_scene((0, 0, 16, 16), (30, 20, 60, 50), side=64), np.random.default_rng(0))
    assert batch["count"] == 2
    assert (batch["heat"] == 1).nonzero().tolist() == [[0, 0], [5, 4]]  # (7.5, 7.5) and (44.5, 34.5) in cells of 8 px
    assert batch["cells"][0, 0].tolist() == [0, 0]
    assert batch["cells"][1, 0].tolist() == [5, 4]
    assert batch["masks"].shape == (9, 32, 32)
    assert batch["masks"][1].sum() == 255 * 15 * 15
    assert batch["masks"][2:].sum() == 0


def test_a_centre_lies_on_its_person() -> None:
    scene = block_scene((4, 4, 60, 60), side=64)
    scene.alphas[0, 12:60, 12:52] = 0  # an arch; its centre of gravity lies in the hole
    y, x = targets(scene, np.random.default_rng(0))["cells"][0, 0].tolist()
    assert scene.alphas[0, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].any()


def test_centre_loss_literally() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, heat = torch.randn(2, 4, 4, generator=generator), torch.rand(2, 4, 4, generator=generator)
    heat[0, 1, 2] = heat[1, 3, 3] = 1
    unsure = torch.rand(2, 4, 4, generator=generator) < 0.3
    expected = 0.0
    for logit, target, maybe in zip(logits.flatten().tolist(), heat.flatten().tolist(), unsure.flatten().tolist(), strict=True):
        p = 1 / (1 + np.exp(-logit))
        if target == 1:
            expected += -((1 - p) ** 2) * np.log(p)
        elif not (maybe and p > LABEL_FROM):
            expected += -((1 - target) ** 4) * p**2 * np.log(1 - p)
    torch.testing.assert_close(centre_loss(logits, heat, unsure), torch.tensor(expected / 2, dtype=torch.float32))


def test_dice_loss_literally() -> None:
    logits, target = torch.randn(3, 5, 6), (torch.rand(3, 5, 6) > 0.5).float()
    p = logits.sigmoid()
    each = [1 - (2 * (a * t).sum() + 1) / ((a * a).sum() + (t * t).sum() + 1) for a, t in zip(p, target, strict=True)]
    torch.testing.assert_close(dice_loss(logits, target), torch.stack(each).mean())


def test_the_outline_counts_more() -> None:
    target = torch.zeros(1, 40, 40)
    target[:, 10:30, 10:30] = 1
    edge = outline(target)[0]
    assert edge[9:11, 20].min() == 1  # on both sides of the edge
    assert edge[20, 20] == edge[2, 2] == 0
    perfect = 20 * (2 * target - 1)

    def cost(y: int, x: int) -> float:
        logits = perfect.clone()
        logits[0, y, x] *= -1
        return float(mask_loss(logits, target) - mask_loss(perfect, target))

    assert cost(11, 20) > 3 * cost(20, 20)
