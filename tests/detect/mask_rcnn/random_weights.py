"""Random weights that behave like trained ones: activations of unit size, scores that differ, boxes that stay in the picture."""

from __future__ import annotations

import torch
from torch import Tensor

from instmatt_core.detect.mask_rcnn.network import Network

SPREAD = {"objectness_logits": 2.0, "anchor_deltas": 0.3, "cls_score": 3.0, "bbox_pred": 1.0, "predictor": 4.0}


def random_state(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(shape: torch.Size) -> Tensor:
        return torch.randn(shape, generator=generator)

    state = {}
    for key, value in Network().state_dict().items():
        *_, layer, kind = key.split(".")
        if layer == "norm":
            centre = 0.0 if kind in ("bias", "running_mean") else 0.25 if kind == "weight" and "conv3" in key else 1.0
            state[key] = (normal(value.shape) * 0.1 + centre) if centre == 0.0 else centre * (normal(value.shape) * 0.1).exp()
        elif kind == "bias":
            state[key] = normal(value.shape) * 0.1
        else:
            inputs = value[0].numel() if "deconv" not in key else value.shape[0]
            gain = SPREAD.get(layer, 1.0 if "fpn" in layer or "conv3" in key else 2**0.5)
            state[key] = normal(value.shape) * gain / inputs**0.5
    state["backbone.bottom_up.stem.conv1.weight"] /= 60  # pixels reach 255
    return state
