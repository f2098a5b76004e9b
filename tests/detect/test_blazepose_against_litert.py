"""Our two networks against the published files run by LiteRT. Needs those files: set BLAZEPOSE_TFLITE to a folder with both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from instmatt_core.cli.matte import EXAMPLE
from instmatt_core.detect.blazepose import BlazePose
from instmatt_core.detect.blazepose.crops import person_matrix, pyramid, sample, search_squares, square_matrix
from instmatt_core.image import read_image, to_uint8


def litert(file: Path, inputs: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Outputs by name for each of ``(N, S, S, 3)`` inputs."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    results = []
    for x in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[None])
        interpreter.invoke()
        results.append({d["name"]: interpreter.get_tensor(d["index"])[0] for d in interpreter.get_output_details()})
    return results


@pytest.fixture(scope="module")
def levels() -> list[np.ndarray]:
    return pyramid(to_uint8(read_image(EXAMPLE)))


def test_boxes_within_half_a_pixel(blazepose: BlazePose, published: Path, levels: list[np.ndarray]) -> None:
    squares = search_squares(*levels[0].shape[:2])
    inputs = np.stack([sample(levels, square_matrix(s, 224), 224) for s in squares]).astype(np.float32) / 127.5 - 1
    with torch.inference_mode():
        scores, boxes = blazepose.detector(torch.from_numpy(inputs).permute(0, 3, 1, 2))
    for ours, our_scores, theirs in zip(boxes.numpy(), scores.numpy(), litert(published / "pose_detection.tflite", inputs), strict=True):
        assert np.abs(ours - theirs["Identity"]).max() < 0.5
        assert np.abs(our_scores - theirs["Identity_1"][:, 0]).max() < 0.01


def test_mask_logits_within_a_twentieth(blazepose: BlazePose, published: Path, levels: list[np.ndarray]) -> None:
    people = blazepose.propose(levels)
    assert len(people) >= 2
    inputs = np.stack([sample(levels, person_matrix(p.centre, p.top), 256) for p in people]).astype(np.float32) / 255
    with torch.inference_mode():
        points, presence, logits = (y.numpy() for y in blazepose.landmarks(torch.from_numpy(inputs).permute(0, 3, 1, 2)))
    for k, theirs in enumerate(litert(published / "pose_landmark_heavy.tflite", inputs)):
        assert np.abs(logits[k] - theirs["Identity_2"][..., 0]).max() < 0.05
        assert np.abs(points[k] - theirs["Identity"].reshape(39, 5)).max() < 0.5
        assert abs(presence[k] - theirs["Identity_1"].item()) < 1e-3
