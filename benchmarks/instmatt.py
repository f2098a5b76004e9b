"""InstMatt's straightforward path against the path that ships, on one made-up picture, with made-up weights.

    python benchmarks/instmatt.py [--people 1 2 4 8] [--threads 2] [--rounds 3] [--size 1280 853] [--precision float32]
                                  [--compat paper] [--memory 400]

Straightforward is tests/instmatt_straightforward.py: every step as the paper has it. Rounds of the two alternate, so that both meet
the same machine; the best round of each counts. Peak memory is of a process of its own for each (Linux), and in brackets what the
picture added once the network was loaded. "Share" is what the
multiplications and additions of the straightforward path, divided by the time, are of what a large matrix product reaches.

The made-up weights call nearly everybody a duplicate of somebody else, so that test is switched off in both; and they are undecided
all over the picture, so that nothing can be skipped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import alternate, peak
from safetensors.torch import load_file, save_file
from torch import Tensor

from instmatt_core.instances import InstanceMasks
from instmatt_core.matting.conventions import PRECISIONS
from instmatt_core.matting.instmatt import InstMatt, system
from instmatt_core.matting.instmatt.network import build
from instmatt_core.windows import mask_boxes

TESTS = Path(__file__).parent.parent / "tests"
PATHS = ("straightforward", "shipped")
sys.path.insert(0, str(TESTS))

from deterministic_weights import deterministic_state  # noqa: E402
from instmatt_straightforward import straightforward  # noqa: E402

Matte = Callable[[], Tensor]


def scene(size: tuple[int, int], people: int) -> tuple[Tensor, InstanceMasks]:
    """A picture of coloured blobs ``(3, H, W)`` and elliptic people side by side."""
    width, height = size
    coarse = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].clamp(0, 1)
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width * people, indexing="ij")
    masks = torch.stack([(((x - k - 0.5) / 0.45) ** 2 + ((y - 0.53) / 0.45) ** 2 < 1).float() for k in range(people)])
    return image, InstanceMasks(masks, mask_boxes(masks), torch.ones(people))


def path(name: str, people: int, options: argparse.Namespace) -> Matte:
    """One of the two, with its weights loaded."""
    system.duplicates = lambda targets: torch.zeros(len(targets), dtype=torch.bool)
    state = load_file(options.weights)
    image, instances = scene(options.size, people)
    if name == "straightforward":
        network = build(state)
        return lambda: straightforward(network, image, instances, options.compat)
    shipped = InstMatt(state, compat=options.compat, precision=options.precision, memory_mb=options.memory)
    return lambda: shipped(image, instances)


def compare(people: int, options: argparse.Namespace, rate: float) -> None:
    """Print one row of the table in RESULTS.md."""
    from torch.utils.flop_counter import FlopCounterMode  # takes 150 MB, which the peaks must not count

    paths = {name: path(name, people, options) for name in PATHS}
    with FlopCounterMode(display=False) as work:
        paths["straightforward"]()
    best = alternate(paths, options.rounds)
    levels = ((best.made["shipped"] - best.made["straightforward"]) * 255).abs()
    shares = [f"{work.get_total_flops() / best.cpu[name] / rate:.0%}" for name in PATHS]
    peaks = [_peak(name, people, options.weights) for name in PATHS]
    cells = [
        str(people),
        f"{best.cpu['straightforward']:.1f} -> {best.cpu['shipped']:.1f} s",
        f"{best.cpu['straightforward'] / best.cpu['shipped']:.2f}",
        f"{best.wall['straightforward'] / best.wall['shipped']:.2f}",
        " -> ".join(shares),
        " -> ".join(peaks),
        f"{(levels <= 1).float().mean():.3%} within 1 level, {(levels <= 2).float().mean():.3%} within 2, mean {levels.mean() / 255:.1e}",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def _peak(name: str, people: int, weights: Path) -> str:
    command = [sys.executable, __file__, *sys.argv[1:], "--people", str(people), "--weights", str(weights), "--measure-peak", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def product_rate() -> float:
    """FLOP per second of CPU time that a large float32 matrix product reaches."""
    a, times = torch.randn(3072, 3072), []
    for _ in range(6):
        start = time.process_time()
        a @ a
        times.append(time.process_time() - start)
    return 2 * len(a) ** 3 / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 853), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--memory", type=int, default=system.MEMORY_MB, metavar="MB", help="the shipped path's budget")
    parser.add_argument("--compat", choices=system.PASSES, default="paper")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="instead of made-up ones")
    parser.add_argument("--measure-peak", choices=PATHS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.measure_peak:
        print(peak(path(options.measure_peak, options.people[0], options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.weights is None:
            options.weights = Path(folder) / "made_up.safetensors"
            manifest = json.loads((TESTS / "matting" / "instmatt" / "golden" / "manifest.json").read_text("utf-8"))
            save_file(deterministic_state(manifest), options.weights)
        table(options)


def table(options: argparse.Namespace) -> None:
    rate = product_rate()
    print(f"matrix product: {rate / 1e9:.0f} GFLOP per second of CPU time")
    print("| people | CPU time | ratio (CPU) | ratio (wall) | share of a matrix product | peak memory, MB | agreement |")
    print("|---|---|---|---|---|---|---|")
    for people in options.people:
        compare(people, options, rate)


if __name__ == "__main__":
    main()
