"""A convolution and its activation in one oneDNN kernel, where this build of torch has it: less memory traffic on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PLAIN = {"none": lambda x: x, "relu": F.relu, "leaky_relu": F.leaky_relu, "hardtanh": F.hardtanh}


def conv2d(x: Tensor, conv: nn.Module, activation: str = "none", arguments: Sequence[float] = ()) -> Tensor:
    """``activation(conv(x), *arguments)`` for a Conv2d and the activations in ``PLAIN``, which go by oneDNN's names."""
    assert isinstance(conv, nn.Conv2d)
    if _onednn() and x.device.type == "cpu" and x.dtype == torch.float32 and torch.is_inference_mode_enabled():
        shape = (conv.padding, conv.stride, conv.dilation, conv.groups)
        return torch.ops.mkldnn._convolution_pointwise(x, conv.weight, conv.bias, *shape, activation, list(arguments), "")
    return PLAIN[activation](F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups), *arguments)


@cache
def _onednn() -> bool:
    """Whether this build of torch has the kernels that its own compiler uses."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
