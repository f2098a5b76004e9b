"""Score a folder of predicted mattes against a folder of true ones, both with a folder per picture that holds ``NN.png``."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ImageError, InstMattError, out_of_memory
from ..image import read_matte
from ..progress import Progress, silent, stage
from ..saving import is_numbered
from .him import DEFINITION, Charge, charge, summarise
from .imq import SCORES, THRESHOLDS, Match, Quality, average_precision, match, protocol_named, quality

LISTED = 20  # how many faults or names a message spells out
MAX_WORKERS = 61  # Windows waits for no more


@dataclass(frozen=True)
class Task:
    """One picture: its name, and the files of its mattes; ``pred`` is None where it has no prediction folder."""

    name: str
    pred: tuple[Path, ...] | None
    truth: tuple[Path, ...]


@dataclass(frozen=True)
class Scored:
    """One picture's results; ``match`` is None where the protocol leaves the picture out."""

    task: Task
    match: Match | None
    charge: Charge


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        protocol: "default" or "published".
        pictures: every picture of the ground truth, by name.
        ignored: prediction folders that no ground truth belongs to.
    """

    protocol: str
    pictures: tuple[Scored, ...]
    ignored: tuple[str, ...]

    @property
    def matches(self) -> list[Match]:
        """The pictures that count for IMQ and AP."""
        return [p.match for p in self.pictures if p.match is not None]

    def quality(self, threshold: float) -> Quality:
        """IMQ, MQ, RQ and counts at a threshold of IoU."""
        return quality(self.matches, threshold, self.protocol)

    def average_precision(self) -> dict[float, float]:
        """The AP-like score by threshold."""
        return average_precision(self.matches, self.protocol)

    def him(self) -> dict[str, float]:
        """EMSE, EMAD, ACC, REC: our definition, the same in both protocols."""
        return summarise(p.charge for p in self.pictures)

    def headline(self) -> str:
        """How much was scored, and by which rules."""
        return f"{count(len(self.pictures), 'picture')}, protocol {self.protocol}: {protocol_named(self.protocol).summary}"

    def notes(self) -> list[str]:
        """What a reader must know before trusting the figures, in sentences."""
        missing = [p.task.name for p in self.pictures if p.task.pred is None]
        nobody = [p.task.name for p in self.pictures if not p.task.truth]
        blank = sum(area == 0 for m in self.matches for area in m.truth_areas)
        notes = []
        if missing:
            people = sum(len(p.task.truth) for p in self.pictures if p.task.pred is None)
            fate = (
                "left out of IMQ and AP, as the published script does"
                if protocol_named(self.protocol).skips_missing
                else "counted as missed"
            )
            notes.append(f"{count(len(missing), 'picture')} without a prediction folder (people: {people}), {fate}: {listed(missing)}")
        if self.ignored:
            notes.append(f"{count(len(self.ignored), 'prediction folder')} without ground truth, ignored: {listed(self.ignored)}")
        if nobody:
            notes.append(f"{count(len(nobody), 'ground-truth folder')} without any NN.png, taken as pictures of nobody: {listed(nobody)}")
        if blank:
            notes.append(f"{count(blank, 'blank ground-truth matte')}, which nothing can match: counted as missed")
        notes += [
            f"nothing matched at IoU {t}: the published script divides by zero there, so it has no IMQ and MQ"
            for t in THRESHOLDS
            if self.protocol == "published" and self.quality(t).tp == 0
        ]
        return notes

    def as_json(self, *, per_image: bool = False) -> dict[str, Any]:
        """Everything as plain values: scores in percent, None for what is undefined; EMSE and EMAD times 1000."""
        at = {str(t): self.quality(t) for t in THRESHOLDS}
        precision, him = self.average_precision(), self.him()
        record = {
            "protocol": self.protocol,
            "images": len(self.pictures),
            "notes": self.notes(),
            "imq": {t: {name: percent(q.imq[name]) for name in SCORES} for t, q in at.items()},
            "mq": {t: {name: percent(q.mq[name]) for name in SCORES} for t, q in at.items()},
            "rq": {t: percent(q.rq) for t, q in at.items()},
            "counts": {t: {"tp": q.tp, "fp": q.fp, "fn": q.fn} for t, q in at.items()},
            "ap": {"mean": percent(mean_of(precision)), **{f"{t:.4f}": percent(v) for t, v in precision.items()}},
            "him": {
                "definition": DEFINITION,
                **{name: finite(him[name]) for name in ("emse", "emad")},
                **{name: percent(him[name]) for name in ("acc", "rec")},
            },
        }
        if per_image:
            record["per_image"] = {p.task.name: self._picture_as_json(p) for p in self.pictures}
        return record

    def _picture_as_json(self, picture: Scored) -> dict[str, Any]:
        if picture.match is None:
            return {"skipped": True, "people": len(picture.task.truth)}
        at = {str(t): quality([picture.match], t, self.protocol) for t in THRESHOLDS}
        return {
            "missing": picture.task.pred is None,
            "imq": {t: {name: percent(q.imq[name]) for name in SCORES} for t, q in at.items()},
            "counts": {t: {"tp": q.tp, "fp": q.fp, "fn": q.fn} for t, q in at.items()},
            "pairs": [asdict(pair) for pair in picture.match.pairs],
        }


def evaluate_folders(
    pred: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    *,
    protocol: str = "default",
    workers: int | None = 1,
    progress: Progress = silent,
) -> Evaluation:
    """Score every picture of ``truth``; the number of workers does not change the last digit.

    Args:
        pred, truth: ``<folder>/<picture>/NN.png``, at any depth, the same below both; other files are not looked at.
        workers: processes; None: as many as the cores and the pictures warrant. More than one needs a caller that can be imported
            (``if __name__ == "__main__"``).

    Raises:
        ImageError: a folder is missing or holds no matte, the two do not belong together, or mattes are damaged or differ in
            size; all such files are named at once, and there is no score then.
        UsageError: no such protocol.
        Cancelled: the progress callback returned False.
    """
    protocol_named(protocol)
    tasks, ignored = pair_up(Path(pred), Path(truth))
    report = stage(progress, "scoring", 0.0, 1.0)
    pictures: list[Scored] = []
    faults: list[str] = []
    report(0.0)
    for outcome in _outcomes(tasks, protocol, workers or usable_workers(len(tasks))):
        if isinstance(outcome, Scored):
            pictures.append(outcome)
        else:
            faults.append(outcome)
        report((len(pictures) + len(faults)) / len(tasks))
    if faults:
        lines = [f"{count(len(faults), 'picture')} of {len(tasks)} cannot be scored, so there is no score at all:", *faults[:LISTED]]
        raise ImageError("\n  ".join(lines) + (f"\n  and {len(faults) - LISTED} more" if len(faults) > LISTED else ""))
    return Evaluation(protocol, tuple(pictures), ignored)


def usable_workers(pictures: int) -> int:
    """How many processes pay off: one per core that this process may use, but each with a few pictures to do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, pictures // 8))


def pair_up(pred: Path, truth: Path) -> tuple[list[Task], tuple[str, ...]]:
    """The pictures to score, by name, and the prediction folders that have no ground truth."""
    truth_folders, pred_folders = matte_folders(truth), matte_folders(pred)
    if not any(truth_folders.values()):
        raise ImageError(f"{truth}: holds no true matte; it needs one folder per picture with 00.png, 01.png, ...")
    if not truth_folders.keys() & pred_folders.keys():
        examples = " and ".join(f'"{next(iter(folders))}"' if folders else "nothing" for folders in (truth_folders, pred_folders))
        raise ImageError(f"{pred}: no folder has the name of a picture in {truth} (there is {examples}); give folders of the same layout")
    tasks = [Task(name, pred_folders.get(name), files) for name, files in truth_folders.items()]
    return tasks, tuple(name for name in pred_folders if name not in truth_folders)


def matte_folders(root: Path) -> dict[str, tuple[Path, ...]]:
    """Files ``NN.png`` in order, by the picture's name (the folder's path below ``root``), sorted by name.

    A data set's root is read from its ``alphas``. A folder with no subfolder is a picture even if it holds no matte.
    """
    if not root.is_dir():
        raise ImageError(f"{root}: no such folder")
    if (root / "alphas").is_dir():
        root = root / "alphas"
    found = {}
    for folder, subfolders, files in os.walk(root, onerror=_unreadable, followlinks=True):
        subfolders[:] = [s for s in subfolders if not s.startswith(".")]
        path = Path(folder)
        mattes = sorted((path / f for f in files if is_numbered(f)), key=lambda p: (int(p.stem), p.name))
        if mattes or not (subfolders or path == root):
            found[path.relative_to(root).as_posix()] = tuple(mattes)
    return dict(sorted(found.items()))


def read_mattes(files: Sequence[Path], size: tuple[int, ...] | None = None) -> np.ndarray:
    """``(K, H, W)`` float32, all of one size, and of ``size`` if that is given."""
    mattes: list[np.ndarray] = []
    for path in files:
        mattes.append(read_matte(path).numpy())
        size = size or mattes[0].shape
        if mattes[-1].shape != size:
            height, width = mattes[-1].shape
            raise ImageError(f"{path}: is {width} x {height} px, the picture's other mattes {size[1]} x {size[0]} px")
    return np.stack(mattes) if mattes else np.zeros((0, *(size or (0, 0))), np.float32)


def score(task: Task, protocol: str) -> Scored:
    """Read and score one picture."""
    truth = read_mattes(task.truth)
    pred = read_mattes(task.pred or (), truth.shape[1:] if len(truth) else None)
    skipped = task.pred is None and protocol_named(protocol).skips_missing
    return Scored(task, None if skipped else match(pred, truth, protocol), charge(pred, truth))


def _outcomes(tasks: Sequence[Task], protocol: str, workers: int) -> Iterator[Scored | str]:
    """Results, or faults as text, in the order of the tasks."""
    if workers <= 1:
        yield from (_score_or_fault(task, protocol) for task in tasks)
        return
    with ProcessPoolExecutor(min(workers, MAX_WORKERS), mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        try:
            yield from pool.map(_score_or_fault, tasks, [protocol] * len(tasks))
        except BrokenProcessPool:
            raise InstMattError("a worker process died, perhaps for want of memory; try fewer workers") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _score_or_fault(task: Task, protocol: str) -> Scored | str:
    try:
        return score(task, protocol)
    except ImageError as error:
        return str(error)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return f"{task.name}: not enough memory; try fewer workers"


def _one_thread() -> None:
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _unreadable(error: OSError) -> None:
    raise ImageError(f"{error.filename}: cannot be read ({error.strerror})")


def count(number: int, noun: str) -> str:
    """A number with its noun in singular or plural."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")


def mean_of(values: dict[float, float]) -> float:
    """Mean of a score over its thresholds."""
    return math.fsum(values.values()) / len(values)


def percent(value: float) -> float | None:
    """A share as percent; None for NaN."""
    return finite(100.0 * value)


def finite(value: float) -> float | None:
    """The value; None for NaN, which JSON does not know."""
    return None if math.isnan(value) else value
