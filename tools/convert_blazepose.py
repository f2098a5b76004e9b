"""Convert MediaPipe's published BlazePose files to the safetensors that the package bundles.

    pip install ai-edge-litert
    npm pack @mediapipe/pose@0.5.1675469404                      # holds package/pose_landmark_heavy.tflite
    pip download --no-deps mediapipe==0.10.21                    # the wheel holds pose_detection.tflite
    python tools/convert_blazepose.py pose_detection.tflite pose_landmark_heavy.tflite

Both the file and our module run their convolutions in the same order, so the tensors are paired in that order and every shape is
checked. The published files store float16, so nothing is lost. The tensors are always the same; the
order of the notes in a file's head is not.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from convolutions import in_order
from safetensors.torch import save_file
from torch import nn

from instmatt_core.detect.blazepose.networks import PoseDetector, PoseLandmarks
from instmatt_core.weights.packed import pack

SHA256 = {
    "pose_detection": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark_heavy": "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
}
UNUSED_HEADS = {(39, 48, 1, 1), (117, 288, 2, 2)}  # heat maps, world landmarks


def tflite_convolutions(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernels (in torch's layout) and biases of all convolutions, in the order of execution."""
    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    interpreter.invoke()  # decodes float16 and sparse tensors
    found = []
    for op in interpreter._get_ops_details():
        if "CONV_2D" not in op["op_name"]:
            continue
        _, kernel, bias = (interpreter.get_tensor(i) for i in op["inputs"])
        kernel = kernel.transpose(3, 0, 1, 2) if op["op_name"].startswith("DEPTHWISE") else kernel.transpose(0, 3, 1, 2)
        if kernel.shape not in UNUSED_HEADS:
            found.append((kernel, bias))
    return found


def convert(path: Path, model: nn.Module, side: int, out: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256[path.stem]:
        raise SystemExit(f"{path}: sha256 is {digest}, expected {SHA256[path.stem]}")
    names, tensors = in_order(model, side), tflite_convolutions(path)
    if len(names) != len(tensors):
        raise SystemExit(f"{path}: {len(tensors)} convolutions, the module has {len(names)}")
    state = {}
    for name, (kernel, bias) in zip(names, tensors, strict=True):
        state[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel)).half()
        state[f"{name}.bias"] = torch.from_numpy(bias.copy()).half()
    model.load_state_dict(state)  # strict: names and shapes
    save_file(pack(state), out, metadata={"system": f"blazepose/{path.stem}", "licence": "Apache-2.0", "source_sha256": digest})
    print(f"{out}: {len(state)} tensors, {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detector", type=Path)
    parser.add_argument("landmarks", type=Path)
    parser.add_argument("--output", type=Path, default=Path("instmatt_core/weights/bundled"))
    arguments = parser.parse_args()
    convert(arguments.detector, PoseDetector(), 224, arguments.output / "blazepose_detector.safetensors")
    convert(arguments.landmarks, PoseLandmarks(), 256, arguments.output / "blazepose_landmarks.safetensors")
