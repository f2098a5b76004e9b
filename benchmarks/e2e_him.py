"""E2E-HIM's straightforward network against the path that ships, on one made-up picture, with made-up weights.

    python benchmarks/e2e_him.py [--threads 2] [--rounds 5] [--people 6] [--side 640] [--precision float32]

Straightforward is ``E2EHIMNetwork.forward``: every step as the paper has it, for all twenty queries. Rounds of the two alternate,
so that both meet the same machine; the best round of each counts. Peak memory is of a process of its own for each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from measuring import alternate, peak
from safetensors.torch import load_file, save_file
from torch import Tensor

from instmatt_core.matting.conventions import PRECISIONS, normalise
from instmatt_core.matting.e2e_him.inference import People, find_people, prepare
from instmatt_core.matting.e2e_him.network import build

TESTS = Path(__file__).parent.parent / "tests"
PATHS = ("straightforward", "shipped")
BIAS = "globalfcnum.layers.1.bias"


def scene(side: int, people: int) -> tuple[dict[str, Tensor], Tensor]:
    """Weights that see so many people in the picture, and the picture."""
    sys.path.insert(0, str(TESTS))
    from deterministic_weights import deterministic_state

    state = deterministic_state(json.loads((TESTS / "matting" / "e2e_him" / "golden" / "manifest.json").read_text("utf-8")))
    coarse = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    image = normalise(torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1))
    with torch.inference_mode():
        logits = build(state).perception(image).logits[0]
    margins = [*(logits[:, 1] - logits[:, 0]).sort(descending=True).values.tolist(), -99.0]
    return {**state, BIAS: state[BIAS] - torch.tensor([0, (margins[people - 1] + margins[people]) / 2])}, image


def path(name: str, state: dict[str, Tensor], dtype: torch.dtype) -> Callable[[Tensor], object]:
    """One of the two as a function of the picture."""
    network = build(state)
    return network if name == "straightforward" else partial(find_people, prepare(network, dtype))


def agreement(all_queries: tuple[Tensor, Tensor, Tensor], people: People) -> str:
    """What the two paths' results have in common."""
    logits, alphas, trimaps = (part[0] for part in all_queries)
    person = logits[:, 1] > logits[:, 0]
    if int(person.sum()) != len(people.scores):
        return f"{int(person.sum())} and {len(people.scores)} people: no agreement"
    mine = torch.nn.functional.interpolate(people.trimaps, scale_factor=8, mode="bilinear").argmax(1)
    theirs = trimaps[person].argmax(1)

    def final(labels: Tensor, alpha: Tensor) -> Tensor:
        return torch.where(labels == 1, alpha, labels / 2) * 255

    levels = (final(mine, people.alphas) - final(theirs, alphas[person])).abs()
    return (
        f"{len(people.scores)} people; largest difference of alphas {(people.alphas - alphas[person]).abs().max():.1e}, "
        f"labels that differ {(mine != theirs).float().mean():.4%}, final mattes within 2 of 255 levels {(levels <= 2).float().mean():.3%}"
    )


def measure_peak(name: str, scene_file: Path, dtype: torch.dtype) -> None:
    """Print, in MB, what one picture adds to a process that holds the network, and that process's peak (Linux)."""
    stored = load_file(scene_file)
    image = stored.pop("image")
    run = path(name, stored, dtype)
    del stored
    with torch.inference_mode():
        run(image[..., :64, :64].contiguous())  # what any first call allocates
        print(f"{name:15} peak memory in MB, in brackets what the picture added: {peak(partial(run, image))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--measure-peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dtype = PRECISIONS[options.precision]
    if options.measure_peak:
        name, scene_file = options.measure_peak
        return measure_peak(name, Path(scene_file), dtype)

    state, image = scene(options.side, options.people)
    paths = {name: partial(path(name, state, dtype), image) for name in PATHS}
    with torch.inference_mode():
        figures = alternate(paths, options.rounds)
    print(agreement(figures.made["straightforward"], figures.made["shipped"][0]))
    print(figures.ratios(*PATHS))
    with tempfile.TemporaryDirectory() as folder:
        scene_file = Path(folder) / "scene.safetensors"
        save_file({**state, "image": image}, scene_file)
        for name in paths:
            command = [sys.executable, __file__, "--measure-peak", name, str(scene_file), "--precision", options.precision]
            subprocess.run([*command, "--threads", str(options.threads)], check=True)


if __name__ == "__main__":
    main()
