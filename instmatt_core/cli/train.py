"""``instmatt train``: train a network by a recipe; started again, it goes on where it was.

On several GPUs: ``accelerate launch -m instmatt_core.cli.main train ...``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add this subcommand to the parser."""
    parser = commands.add_parser("train", help="train a network by a recipe", description=__doc__)
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    parser.add_argument("--people", nargs="+", type=Path, required=True, metavar="DIR", help="folders with image/ and alpha/")
    parser.add_argument("--things", nargs="*", type=Path, default=[], metavar="DIR", help="folders with things/, backgrounds/ or people/")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="where cut-outs are kept")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR", help="checkpoint, log and sample sheets")
    parser.add_argument(
        "--pretrained", type=Path, metavar="FILE", help="weights to start from: of a backbone, of the stage before, or of all"
    )
    parser.add_argument("--until", type=int, metavar="STEP", help="stop there for now")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare data (default: %(default)s)")
    parser.add_argument("--export", type=Path, metavar="FILE", help="at the end, write the averaged weights as float16")
    parser.add_argument("--licence", default="not stated", help="of those weights, for their metadata (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train to the end of the recipe, or to ``--until``."""
    import torch
    from tqdm import tqdm

    from ..data.cutouts import is_kept_aside
    from ..errors import UsageError
    from ..training.loop import Run, build_task, new_accelerator
    from ..training.recipe import read_recipe
    from .data import prepare_all

    recipe = read_recipe(options.recipe)
    with new_accelerator().main_process_first():
        folders = prepare_all(options.people, options.cache) + options.things
    sides = {is_kept_aside(path.stem) for folder in folders for path in (folder / "people").glob("*.png")}
    if len(sides) < 2:
        raise UsageError("too few people: some must be kept aside (15%, by a hash of the name), others not; add some, or rename them")
    torch.manual_seed(recipe.seed)
    run = Run(build_task(recipe, folders, options.pretrained), recipe, options.output, options.workers)
    with tqdm(total=recipe.steps, initial=run.step, unit="step", disable=None) as bar:

        def report(step: int, values: dict[str, float]) -> None:
            bar.set_postfix({name: f"{value:.3f}" for name, value in values.items()}, refresh=False)
            bar.update(step - bar.n)

        run.train(report, options.until)
    if options.export and run.accelerator.is_main_process:
        run.export(options.export, options.licence)
    return 0
