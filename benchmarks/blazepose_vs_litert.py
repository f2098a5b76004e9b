"""Our BlazePose networks against LiteRT on the same crops in one process: prints the ratio of CPU times and the agreement.

    python tools/fetch_blazepose.py FOLDER && python benchmarks/blazepose_vs_litert.py FOLDER [--threads 2] [--rounds 20]

Rounds of the two alternate, so that both meet the same machine; each figure is the median of its rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

from instmatt_core.cli.matte import EXAMPLE
from instmatt_core.detect.blazepose import BlazePose
from instmatt_core.detect.blazepose.crops import person_matrix, pyramid, sample, search_squares, square_matrix
from instmatt_core.image import read_image, to_uint8


def litert(path: Path, threads: int) -> Callable[[np.ndarray], list[dict[str, np.ndarray]]]:
    """The published network as a function of ``(N, S, S, 3)``; it takes one crop at a time."""
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()

    def run(batch: np.ndarray) -> list[dict[str, np.ndarray]]:
        results = []
        for x in batch:
            interpreter.set_tensor(inputs, x[None])
            interpreter.invoke()
            results.append({o["name"]: interpreter.get_tensor(o["index"])[0] for o in outputs})
        return results

    return run


def ours(network: torch.nn.Module) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Our network as a function of the same."""

    def run(batch: np.ndarray) -> list[np.ndarray]:
        x = torch.from_numpy(batch).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return [y.numpy() for y in network(x.contiguous(memory_format=torch.channels_last))]

    return run


def compare(name: str, theirs: Callable, mine: Callable, batch: np.ndarray, rounds: int) -> None:
    times: dict[str, list[float]] = {"litert": [], "ours": []}
    for _ in range(rounds):
        for label, function in (("litert", theirs), ("ours", mine)):
            start = time.process_time()
            function(batch)
            times[label].append(time.process_time() - start)
    median = {label: float(np.median(values)) for label, values in times.items()}
    print(f"{name:10} {len(batch)} crops  ours / LiteRT CPU time = {median['ours'] / median['litert']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    detector = BlazePose.load()
    levels = pyramid(to_uint8(read_image(EXAMPLE)))
    squares = search_squares(*levels[0].shape[:2])
    tiles = np.stack([sample(levels, square_matrix(s, 224), 224) for s in squares]).astype(np.float32) / 127.5 - 1
    people = [sample(levels, person_matrix(p.centre, p.top), 256) for p in detector.propose(levels)]
    crops = np.stack((people * 4)[:4]).astype(np.float32) / 255

    heavy = litert(options.folder / "pose_landmark_heavy.tflite", options.threads)
    logits = ours(detector.landmarks)(crops)[2]
    worst = max(np.abs(a - b["Identity_2"][..., 0]).max() for a, b in zip(logits, heavy(crops), strict=True))
    print(f"largest difference of mask logits: {worst:.4f}")
    compare("detector", litert(options.folder / "pose_detection.tflite", options.threads), ours(detector.detector), tiles, options.rounds)
    compare("landmarks", heavy, ours(detector.landmarks), crops, options.rounds)


if __name__ == "__main__":
    main()
