"""Mask R-CNN once more, as literally as possible: functions of the state dict, one box at a time. Slow."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .test_boxes import literal_suppress
from .test_sampling import literal_roi_align

State = dict[str, Tensor]


def conv(state: State, key: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = state[f"{key}.weight"]
    x = F.conv2d(x, weight, state.get(f"{key}.bias"), stride, weight.shape[2] // 2)
    if f"{key}.norm.weight" not in state:
        return x
    gamma, beta, mean, var = (state[f"{key}.norm.{n}"][:, None, None] for n in ("weight", "bias", "running_mean", "running_var"))
    return (x - mean) / (var + 1e-5).sqrt() * gamma + beta


def features(state: State, x: Tensor) -> list[Tensor]:
    b = "backbone.bottom_up"
    x = F.max_pool2d(conv(state, f"{b}.stem.conv1", x, 2).relu(), 3, 2, 1)
    bottom_up = []
    for level, blocks in ((2, 3), (3, 4), (4, 6), (5, 3)):
        for i in range(blocks):
            key, stride = f"{b}.res{level}.{i}", 2 if i == 0 and level > 2 else 1
            y = conv(state, f"{key}.conv2", conv(state, f"{key}.conv1", x, stride).relu()).relu()
            x = (conv(state, f"{key}.conv3", y) + (conv(state, f"{key}.shortcut", x, stride) if i == 0 else x)).relu()
        bottom_up.append(x)
    p5 = conv(state, "backbone.fpn_lateral5", bottom_up[3])
    merged = [p5]
    for level in (4, 3, 2):
        up = merged[0].repeat_interleave(2, 2).repeat_interleave(2, 3)
        merged.insert(0, conv(state, f"backbone.fpn_lateral{level}", bottom_up[level - 2]) + up)
    levels = [conv(state, f"backbone.fpn_output{level}", m) for level, m in zip((2, 3, 4, 5), merged, strict=True)]
    return [*levels, levels[3][:, :, ::2, ::2]]


def moved(box: list[float], delta: list[float], weights: tuple[int, ...], size: tuple[int, int]) -> list[float]:
    width, height = box[2] - box[0], box[3] - box[1]
    x = box[0] + width / 2 + delta[0] / weights[0] * width
    y = box[1] + height / 2 + delta[1] / weights[1] * height
    width *= math.exp(min(delta[2] / weights[2], math.log(1000 / 16)))
    height *= math.exp(min(delta[3] / weights[3], math.log(1000 / 16)))
    corners = ((x - width / 2, size[1]), (y - height / 2, size[0]), (x + width / 2, size[1]), (y + height / 2, size[0]))
    return [min(max(value, 0.0), float(limit)) for value, limit in corners]


def proposals(state: State, levels: list[Tensor], size: tuple[int, int]) -> list[list[float]]:
    boxes, scores, groups = [], [], []
    for level, x in enumerate(levels):
        hidden = conv(state, "proposal_generator.rpn_head.conv", x).relu()
        logits = conv(state, "proposal_generator.rpn_head.objectness_logits", hidden)[0]
        deltas = conv(state, "proposal_generator.rpn_head.anchor_deltas", hidden)[0]
        places = [(float(logits[a, i, j]), a, i, j) for a in range(3) for i in range(x.shape[2]) for j in range(x.shape[3])]
        for score, a, i, j in sorted(places, reverse=True)[:1000]:
            side, stride, ratio = 32 << level, 4 << level, (0.5, 1.0, 2.0)[a]
            w, h = side / math.sqrt(ratio) / 2, side * math.sqrt(ratio) / 2
            anchor = [j * stride - w, i * stride - h, j * stride + w, i * stride + h]
            box = moved(anchor, deltas[4 * a : 4 * a + 4, i, j].tolist(), (1, 1, 1, 1), size)
            if box[2] > box[0] and box[3] > box[1]:
                boxes.append(box)
                scores.append(score)
                groups.append(level)
    return [boxes[i] for i in literal_suppress(boxes, scores, groups, 0.7)[:1000]]


def pooled(levels: list[Tensor], box: list[float], bins: int) -> Tensor:
    side = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    level = min(max(math.floor(4 + math.log2(side / 224 + 1e-8)), 2), 5)
    return literal_roi_align(levels[level - 2][0], torch.tensor([box], dtype=torch.float64) / (1 << level), bins)


def linear(state: State, key: str, x: Tensor) -> Tensor:
    return F.linear(x, state[f"roi_heads.{key}.weight"], state[f"roi_heads.{key}.bias"])


def detections(state: State, levels: list[Tensor], size: tuple[int, int]) -> tuple[list[list[float]], list[float], list[int]]:
    boxes, scores, classes = [], [], []
    for box in proposals(state, levels, size):
        x = linear(state, "box_head.fc1", pooled(levels, box, 7).flatten(1)).relu()
        x = linear(state, "box_head.fc2", x).relu()
        probabilities = linear(state, "box_predictor.cls_score", x)[0].softmax(0).tolist()
        deltas = linear(state, "box_predictor.bbox_pred", x)[0].tolist()
        for c in range(80):
            if probabilities[c] > 0.05:
                boxes.append(moved(box, deltas[4 * c : 4 * c + 4], (10, 10, 5, 5), size))
                scores.append(probabilities[c])
                classes.append(c)
    kept = literal_suppress(boxes, scores, classes, 0.5)[:100]
    return [boxes[i] for i in kept], [scores[i] for i in kept], [classes[i] for i in kept]


def mask(state: State, levels: list[Tensor], box: list[float], which: int) -> Tensor:
    x = pooled(levels, box, 14)
    for i in (1, 2, 3, 4):
        x = conv(state, f"roi_heads.mask_head.mask_fcn{i}", x).relu()
    x = F.conv_transpose2d(x, state["roi_heads.mask_head.deconv.weight"], state["roi_heads.mask_head.deconv.bias"], 2).relu()
    return conv(state, "roi_heads.mask_head.predictor", x)[0, which].sigmoid()
