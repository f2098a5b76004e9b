"""People in poses that no photograph at hand shows, to train the people detector on.

    pip install anny==0.6.2 trimesh embreex                  # Apache-2.0, its shapes CC0; MIT; Apache-2.0
    instmatt weights list blazepose-detector blazepose-landmarks    # to be converted first: docs/detectors.md
    python tools/figures CACHE/street OUTPUT --count 450

CACHE/street: full-length cut-outs as ``instmatt train`` keeps them. Pictures of standing people become the skins of a body model, which
then sits, squats, leans, turns round. Writes ``OUTPUT/people``, for ``instmatt train --things OUTPUT``. Nobody kept aside for measuring
is used.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from body import Model
from draw import figure

from instmatt_core.data.cutouts import is_kept_aside, read_rgba
from instmatt_core.data.poses import is_slender
from instmatt_core.detect.blazepose import BlazePose, crops
from instmatt_core.image import write_png

SEED = 11
MARGIN = 80  # px round a cut-out, for BlazePose
SURE = 0.8  # of the landmarks


def landmarks(detector: BlazePose, rgba: np.ndarray) -> np.ndarray | None:
    """``(33, 2)`` px, or None where BlazePose is not sure."""
    wide = cv2.copyMakeBorder(rgba, *(MARGIN,) * 4, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    alpha = wide[..., 3:] / 255
    levels = crops.pyramid((wide[..., :3] * alpha + 150 * (1 - alpha)).astype(np.uint8))
    candidates = sorted(detector.propose(levels), key=lambda c: -c.score)[:1]
    people = detector.segment(levels, candidates)
    return people[0].landmarks[:33] - MARGIN if people and people[0].score >= SURE else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cutouts", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=450)
    options = parser.parse_args()
    files = [p for p in sorted((options.cutouts / "people").glob("*.png")) if not is_kept_aside(p.stem)]
    model, detector, people = Model(), BlazePose.load(), []
    for path in files[::2]:
        rgba = read_rgba(path)
        marks = landmarks(detector, rgba) if is_slender(rgba) else None
        if marks is not None:
            people.append((path, marks))
    print(f"{len(people)} people of {len(files)} serve as skins")
    for number in range(options.count):
        rng = np.random.default_rng([SEED, number])
        path, marks = people[rng.integers(len(people))]
        rgba = figure(model, read_rgba(path), marks, rng)
        write_png(options.output / "people" / f"figure_{number:04d}.png", torch.from_numpy(rgba).permute(2, 0, 1) / 255)


if __name__ == "__main__":
    main()
