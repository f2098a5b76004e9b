"""``instmatt benchmark``: matte a whole data set, then score the mattes. Started again, it goes on where it stopped."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import data, evaluate, matte

if TYPE_CHECKING:
    from ..data.dataset import MattingDataset
    from ..data.layouts import Truth
    from ..data.scan import Entry

SETTINGS = "benchmark.json"


def register(commands: Any) -> None:
    """Add this subcommand to the parser."""
    parser = commands.add_parser("benchmark", help="matte a data set and score the mattes", description=__doc__)
    data.add_dataset_options(parser)
    parser.add_argument(
        "--output", "-o", type=Path, required=True, metavar="DIR", help="writes DIR/pred and DIR/truth, both <picture>/NN.png"
    )
    matte.add_model_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="delete the results in DIR and start anew")
    evaluate.add_report_options(parser)
    parser.set_defaults(run=run, save=("alpha",), depth=8)


def run(options: argparse.Namespace) -> int:
    """Matte what is not done yet, then score all; returns 1 if any picture failed."""
    from tqdm import tqdm

    from ..data.layouts import Truth
    from ..data.scan import summarise
    from ..errors import InstMattError

    pipeline = matte.pipeline_of(options, detector=not options.masks)
    dataset = data.open_with_progress(options)
    if dataset.problems:
        print(f"instmatt: {options.dataset}: problems\n{summarise(dataset.problems)}", file=sys.stderr)
    if dataset.layout.truth is Truth.FILES:
        print("instmatt: there is one matte per picture: scores per person mean something for pictures of one person", file=sys.stderr)
    claim_output(dataset, options)
    pred, truth = options.output / "pred", options.output / "truth"
    jobs = []
    failed = 0
    for entry in tqdm(dataset.entries, desc="ground truth", unit="photo", file=sys.stderr, disable=None):
        job = matte.Job(entry.image, pred / entry.name, entry.masks)
        try:
            if matte.is_done(job):
                continue
            copy_truth(entry, dataset.layout.truth, truth / entry.name)
            jobs.append(job)
        except (InstMattError, OSError) as error:
            failed += 1
            tqdm.write(f"instmatt: {error}: left out", file=sys.stderr)
    done = len(dataset) - len(jobs) - failed
    print(f"{options.dataset}: {len(dataset)} pictures ({dataset.layout.name}), {done} of them done before -> {options.output}")
    failed += sum("error" in record for record in matte.matte_all(pipeline, jobs, options))
    evaluate.report(pred, truth, options)
    return 1 if failed else 0


def claim_output(dataset: MattingDataset, options: argparse.Namespace) -> None:
    """Write down what the output folder is made from and with, so that no other results are mixed in.

    Raises:
        UsageError: it holds results of another data set or other models and is not to be overwritten, or somebody else's files.
    """
    from ..errors import UsageError
    from ..image import write_bytes

    path, results = options.output / SETTINGS, [options.output / "pred", options.output / "truth"]
    settings = {
        "dataset": str(options.dataset.resolve()),
        "layout": dataset.layout.name,
        **{name: getattr(options, name) for name in ("part", "masks", *matte.MODEL_OPTIONS)},
        "versions": matte.versions(),
    }
    if path.exists():
        try:
            before = dict(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{path}: cannot be read ({error}); use another --output") from error
        if options.overwrite:
            path.unlink()  # first: what an interruption leaves behind must not pass for results
            for folder in results:
                if folder.exists():
                    shutil.rmtree(folder)
        elif before != settings:
            differ = ", ".join(f"{name} {before.get(name)}, not {now}" for name, now in settings.items() if before.get(name) != now)
            raise UsageError(f"{options.output}: holds results made with {differ}; use another --output, or --overwrite")
    elif any(folder.exists() for folder in results):
        raise UsageError(f"{options.output}: holds pred or truth that are not this command's; use another --output")
    write_bytes(path, (json.dumps(settings, indent=2) + "\n").encode())


def copy_truth(entry: Entry, truth: Truth, folder: Path) -> None:
    """Write the true mattes of a picture as ``folder/NN.png``: PNG files as they are, others drawn or converted.

    Raises:
        ImageError, DataError: they cannot be read or written.
    """
    from ..data.dataset import read_truth, truth_files
    from ..image import write_bytes, write_png

    files = truth_files(entry, truth)
    if all(path.suffix.lower() == ".png" for path in files):
        for k, path in enumerate(files):
            write_bytes(folder / f"{k:02d}.png", path.read_bytes())
    else:
        for k, alpha in enumerate(read_truth(entry, truth)):
            write_png(folder / f"{k:02d}.png", alpha)
