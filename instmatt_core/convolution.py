"""A convolution and what follows it in one kernel: less memory traffic. Activations where this build of torch has oneDNN's kernels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PLAIN = {"none": lambda x: x, "relu": F.relu, "leaky_relu": F.leaky_relu, "hardtanh": F.hardtanh, "swish": F.silu, "gelu": F.gelu}


def conv2d(x: Tensor, conv: nn.Module, activation: str = "none", arguments: Sequence[float] = (), add: Tensor | None = None) -> Tensor:
    """``activation(conv(x) + add, *arguments)`` for a Conv2d and the activations in ``PLAIN``, which go by oneDNN's names.

    With ``add``, of the result's shape, the activation is "none" or "relu".
    """
    assert isinstance(conv, nn.Conv2d)
    shape = (conv.padding, conv.stride, conv.dilation, conv.groups)
    if not _fusible(x):
        y = F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        return PLAIN[activation](y if add is None else y + add, *arguments)
    if add is None:
        exact = "none" if activation == "gelu" else ""
        return torch.ops.mkldnn._convolution_pointwise(x, conv.weight, conv.bias, *shape, activation, list(arguments), exact)
    unary = None if activation == "none" else activation
    return torch.ops.mkldnn._convolution_pointwise.binary(x, add, conv.weight, conv.bias, *shape, "add", 1.0, unary, list(arguments), "")


def conv_transpose2d(x: Tensor, conv: nn.Module, activation: str = "none", arguments: Sequence[float] = ()) -> Tensor:
    """``activation(conv(x), *arguments)`` for a ConvTranspose2d."""
    assert isinstance(conv, nn.ConvTranspose2d)
    if not _fusible(x):
        return PLAIN[activation](conv(x), *arguments)
    shape = (conv.padding, conv.output_padding, conv.stride, conv.dilation, conv.groups)
    return torch.ops.mkldnn._convolution_transpose_pointwise(x, conv.weight, conv.bias, *shape, activation, list(arguments), "")


def _fusible(x: Tensor) -> bool:
    return x.device.type == "cpu" and torch.is_inference_mode_enabled() and x.dtype in _onednn()


@cache
def _onednn() -> frozenset[torch.dtype]:
    """For which types this build of torch, on this processor, has the kernels that its own compiler uses."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return frozenset()
    return frozenset({torch.float32, torch.bfloat16} if torch.ops.mkldnn._is_mkldnn_bf16_supported() else {torch.float32})


def fold_norms(network: nn.Module) -> None:
    """Put each batch norm that follows a convolution at once into its kernel, in place; other norms stay.

    A norm belongs to the convolution one number before it, or of its name with "bn" or "_bn" as "conv" or nothing.
    """
    for parent in list(network.modules()):
        children = dict(parent.named_children())
        for name, norm in children.items():
            before = str(int(name) - 1) if name.isdecimal() else name.removesuffix("_bn").replace("bn", "conv")
            conv = children.get(before)
            if isinstance(norm, nn.BatchNorm2d) and isinstance(conv, (nn.Conv2d, nn.ConvTranspose2d)):
                setattr(parent, before, fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d)))
                setattr(parent, name, nn.Identity())


def in_order(model: nn.Module, side: int) -> list[str]:
    """Names of a module's convolutions in the order in which forward calls them, for a picture of ``side`` x ``side`` px."""
    order: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: order.append(name))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.inference_mode():
        model(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return order
