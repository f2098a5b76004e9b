"""``instmatt data``: data sets for training and measuring."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..data.dataset import MattingDataset
    from ..data.synthesis import Composer

MOST_BAD = 20  # pairs of picture and matte that are left out before it stops


def register(commands: Any) -> None:
    """Add this subcommand to the parser."""
    parser = commands.add_parser("data", help="data sets for training and measuring", description=__doc__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_check(commands)
    add_compose(commands)


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


def add_compose(commands: Any) -> None:
    """Add ``instmatt data compose``."""
    text = "compose scenes of several people from photographs of one person with alpha mattes; HIM2K layout"
    parser = commands.add_parser("compose", help=text, description=text)
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="folders with image/NAME.jpg and alpha/NAME.png")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR", help="writes DIR/images/comp and DIR/alphas/comp")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where cut-outs are kept (default: OUTPUT/cutouts)")
    parser.add_argument("--count", type=int, default=100, help="scenes (default: %(default)s)")
    parser.add_argument("--size", type=_size, default=(768, 1024), metavar="HxW", help="px (default: 768x1024)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept-aside", action="store_true", help="from the people kept aside for measuring, not from all others")
    parser.add_argument("--backgrounds", type=Path, metavar="DIR", help="more pictures without people")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--overwrite", action="store_true", help="delete the scenes that DIR holds, and make new ones")
    parser.set_defaults(run=run_compose)


def run_compose(options: argparse.Namespace) -> int:
    """Prepare what is not prepared yet, then write the scenes."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from functools import partial

    from tqdm import tqdm

    from ..data.synthesis import Composer
    from ..errors import InstMattError, UsageError
    from ..metrics.evaluation import MAX_WORKERS

    earlier = [folder for part in ("images", "alphas") if (folder := options.output / part / "comp").exists()]
    if earlier and not options.overwrite:
        raise UsageError(f"{earlier[0]}: holds scenes already; use another --output, or --overwrite")
    caches = prepare_all(options.sources, options.cache or options.output / "cutouts", max_side=max(512, *options.size))
    composer = Composer(caches, options.size, options.seed, kept_aside=options.kept_aside, backgrounds=options.backgrounds)
    for folder in earlier:
        shutil.rmtree(folder)
    workers = min(options.workers, MAX_WORKERS)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:  # fork hangs beside threads
        done = pool.map(partial(write_scene, composer, options.output), range(options.count), chunksize=4)
        try:
            for _ in tqdm(done, total=options.count, unit="scene", disable=None):
                pass
        except BrokenProcessPool:
            raise InstMattError("a worker process died, perhaps for want of memory; try fewer --workers") from None
    return 0


def prepare_all(sources: Sequence[Path], cache: Path, max_side: int = 512) -> list[Path]:
    """Cut-outs of every source folder, each in a folder of its own in ``cache``; returns those folders.

    Pairs that cannot be used are named and left out, up to :data:`MOST_BAD` of them.
    """
    from tqdm import tqdm

    from ..data.cutouts import pairs, prepare
    from ..errors import ImageError, UsageError

    names = [source.resolve().name for source in sources]
    if len(set(names)) < len(names):
        raise UsageError(f"cut-outs are kept by the names of their folders, which must differ; these are {', '.join(names)}")
    folders, bad = [], 0

    def skip(error: ImageError) -> None:
        nonlocal bad
        bad += 1
        if bad > MOST_BAD:
            raise ImageError(f"more than {MOST_BAD} pairs cannot be used; the last: {error}") from error
        tqdm.write(f"left out: {error}", file=sys.stderr)

    for source, name in zip(sources, names, strict=True):
        folders.append(cache / name)
        for _ in tqdm(prepare(source, folders[-1], max_side, skip), total=len(pairs(source)), desc=f"cut-outs of {source}", disable=None):
            pass
    return folders


def write_scene(composer: Composer, folder: Path, index: int) -> None:
    """``images/comp/NNNNN.jpg`` and ``alphas/comp/NNNNN/KK.png``."""
    import cv2
    import torch

    from ..data.cutouts import write_jpeg
    from ..image import write_png

    cv2.setNumThreads(1)
    scene = composer[index]
    for k, alpha in enumerate(scene.alphas):
        write_png(folder / "alphas" / "comp" / f"{index:05d}" / f"{k:02d}.png", torch.from_numpy(alpha).float() / 255)
    write_jpeg(folder / "images" / "comp" / f"{index:05d}.jpg", scene.image, quality=95)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    size = int(height), int(width)
    if min(size) < 64:
        raise argparse.ArgumentTypeError("at least 64x64")
    return size
