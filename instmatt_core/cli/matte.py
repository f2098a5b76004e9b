"""``instmatt matte``: photographs in, one matte per person out."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..saving import KINDS, RECORD

if TYPE_CHECKING:
    from ..pipeline import Pipeline

EXAMPLE = Path(__file__).parent.parent / "example" / "two_people.jpg"
MODEL_OPTIONS = ("detector", "matting", "weights", "compat", "precision", "memory", "refine", "refine_weights", "max_side", "device")


@dataclass(frozen=True)
class Job:
    """A picture to matte, the folder for its results, and its people's masks if no detector is to find them."""

    picture: Path
    folder: Path
    masks: Path | None = None


def register(commands: Any) -> None:
    """Add this subcommand to the parser."""
    parser = commands.add_parser("matte", help="photographs in, one alpha matte per person out", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="pictures, or folders of pictures")
    parser.add_argument("--example", action="store_true", help="use the picture of two people that comes with the package")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="DIR", help="writes DIR/<picture>/00.png, ...")
    add_model_options(parser)
    parser.add_argument(
        "--masks", type=Path, metavar="DIR", help="masks instead of a detector: DIR/<picture>/NN.png, or for one picture DIR/NN.png"
    )
    parser.add_argument("--save", type=_saves, default=("alpha",), metavar="KINDS", help="of alpha,cutout,overlay (default: alpha)")
    parser.add_argument("--depth", type=int, choices=(8, 16), default=8, help="bits of the mattes (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    parser.add_argument("--json", action="store_true", help="one JSON line per picture on standard output, nothing else there")
    parser.set_defaults(run=run)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """The options that decide what mattes look like; their names are ``MODEL_OPTIONS``."""
    parser.add_argument(
        "--detector",
        default="ensemble",
        metavar="NAME",
        action=_Detector,
        help="what finds people, or help for a list (default: %(default)s)",
    )
    parser.add_argument(
        "--matting",
        default="instmatt-compact",
        metavar="NAME",
        help="what makes mattes: instmatt-compact, closed-form, instmatt, sim, e2e-him (default: %(default)s)",
    )
    parser.add_argument(
        "--weights", metavar="SPEC", help="of the matting system: a name, FILE.safetensors or hf:owner/repo/file.safetensors"
    )
    parser.add_argument(
        "--compat", default="default", choices=("default", "paper"), help="paper: as the authors' script, accidents included"
    )
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16", "float16"), help="of the matting network")
    parser.add_argument(
        "--memory", type=_positive, metavar="MB", help="about what the matting network may take beside weights and pictures"
    )
    parser.add_argument(
        "--refine",
        choices=("closed-form", "none", "sim", "instmatt"),
        help="what makes e2e-him's soft edges at the picture's own size (default: closed-form)",
    )
    parser.add_argument("--refine-weights", metavar="SPEC", help="of what refines, as --weights")
    parser.add_argument(
        "--max-side", type=_positive, metavar="PX", help="work on a picture no larger than this; mattes keep the original size"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))


def pipeline_of(options: argparse.Namespace, *, detector: bool = True) -> Pipeline:
    """What the model options ask for, loaded, so that what is missing is told at once; see :meth:`Pipeline.load`."""
    from ..pipeline import Pipeline

    asked = {"weights": options.weights, "compat": options.compat, "precision": options.precision, "memory_mb": options.memory}
    asked |= {"refine": options.refine, "refine_weights": options.refine_weights}
    return Pipeline(options.detector, options.matting, options.device, **asked).load(detector=detector)


def run(options: argparse.Namespace) -> int:
    """Matte every picture; returns 1 if any failed."""
    from tqdm import tqdm

    from ..errors import ImageError, UsageError
    from ..image import check_writable

    if bool(options.paths) == options.example:
        raise UsageError("give pictures or folders, or --example")
    check_writable(options.output)
    pipeline = pipeline_of(options, detector=not options.masks)
    failed = 0
    pictures: list[Path] = []
    for path in [EXAMPLE] if options.example else options.paths:
        try:
            pictures += find_pictures(path)
        except ImageError as error:
            failed += 1
            print(f"instmatt: {error}", file=sys.stderr)
    names = output_names(pictures)
    jobs = [Job(path, options.output / name, options.masks and options.masks / name) for path, name in zip(pictures, names, strict=True)]
    if options.masks and len(jobs) == 1 and not (options.masks / names[0]).is_dir():
        jobs = [replace(jobs[0], masks=options.masks)]
    for record in matte_all(pipeline, jobs, options):
        failed += "error" in record
        if options.json:
            print(json.dumps(record), flush=True)
        elif "error" not in record:
            count = len(record["people"])
            tqdm.write(f"{record['image']}: {count} {'person' if count == 1 else 'people'} -> {record['output']}")
    return 1 if failed else 0


def matte_all(pipeline: Pipeline, jobs: Sequence[Job], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Matte pictures, and yield each one's record; one that fails has an "error" in it, and does not stop the others.

    Shows progress, remarks and errors on standard error, nothing on standard output.
    """
    from tqdm import tqdm

    from ..errors import InstMattError, out_of_memory

    with tqdm(total=len(jobs), unit="photo", file=sys.stderr, disable=None, bar_format="{l_bar}{bar}| {n:.2f}/{total} {desc}") as bar:
        for done, job in enumerate(jobs):

            def show(stage: str, share: float, done: int = done, name: str = job.picture.name) -> None:
                bar.set_description_str(f"{name}: {stage}", refresh=False)
                bar.update(done + share - bar.n)

            try:
                with contextlib.redirect_stdout(sys.stderr):
                    record = matte_one(pipeline, job, options, show)
            except InstMattError as error:
                record = {"image": str(job.picture), "error": str(error)}
            except OSError as error:
                record = {"image": str(job.picture), "error": f"{error.filename or job.picture}: {error.strerror or error}"}
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                record = {"image": str(job.picture), "error": f"{job.picture}: not enough memory; try --max-side 2000"}
            bar.update(done + 1 - bar.n)
            for note in record.get("notes", ()):
                tqdm.write(f"instmatt: {job.picture}: {note}", file=sys.stderr)
            if "error" in record:
                tqdm.write(f"instmatt: {record['error']}", file=sys.stderr)
            yield record


def matte_one(pipeline: Pipeline, job: Job, options: argparse.Namespace, show: Any) -> dict[str, Any]:
    """Matte one picture, write its folder, return its record."""
    from ..detect.masks import masks_from_folder
    from ..errors import ImageError
    from ..image import check_writable, read_picture

    if is_done(job) and not options.overwrite:
        raise ImageError(f"{job.folder}: holds results already; use --overwrite to replace them")
    check_writable(job.folder)
    picture = read_picture(job.picture)
    masks = masks_from_folder(job.masks, (picture.image.shape[1], picture.image.shape[2])) if job.masks else None
    mattes = pipeline(picture.image, masks=masks, max_side=options.max_side, progress=show)
    info = {"image": str(job.picture), **mattes.info, "versions": versions()}
    if notes := [*picture.notes, *info.get("notes", ())]:
        info["notes"] = notes
    mattes = replace(mattes, info=info)
    mattes.save(job.folder, depth=options.depth, kinds=options.save, image=picture.image)
    return {**mattes.describe(options.save), "output": str(job.folder)}


def is_done(job: Job) -> bool:
    """Whether a complete result is there."""
    return (job.folder / RECORD).exists()


def find_pictures(path: Path) -> list[Path]:
    """The file itself, or the pictures directly inside a folder, by name; there, names that begin with a dot are passed over.

    Raises:
        ImageError: nothing is there, or it cannot be looked at.
    """
    from ..errors import ImageError
    from ..image import SUFFIXES

    try:
        if not path.is_dir():
            if not path.exists():
                raise ImageError(f"{path}: no such file or folder")
            return [path]
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file())
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not found:
        raise ImageError(f"{path}: the folder holds no pictures ({' '.join(sorted(SUFFIXES))})")
    return found


def output_names(pictures: list[Path]) -> list[str]:
    """A folder name for each picture: its stem, or where that is taken its full name, or with a number."""
    taken: set[str] = set()
    names = []
    for path in pictures:
        options = [path.stem, path.name, *(f"{path.stem}-{n}" for n in range(2, len(pictures) + 2))]
        name = next(o for o in options if o.casefold() not in taken)
        taken.add(name.casefold())
        names.append(name)
    return names


def versions() -> dict[str, str]:
    """Of this package and of those whose results show in mattes."""
    from importlib.metadata import version

    from .. import __version__

    return {"instmatt": __version__, "torch": version("torch"), "pymatting": version("pymatting")}


class _Detector(argparse.Action):
    """A name; ``help`` prints what there is and ends."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: str | None = None) -> None:
        if value == "help":
            from ..detect import table

            print(table(), flush=True)
            parser.exit()
        setattr(namespace, self.dest, value)


def _saves(text: str) -> tuple[str, ...]:
    kinds = tuple(k.strip() for k in text.split(",") if k.strip())
    if not kinds or set(kinds) - set(KINDS):
        raise argparse.ArgumentTypeError(f"choose from {','.join(KINDS)}")
    return kinds


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 32:
        raise argparse.ArgumentTypeError("must be a whole number of at least 32")
    return int(text)
