"""Norms into the kernels of the convolutions before them, for networks that only work from now on."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


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
