"""Matting systems side by side: IMQ on composed scenes of people kept aside, with detectors' masks and with spoiled true masks.

    python benchmarks/matting.py CACHE... [--scenes 200] [--systems closed-form mine=FILE.safetensors] [--guides spoiled] [--groups]

CACHE: folders of cut-outs as ``instmatt data compose`` and ``instmatt train`` keep them. A system is a name of the pipeline's, or
NAME=FILE: an InstMatt of any size, as ``instmatt train --export`` writes it. All see the same pictures and the same masks.
IMQ, higher is better, at an IoU of 0.5; MAD and MSE in thousandths over the people found, lower is better.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scenes import composed, counted, groups

from instmatt_core.compositing import over
from instmatt_core.image import as_image, write_png
from instmatt_core.instances import InstanceMasks
from instmatt_core.metrics import IMQ
from instmatt_core.pipeline import DETECTORS, MATTING, Options
from instmatt_core.training.spoil import spoil

SEED = 2027
ERRORS = ("mad", "mse", "grad", "conn")


def spoiled(alphas: np.ndarray, number: int) -> InstanceMasks:
    """A spoiled mask of everyone."""
    masks = torch.from_numpy(spoil(alphas, np.random.default_rng([SEED, number]), leave_out=0)).float()
    return InstanceMasks.from_masks(masks)


def system_of(text: str) -> tuple[str, object]:
    name, _, file = text.partition("=")
    return name, MATTING["instmatt" if file else name](Options(torch.device("cpu"), file or None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("caches", type=Path, nargs="+")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--systems", nargs="+", default=["closed-form"])
    parser.add_argument("--guides", nargs="+", default=["spoiled", "ensemble"], choices=("ensemble", "blazepose", "people", "spoiled"))
    parser.add_argument("--groups", action="store_true", help="large groups of small people instead")
    parser.add_argument("--views", type=Path, metavar="DIR", help="write what each system makes of the first ten scenes, over green")
    options = parser.parse_args()
    systems = dict(system_of(text) for text in options.systems)
    for guide in options.guides:
        detector = None if guide == "spoiled" else DETECTORS[guide](Options(torch.device("cpu")))
        scores = {name: IMQ() for name in systems}
        seconds = dict.fromkeys(systems, 0.0)
        pictures = groups if options.groups else partial(composed, somebody=True)
        for number, scene in enumerate(pictures(options.caches, options.scenes, SEED)):
            image, truth = as_image(scene.image), scene.alphas
            masks = spoiled(truth, number) if detector is None else counted(detector(image), scene.elsewhere)
            for name, system in systems.items():
                started = time.process_time()
                alphas = system(image, masks)  # type: ignore[operator]
                seconds[name] += time.process_time() - started
                scores[name].update(alphas.numpy(), truth / np.float32(255))
                if options.views and number < 10:
                    green = torch.tensor((0.1, 0.8, 0.2))[:, None, None].expand_as(image)
                    options.views.mkdir(parents=True, exist_ok=True)
                    write_png(options.views / f"{guide}_{number}_{name}.png", over(image, alphas.sum(0).clamp(max=1), green))
        print(f"\n{guide} masks, {options.scenes} scenes\n")
        print("| system | " + " | ".join(f"IMQ {e}" for e in ERRORS) + " | RQ | MAD | MSE | s CPU a scene |")
        print("|---|" + "---|" * (len(ERRORS) + 4))
        for name, score in scores.items():
            quality = score.compute()[0.5]
            pairs = [pair for match in score.matches for pair in match.pairs if pair.iou >= 0.5]
            means = [1000 * np.mean([pair.errors[e] for pair in pairs]) for e in ("mad", "mse")]
            imq = " | ".join(f"{100 * quality.imq[e]:.1f}" for e in ERRORS)
            each = seconds[name] / options.scenes
            print(f"| {name} | {imq} | {100 * quality.rq:.1f} | {means[0]:.1f} | {means[1]:.1f} | {each:.1f} |", flush=True)


if __name__ == "__main__":
    main()
