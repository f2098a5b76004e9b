"""``instmatt data``: data sets for training and measuring."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..data.dataset import MattingDataset


def register(commands: Any) -> None:
    """Add this subcommand to the parser."""
    parser = commands.add_parser("data", help="data sets for training and measuring", description=__doc__)
    add_check(parser.add_subparsers(title="commands", metavar="COMMAND", required=True))


def add_check(commands: Any) -> None:
    """Add ``instmatt data check``."""
    text = "tell what a data set is taken for, what it holds, and every missing or odd file"
    parser = commands.add_parser("check", help=text, description=text)
    add_dataset_options(parser)
    parser.add_argument("--all", action="store_true", help="name every file with a problem, not the first few")
    parser.set_defaults(run=run_check)


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which pictures of which data set; see :func:`open_with_progress`."""
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="a data set's root, as it was unpacked")
    parser.add_argument("--layout", metavar="NAME", help="how it is laid out (default: recognised)")
    parser.add_argument("--part", metavar="NAME", help="only this part, such as natural or P3M-500-NP (default: all)")
    parser.add_argument("--masks", metavar="DIR", help="masks of a detector: a folder in DATASET, such as masks_matched_..., or anywhere")
    parser.add_argument("--strict", action="store_true", help="stop at any problem; without it pictures with problems are left out")


def open_with_progress(options: argparse.Namespace) -> MattingDataset:
    """The data set that the options name, checked under a progress bar."""
    from tqdm import tqdm

    from ..data.dataset import open_dataset

    with tqdm(total=100, unit="%", file=sys.stderr, disable=None, bar_format="{l_bar}{bar}| {elapsed} {desc}") as bar:

        def show(stage: str, share: float) -> None:
            bar.set_description_str(stage, refresh=False)
            bar.update(100 * share - bar.n)

        return open_dataset(options.dataset, options.layout, part=options.part, masks=options.masks, strict=options.strict, progress=show)


def run_check(options: argparse.Namespace) -> int:
    """Print what was found; returns 1 if some pictures have to be left out."""
    from ..data.dataset import mask_sets
    from ..data.scan import summarise

    dataset = open_with_progress(options)
    print(f"{options.dataset}: {dataset.layout.name}, {dataset.layout}")
    pictures: Counter[str] = Counter()
    people: Counter[str] = Counter()
    for entry in dataset.entries:
        part = entry.name.rpartition("/")[0]
        pictures[part] += 1
        people[part] += entry.people
    for part, count in pictures.items():
        print(f"  {part or 'all'}: {count} pictures, {people[part]} alphas")
    if sets := mask_sets(options.dataset):
        print(f"  masks: {', '.join(sets)}")
    print(summarise(dataset.problems, None if options.all else 3) or "no problems")
    return int(any(problem.left_out for problem in dataset.problems))
