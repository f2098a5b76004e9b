"""InstMatt's straightforward path against the one that ships, on one made-up picture, with made-up weights.

    python benchmarks/instmatt.py [--threads 2] [--rounds 2] [--people 1 2 4 8] [--height 853] [--width 1280]

Straightforward is the network as it is written down, each instance and each window by itself. Both follow the authors' script
(``compat="paper"``) on one tile. Nobody counts as a duplicate: these weights would call everybody one, and skip the refiner.
Rounds alternate; the best of each counts. Peak memory is of a process of its own for each (Linux).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from instmatt_core.instances import InstanceMasks
from instmatt_core.matting.instmatt import InstMatt, system
from instmatt_core.matting.instmatt.network import build

TESTS = Path(__file__).parent.parent / "tests"
PATHS = ("straightforward", "shipped")


def scene(height: int, width: int, people: int) -> tuple[Tensor, InstanceMasks]:
    """Coloured blobs, and upright ellipses side by side."""
    coarse = torch.rand(1, 3, height // 20, width // 20, generator=torch.Generator().manual_seed(0))
    image = F.interpolate(coarse, size=(height, width), mode="bicubic")[0].clamp(0, 1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(0, people, width), indexing="ij")
    masks = [((x - k - 0.5) / 0.45) ** 2 + (y / 0.9) ** 2 < 1 for k in range(people)]
    return image, InstanceMasks.from_masks(torch.stack(masks).float())


def path(name: str) -> InstMatt:
    """One of the two."""
    sys.path.insert(0, str(TESTS))
    from deterministic_weights import deterministic_state

    state = deterministic_state(json.loads((TESTS / "matting" / "instmatt" / "golden" / "manifest.json").read_text("utf-8")))
    system.duplicates = lambda targets: torch.zeros(len(targets), dtype=torch.bool)
    made = InstMatt(state, compat="paper")
    if name == "straightforward":
        network = build(state)
        made._generator = lambda image, guide: network(image[None], guide[None])  # type: ignore[assignment]
        made._refiner = lambda image, alphas, features: network.refiner(image, alphas, torch.stack(list(features)))  # type: ignore[assignment]
    return made


def matrix_product_rate() -> float:
    """FLOP/s of a large float32 matrix product."""
    a = torch.rand(2048, 2048)
    best = min(_timed(lambda: a @ a)[0] for _ in range(5))
    return 2 * 2048**3 / best


def _timed(function: object) -> tuple[float, float, object]:
    start, start_cpu = time.perf_counter(), time.process_time()
    result = function()  # type: ignore[operator]
    return time.perf_counter() - start, time.process_time() - start_cpu, result


def compare(options: argparse.Namespace, people: int) -> None:
    image, instances = scene(options.height, options.width, people)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PATHS}
    results = {}
    paths = {name: path(name) for name in PATHS}
    for _ in range(options.rounds):
        for name, run in paths.items():
            wall, cpu, results[name] = _timed(lambda run=run: run(image, instances))
            times[name].append((wall, cpu))
    with FlopCounterMode(display=False) as counter:
        paths["straightforward"](image, instances)
    levels = [(result * 255).round() for result in results.values()]
    difference = (levels[0] - levels[1]).abs()
    wall, cpu = ({name: min(t[i] for t in values) for name, values in times.items()} for i in (0, 1))
    close = (difference <= 1).float().mean()
    print(f"K = {people}: {_ratio('wall', wall)}; {_ratio('CPU', cpu)}; {close:.4%} of pixels within 1 level of 255")
    rate, reach = counter.get_total_flops() / wall["straightforward"], matrix_product_rate()
    print(f"  straightforward: {rate / 1e9:.0f} GFLOP/s, {rate / reach:.0%} of a large matrix product's {reach / 1e9:.0f}")
    shape = ["--height", str(options.height), "--width", str(options.width), "--people", str(people), "--threads", str(options.threads)]
    for name in PATHS:
        subprocess.run([sys.executable, __file__, "--measure-peak", name, *shape], check=True)


def _ratio(label: str, seconds: dict[str, float]) -> str:
    before, after = (seconds[name] for name in PATHS)
    return f"{label} {before:.1f} -> {after:.1f} s, ratio {before / after:.2f}"


def measure_peak(name: str, options: argparse.Namespace) -> None:
    path(name)(*scene(options.height, options.width, options.people[0]))
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(f"  {name:15} peak memory of the process {int(line.split()[1]) / 1024:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--people", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--height", type=int, default=853)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--measure-peak", choices=PATHS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.measure_peak:
        return measure_peak(options.measure_peak, options)
    for people in options.people:
        compare(options, people)


if __name__ == "__main__":
    main()
