"""``instmatt weights``: what weights exist, where they are, and how they get here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..command import command

if TYPE_CHECKING:
    from ..weights.catalogue import Weights

SHORT = {"INSTMATT_HOME": "your folder", "Hugging Face cache": "HF cache"}


def register(commands: Any) -> None:
    """Add this subcommand to the parser."""
    parser = commands.add_parser("weights", help="what weights exist, where they are, how to get them", description=__doc__)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = actions.add_parser("list", help="a table of all weights, or everything about some")
    listing.add_argument("names", nargs="*", metavar="NAME")
    listing.set_defaults(run=run_list)

    where = actions.add_parser("where", help="the path of weights on this machine, or the folders that are searched")
    where.add_argument("name", nargs="?", metavar="NAME")
    where.set_defaults(run=run_where)

    pull = actions.add_parser("pull", help="download from the Hugging Face Hub")
    pull.add_argument("names", nargs="+", metavar="NAME", help="NAME, NAME@revision, or hf:owner/repo/file.safetensors[@revision]")
    pull.set_defaults(run=run_pull)

    convert = actions.add_parser("convert", help="an authors' checkpoint to safetensors")
    convert.add_argument("source", type=Path, metavar="IN", help="the authors' file (.pth, .tar, .pkl, .tflite, ...)")
    convert.add_argument("output", type=Path, metavar="OUT.safetensors")
    convert.add_argument("--system", metavar="NAME", help="which network it is for (default: recognised by its keys)")
    convert.add_argument("--overwrite", action="store_true", help="replace OUT.safetensors")
    convert.set_defaults(run=run_convert)

    verify = actions.add_parser("verify", help="check checksums, keys, shapes and values")
    verify.add_argument("names", nargs="*", metavar="NAME", help="names or files (default: all that are on this machine)")
    verify.set_defaults(run=run_verify)

    push = actions.add_parser("push", help="upload a converted file with a model card, to a Hub repository of yours")
    push.add_argument("file", type=Path, metavar="FILE.safetensors")
    push.add_argument("repo", metavar="OWNER/NAME", help="made if it does not exist")
    push.add_argument("--public", action="store_true", help="make a new repository public (default: private)")
    push.add_argument("--insist", action="store_true", help="upload although the licence is not known to allow it")
    push.set_defaults(run=run_push)


def run_list(options: argparse.Namespace) -> int:
    """Print the table, or everything about the named ones."""
    from rich.table import Table
    from rich.text import Text

    from ..weights.catalogue import CATALOGUE, find_entry
    from ..weights.settings import weights_folder
    from .console import Console

    console = Console()
    if options.names:
        for entry in map(find_entry, options.names):
            console.print(_details(entry), soft_wrap=True)
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("name", "system", "size", "licence", "where it is"):
        table.add_column(title, justify="right" if title == "size" else "left", overflow="fold")
    for entry in CATALOGUE.values():
        place = _place(entry)
        state = Text(place, "green") if place else Text(f"not here: {'pull' if _is_on_hub(entry) else 'convert'}", "dim")
        table.add_row(entry.name, entry.system, _size(entry), entry.licence.name, state)
    console.print(table)
    console.print(f"\nYour folder: {weights_folder()}", soft_wrap=True)
    more = f"More: {command()} weights list NAME. To get one: {command()} weights pull NAME, which says how if it cannot."
    console.print(more, soft_wrap=True)
    return 0


def run_where(options: argparse.Namespace) -> int:
    """Print one path and nothing else on standard output, or all the places."""
    from ..weights.settings import home, weights_folder
    from ..weights.store import PACKAGE, locate, resolve

    if options.name is None:
        from huggingface_hub import constants

        settings = home() / "config.toml"
        print(f"searched in this order (a path that is given comes first):\n  your folder         {weights_folder()}")
        print(
            f"  the package         {PACKAGE}\n  Hugging Face cache  {constants.HF_HUB_CACHE}\n  the Hub             {constants.ENDPOINT}"
        )
        print(f"settings              {settings}{'' if settings.is_file() else ' (none)'}")
        return 0
    found = locate(options.name) or resolve(options.name, download=False)  # the second only to say why not
    print(found.path)
    return 0


def run_pull(options: argparse.Namespace) -> int:
    """Download what is not here yet."""
    from tqdm import tqdm

    from ..weights.store import resolve

    for name in options.names:
        with tqdm(total=100, unit="%", file=sys.stderr, disable=None, leave=False, bar_format="{l_bar}{bar}| {elapsed}") as bar:

            def show(stage: str, share: float, bar: Any = bar) -> None:
                bar.set_description_str(stage, refresh=False)
                bar.update(100 * share - bar.n)

            found = resolve(name, download=True, progress=show)
        checked = "sha256 verified" if found.sha256 else "unknown: not verified"
        print(f"{name}: {found.path} ({found.place}; {checked})")
    return 0


def run_convert(options: argparse.Namespace) -> int:
    """Convert one file."""
    from ..weights.convert import convert

    made = convert(options.source, options.output, system=options.system, overwrite=options.overwrite)
    for note in made.notes:
        print(f"instmatt: {note}", file=sys.stderr)
    print(f"{made.path}: {made.tensors} tensors of {made.system}")
    return 0


def run_verify(options: argparse.Namespace) -> int:
    """Check files; 1 if any is bad."""
    from ..errors import WeightsError
    from ..weights.catalogue import CATALOGUE
    from ..weights.check import verify_file
    from ..weights.store import locate, resolve

    failed = 0
    for name in options.names or [name for name in CATALOGUE if locate(name)]:
        try:
            found = resolve(name, download=False)
            checked = verify_file(found.path)
        except WeightsError as error:
            failed = 1
            print(f"instmatt: {error}", file=sys.stderr)
            continue
        print(f"{name}: good ({checked}; {'sha256 as expected' if found.sha256 else 'sha256 unknown: not verified'})")
    return failed


def run_push(options: argparse.Namespace) -> int:
    """Upload one file."""
    from ..weights.card import push

    print(push(options.file, options.repo, private=not options.public, insist=options.insist))
    return 0


def _place(entry: Weights) -> str | None:
    from ..weights.store import locate

    found = locate(entry.name)
    return SHORT.get(found.place, found.place) if found else None


def _is_on_hub(entry: Weights) -> bool:
    from ..weights.catalogue import HubFile
    from ..weights.settings import read_settings

    return isinstance(entry.source, HubFile) or read_settings().hub_repo is not None


def _size(entry: Weights) -> str:
    """The file's size in MB; of a file still to be made, that of its parameters."""
    if entry.size is not None:
        return f"{entry.size / 1e6:.0f} MB"
    return f"~{entry.parameters * 4 / 1e6:.0f} MB" if entry.parameters else "?"


def _details(entry: Weights) -> str:
    from ..weights.catalogue import AuthorsFile, HubFile

    source = entry.source
    if isinstance(source, HubFile):
        origin = f"hf:{source.repo}/{source.file}, revision {source.revision or 'unknown: name one to pull it'}"
    elif isinstance(source, AuthorsFile):
        origin = f"authors' file: {source.what}, {source.url or f'{source.page} ({source.host})'}"
    else:
        origin = "in the package"
    facts = {
        "system": entry.system,
        "architecture": entry.architecture,
        "source": origin,
        "sha256": entry.sha256 or "unknown: not verified",
        "source sha256": (source.sha256 if isinstance(source, AuthorsFile) else None) or "",
        "size": _size(entry),
        "parameters": f"{entry.parameters:,}" if entry.parameters else "unknown",
        "licence": f"{entry.licence.name}; commercial use: {_yes(entry.licence.commercial)}; passing on: {_yes(entry.licence.sharing)}",
        "trained on": entry.trained_on,
        "figures": entry.figures,
        "here": _place(entry) or "no",
    }
    return "\n".join([entry.name, *(f"  {key:<13} {value}" for key, value in facts.items() if value)])


def _yes(allowed: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[allowed]
