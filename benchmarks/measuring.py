"""How long several ways to do the same take, side by side, and how much memory."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Figures:
    """By name of the way: seconds of its best round, wall and CPU, and what it made in the last."""

    wall: dict[str, float]
    cpu: dict[str, float]
    made: dict[str, Any]

    def ratios(self, slow: str, fast: str) -> str:
        """How many times as long ``slow`` takes, in words."""
        parts = []
        for label, best in (("wall", self.wall), ("CPU", self.cpu)):
            parts.append(f"{label} time: {slow} {best[slow]:.2f} s, {fast} {best[fast]:.2f} s, ratio {best[slow] / best[fast]:.2f}")
        return "\n".join(parts)


def alternate(ways: Mapping[str, Callable[[], Any]], rounds: int) -> Figures:
    """Rounds in which each is run once, so that all meet the same machine."""
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    made = {}
    for index in range(rounds):
        for name, run in ways.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            made[name] = run()
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - start_cpu)
        print(f"  round {index + 1}: {', '.join(f'{n} {wall[n][-1]:.1f} s wall {cpu[n][-1]:.1f} s CPU' for n in ways)}", file=sys.stderr)
    best, best_cpu = ({name: min(seconds) for name, seconds in times.items()} for times in (wall, cpu))
    return Figures(best, best_cpu, made)


def peak(run: Callable[[], Any]) -> str:
    """This process's peak of memory once ``run`` is done, and in brackets what it added, in MB (Linux)."""
    gc.collect()
    before = _memory("VmRSS")
    run()
    return f"{_memory('VmHWM'):.0f} (+{_memory('VmHWM') - before:.0f})"


def _memory(field: str) -> float:
    """In MB: "VmRSS" now, "VmHWM" at most so far."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024
