"""Write the key lists that conversions are checked against: instmatt_core/weights/manifests/SYSTEM.json.

    python tools/make_manifests.py instmatt=DIR/instmatt/manifest.json e2e-him=... sim=... sim-classifier=...

A source is a JSON file {"tensors": {key: {"shape": [...], "dtype": "float32"}}}. Mask R-CNN's list follows from its architecture, those
of BlazePose, whose published files have other names, from our networks; these are always written. In the output a key's dotted parts are
nested; a leaf is the shape, with the type in front if it is not float32.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from instmatt_core.detect.blazepose.networks import PoseDetector, PoseLandmarks

OUT = Path(__file__).parent.parent / "instmatt_core" / "weights" / "manifests"


def mask_rcnn() -> dict[str, list[int]]:
    """Every tensor of Mask R-CNN R50-FPN with 80 classes (307; 44,343,216 parameters, the frozen norms' not counted)."""
    shapes: dict[str, list[int]] = {}

    def convolution(name: str, out: int, into: int, kernel: int, *, norm: bool = False) -> None:
        shapes[f"{name}.weight"] = [out, into, kernel, kernel]
        if norm:
            shapes.update({f"{name}.norm.{leaf}": [out] for leaf in ("weight", "bias", "running_mean", "running_var")})
        else:
            shapes[f"{name}.bias"] = [out]

    def linear(name: str, out: int, into: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = [out, into], [out]

    body = "backbone.bottom_up"
    convolution(f"{body}.stem.conv1", 64, 3, 7, norm=True)
    width = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        inner, outer = 64 << stage, 256 << stage
        for i in range(blocks):
            block = f"{body}.res{stage + 2}.{i}"
            if i == 0:
                convolution(f"{block}.shortcut", outer, width, 1, norm=True)
            convolution(f"{block}.conv1", inner, width, 1, norm=True)
            convolution(f"{block}.conv2", inner, inner, 3, norm=True)
            convolution(f"{block}.conv3", outer, inner, 1, norm=True)
            width = outer
        convolution(f"backbone.fpn_lateral{stage + 2}", 256, outer, 1)
        convolution(f"backbone.fpn_output{stage + 2}", 256, 256, 3)
    rpn = "proposal_generator.rpn_head"
    convolution(f"{rpn}.conv", 256, 256, 3)
    convolution(f"{rpn}.objectness_logits", 3, 256, 1)
    convolution(f"{rpn}.anchor_deltas", 12, 256, 1)
    linear("roi_heads.box_head.fc1", 1024, 256 * 7 * 7)
    linear("roi_heads.box_head.fc2", 1024, 1024)
    linear("roi_heads.box_predictor.cls_score", 81, 1024)
    linear("roi_heads.box_predictor.bbox_pred", 320, 1024)
    for i in range(1, 5):
        convolution(f"roi_heads.mask_head.mask_fcn{i}", 256, 256, 3)
    convolution("roi_heads.mask_head.deconv", 256, 256, 2)
    convolution("roi_heads.mask_head.predictor", 80, 256, 1)
    learned = sum(math.prod(shape) for key, shape in shapes.items() if ".norm." not in key)
    assert (len(shapes), learned) == (307, 44_343_216)
    return shapes


def write(system: str, leaves: dict[str, list[Any]]) -> None:
    tree: dict[str, Any] = {}
    for key, leaf in leaves.items():
        *parents, last = key.split(".")
        branch = tree
        for part in parents:
            branch = branch.setdefault(part, {})
        branch[last] = leaf
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{system}.json"
    path.write_text(json.dumps(tree, separators=(",", ":")) + "\n", "utf-8")
    print(f"{path}: {len(leaves)} tensors, {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", metavar="SYSTEM=FILE")
    write("mask-rcnn", mask_rcnn())
    for part, network in (("detector", PoseDetector()), ("landmarks", PoseLandmarks())):
        write(f"pose-{part}", {key: list(value.shape) for key, value in network.state_dict().items()})
    for source in parser.parse_args().sources:
        system, _, file = source.partition("=")
        tensors = json.loads(Path(file).read_text("utf-8"))["tensors"]
        write(system, {k: t["shape"] if t["dtype"] == "float32" else [t["dtype"], *t["shape"]] for k, t in tensors.items()})


if __name__ == "__main__":
    main()
