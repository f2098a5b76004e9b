"""People detectors measured side by side: composed scenes and large groups of people kept aside, photographs
with polygons, no people at all.

    python benchmarks/people_detector.py CACHE... [--photos FOLDER] [--empty FOLDER] [--scenes 200] [--groups 60] [--sheet worst.png]

CACHE: folders of cut-outs as ``instmatt data compose`` and ``instmatt train`` keep them. Recall: share of people found with a mask
of IoU 0.5 or more. RQ: found / (found + missed / 2 + false / 2). IoU: mean over those found, and over everyone. Tiny people, and
passers-by behind the scenes, count neither as missed nor, when found, as false. What matting makes of the masks is measured by
benchmarks/matting.py.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from scenes import Picture, composed, counted, groups
from scipy.optimize import linear_sum_assignment

from instmatt_core.compositing import overlay
from instmatt_core.data.backgrounds import generate
from instmatt_core.data.effects import photograph
from instmatt_core.image import as_image, read_image, to_uint8, write_png
from instmatt_core.instances import InstanceMattes
from instmatt_core.pipeline import DETECTORS, Options

SEED = 2026


@dataclass
class Score:
    """What a detector found in a set of pictures."""

    best: list[float] = field(default_factory=list)  # IoU of each person with the mask given to them, 0 if there is none
    false: int = 0
    seconds: float = 0.0
    views: list[tuple[float, np.ndarray]] = field(default_factory=list)  # how wrong, and what it looks like

    def add(self, picture: Picture, detector: Callable) -> None:
        truth = picture.alphas > 127
        started = time.process_time()
        found = detector(as_image(picture.image))
        self.seconds += time.process_time() - started
        found = counted(found, picture.elsewhere)
        matrix = ious(found.masks.numpy() > 0.5, truth)
        rows, columns = linear_sum_assignment(-matrix)
        best = np.zeros(len(truth))
        best[columns] = matrix[rows, columns]
        hits = best >= 0.5
        self.best += best.tolist()
        self.false += len(found) - int(hits.sum())
        wrong = float((1 - best * hits).sum() + len(found) - hits.sum())
        self.views.append((wrong, side_by_side(picture.image, truth, found)))

    def line(self) -> str:
        best = np.array(self.best)
        hits = best[best >= 0.5]
        rq = len(hits) / max(1, len(hits) + (len(best) - len(hits)) / 2 + self.false / 2)
        quality = f"RQ {100 * rq:5.1f}  recall {100 * len(hits) / max(1, len(best)):5.1f}%"
        means = f"IoU {hits.sum() / max(1, len(hits)):.3f} (found) {best.sum() / max(1, len(best)):.3f} (everyone)"
        return f"{quality}  {means}  false {self.false}  of {len(best)} people  {self.seconds / max(1, len(self.views)):.2f} s CPU"


def ious(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``(K, T)`` intersection over union of boolean masks."""
    pixels = truth[0].size if len(truth) else found[0].size if len(found) else 1
    a, b = (masks.reshape(len(masks), pixels).astype(np.float32) for masks in (found, truth))
    shared = a @ b.T
    return shared / np.maximum(a.sum(1)[:, None] + b.sum(1)[None] - shared, 1)


def side_by_side(image: np.ndarray, truth: np.ndarray, found: object) -> np.ndarray:
    """Truth and finding over the picture, small."""
    picture = as_image(image)
    views = []
    for masks in (torch.from_numpy(truth).float(), (found.masks > 0.5).float()):  # type: ignore[attr-defined]
        mattes = InstanceMattes(masks, torch.zeros(len(masks), 4), torch.ones(len(masks)))
        view = to_uint8(overlay(picture, mattes))
        views.append(cv2.resize(view, (round(256 * view.shape[1] / view.shape[0]), 256), interpolation=cv2.INTER_AREA))
    return np.concatenate(views, 1)


def photographs(folder: Path) -> Iterator[Picture]:
    """Photographs with labelme polygons. Shapes of one group are one person; who is hardly visible need not be found."""
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        image = to_uint8(read_image(path.with_suffix(".jpg")))
        people: dict[object, np.ndarray] = {}
        for number, shape in enumerate(data["shapes"]):
            if shape["label"] == "person":
                key = f"group {shape['group_id']}" if shape.get("group_id") is not None else number
                mask = people.setdefault(key, np.zeros(image.shape[:2], np.uint8))
                cv2.fillPoly(mask, [np.round(shape["points"]).astype(np.int32)], 255)
        masks = np.stack(list(people.values()))
        large = (masks > 0).mean((1, 2)) > 0.005
        yield Picture(image, masks[large], (masks[~large] > 0).any(0))


def nobody(folder: Path | None, count: int) -> Iterator[Picture]:
    """Pictures without people: those of a folder, then generated ones."""
    files = sorted(p for p in folder.iterdir() if p.is_file()) if folder else []
    for path in files:
        yield without_people(to_uint8(read_image(path)))
    for index in range(len(files), count):
        rng = np.random.default_rng([2026, index])
        image, _ = photograph(generate((640, 960), rng), np.empty((0, 640, 960), np.float32), rng)
        yield without_people((image * 255).round().astype(np.uint8))


def without_people(image: np.ndarray) -> Picture:
    return Picture(image, np.zeros((0, *image.shape[:2]), np.uint8), np.zeros(image.shape[:2], bool))


def sheet(path: Path, views: list[np.ndarray]) -> None:
    width = max(view.shape[1] for view in views)
    rows = [np.pad(view, ((0, 4), (0, width - view.shape[1]), (0, 0))) for view in views]
    half = -(-len(rows) // 2)
    rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
    picture = np.concatenate((np.concatenate(rows[:half]), np.concatenate(rows[half:])), 1)
    write_png(path, torch.from_numpy(picture).permute(2, 0, 1).float() / 255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("caches", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--empty", type=Path, help="pictures without people")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--groups", type=int, default=60, help="scenes of large groups, of small people")
    parser.add_argument("--detectors", nargs="+", default=["people", "ensemble"])
    parser.add_argument("--sheet", type=Path, help="contact sheet of the worst twenty scenes, of the last detector")
    options = parser.parse_args()
    sets = {"scenes": lambda: composed(options.caches, options.scenes, SEED), "nobody": lambda: nobody(options.empty, 50)}
    sets["groups"] = lambda: groups(options.caches, options.groups, SEED)
    if options.photos:
        sets["photos"] = lambda: photographs(options.photos)
    for name, pictures in sets.items():
        for key in options.detectors:
            detector, score = DETECTORS[key](Options(torch.device("cpu"))), Score()
            for picture in pictures():
                score.add(picture, detector)
            print(f"{name:7} {key:10} {score.line()}", flush=True)
            if name == "photos":
                print("        each person:", [round(v, 3) for v in score.best])
            if options.sheet and score.views and key == options.detectors[-1]:
                views = [view for _, view in sorted(score.views, key=lambda w: -w[0])[:20]]
                sheet(options.sheet.with_stem(f"{options.sheet.stem}_{name}"), views)


if __name__ == "__main__":
    main()
