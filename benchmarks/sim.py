"""SIM's networks as written down against the path that ships, on one made-up picture, with made-up weights.

    python benchmarks/sim.py [--threads 2] [--rounds 3] [--size 900 600] [--precision float32]

Both run the authors' test script (``compat="paper"``); straightforward are ``SIMNetwork.forward`` and ``Classifier.forward``, which
compute what training looks at, too. Rounds of the two alternate, so that both meet the same machine; the best round of each counts.
Peak memory is of a process of its own for each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from measuring import alternate, peak
from torch import Tensor

from instmatt_core.matting.conventions import PRECISIONS
from instmatt_core.matting.sim import SIM
from instmatt_core.matting.sim.classifier import build_classifier
from instmatt_core.matting.sim.network import build

TESTS = Path(__file__).parent.parent / "tests"
PATHS = ("straightforward", "shipped")
sys.path.insert(0, str(TESTS))

from deterministic_weights import deterministic_state  # noqa: E402


def scene(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A picture of coloured blobs ``(3, H, W)``, and a ring of unknown pixels."""
    width, height = size
    coarse = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].clamp(0, 1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    away = (x**2 + y**2).sqrt()
    return image, (away < 0.5).float().where((away < 0.5) | (away > 0.8), 0.5)


def path(name: str, precision: str) -> Callable[[Tensor, Tensor], Tensor]:
    """One of the two as a function of picture and trimap."""
    states = []
    for manifest in ("manifest", "manifest_classifier"):
        states.append(deterministic_state(json.loads((TESTS / "matting" / "sim" / "golden" / f"{manifest}.json").read_text("utf-8"))))
    if name == "shipped":
        return SIM(*states, compat="paper", precision=precision).alpha
    literal, network, classifier = SIM(*states, compat="paper"), build(states[0]), build_classifier(states[1])
    literal._classifier = lambda x: classifier(x)[1]  # type: ignore[assignment]
    literal._network = lambda *maps: network(*(m[None] for m in maps)).alpha[0, 0]  # type: ignore[assignment]
    return literal.alpha


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=(900, 600), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--measure-peak", choices=PATHS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    maps = scene(options.size)
    if options.measure_peak:
        print(f"{options.measure_peak:15} peak memory in MB, in brackets what the picture added: ", end="")
        print(peak(partial(path(options.measure_peak, options.precision), *maps)))
        return
    figures = alternate({name: partial(path(name, options.precision), *maps) for name in PATHS}, options.rounds)
    levels = ((figures.made["shipped"] - figures.made["straightforward"]) * 255).abs()
    print(f"{(levels < 1.5).float().mean():.3%} of pixels within 1 of 255 levels, largest difference {levels.max():.1f}")
    print(figures.ratios(*PATHS))
    for name in PATHS:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--measure-peak", name], check=True)


if __name__ == "__main__":
    main()
