"""What the converters of published networks share: both sides run their convolutions in the same order."""

from __future__ import annotations

import torch
from torch import nn


def in_order(model: nn.Module, side: int) -> list[str]:
    """Names of the module's convolutions in the order in which forward calls them."""
    order: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda *_, name=name: order.append(name))
    with torch.inference_mode():
        model(torch.zeros(1, 3, side, side))
    return order
