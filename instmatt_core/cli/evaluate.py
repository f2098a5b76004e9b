"""``instmatt evaluate``: score predicted mattes against true ones, both as ``<folder>/<picture>/NN.png`` (the HIM2K layout)."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..metrics.evaluation import Evaluation

WIDTH = 140  # columns, where the output is no terminal


def register(commands: Any) -> None:
    """Add this subcommand to the parser."""
    parser = commands.add_parser("evaluate", help="score mattes against ground truth", description=__doc__)
    parser.add_argument("pred", type=Path, metavar="PRED", help="predicted mattes, as instmatt matte writes them")
    parser.add_argument("truth", type=Path, metavar="GT", help="true mattes, for example HIM2K/alphas/natural")
    add_report_options(parser)
    parser.set_defaults(run=run)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """The options that :func:`report` takes."""
    parser.add_argument(
        "--protocol",
        choices=("default", "published"),
        default="default",
        help="how edge cases count: fairly, or as in the published script (default: %(default)s)",
    )
    parser.add_argument("--per-image", action="store_true", help="also score each picture alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page: tables, worst instances, histograms")
    parser.add_argument("--workers", type=_positive, metavar="N", help="processes (default: what the cores and the pictures warrant)")


def run(options: argparse.Namespace) -> int:
    """Score two folders."""
    report(options.pred, options.truth, options)
    return 0


def report(pred: Path, truth: Path, options: argparse.Namespace) -> None:
    """Score, print, write."""
    from tqdm import tqdm

    from ..image import write_bytes
    from ..metrics.evaluation import evaluate_folders
    from ..metrics.page import page

    with tqdm(total=100, unit="%", file=sys.stderr, disable=None, bar_format="{l_bar}{bar}| {elapsed} {desc}") as bar:

        def show(stage: str, share: float) -> None:
            bar.set_description_str(stage, refresh=False)
            bar.update(100 * share - bar.n)

        evaluation = evaluate_folders(pred, truth, protocol=options.protocol, workers=options.workers, progress=show)
    if options.json:
        record = {"pred": str(pred), "gt": str(truth), **evaluation.as_json(per_image=options.per_image)}
        write_bytes(options.json, (json.dumps(record, indent=2, allow_nan=False) + "\n").encode())
    if options.html:
        text = page(evaluation, f"{pred} against {truth}", per_image=options.per_image)
        write_bytes(options.html, text.encode(errors="xmlcharrefreplace"))
    print_report(evaluation, per_image=options.per_image)


def print_report(evaluation: Evaluation, *, per_image: bool) -> None:
    """Tables on standard output, remarks on standard error."""
    from rich import box
    from rich.table import Table

    from ..metrics.report import tables
    from .console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    for table in tables(evaluation, per_image=per_image):
        printed = Table(title=table.title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
        for index, name in enumerate(table.header):
            printed.add_column(name, justify="right" if index else "left", overflow="fold", no_wrap=index > 0)
        for row in table.rows:
            printed.add_row(*row)
        if table.quoted:
            printed.add_section()
        for row in table.quoted:
            printed.add_row(*row, style="dim italic")
        console.print(printed)
        if table.caption:
            console.print(table.caption + "\n", style="dim")
    console.print(evaluation.headline())
    for note in evaluation.notes():
        print(f"instmatt: {note}", file=sys.stderr)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)
