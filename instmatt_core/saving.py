"""A matted picture as a folder of files: mattes, cut-outs, an overlay, and ``people.json``, which names them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .instances import InstanceMattes

KINDS = ("alpha", "cutout", "overlay")
RECORD = "people.json"


def save(mattes: InstanceMattes, folder: Path, kinds: Iterable[str], image: Any, depth: int) -> list[Path]:
    """What :meth:`InstanceMattes.save` does; nothing is touched before the arguments are known to be right."""
    from .compositing import cutout, overlay
    from .errors import UsageError
    from .image import check_depth, write_bytes, write_png

    kinds = tuple(kinds)
    check_depth(depth)
    if image is None and {*kinds} & {"cutout", "overlay"}:
        raise UsageError("cut-outs and overlays are made of the picture, too; give it as image")
    picture = None if image is None else mattes.fitting(image)
    record = mattes.describe(kinds)
    clear(folder)
    paths = []
    for person, alpha in zip(record["people"], mattes.alphas, strict=True):
        if "alpha" in person:
            paths.append(folder / person["alpha"])
            write_png(paths[-1], alpha, depth=depth)
        if "cutout" in person and picture is not None:
            paths.append(folder / person["cutout"])
            write_png(paths[-1], cutout(picture, alpha), depth=depth)
    if "overlay" in record and picture is not None:
        paths.append(folder / record["overlay"])
        write_png(paths[-1], overlay(picture, mattes))
    paths.append(folder / RECORD)
    write_bytes(paths[-1], (json.dumps(record, indent=2) + "\n").encode())
    return paths


def is_numbered(name: str) -> bool:
    """Whether a file is one person's mask or matte by its name: ``NN.png``."""
    path = PurePosixPath(name)
    return path.suffix.lower() == ".png" and path.stem.isdecimal()


def clear(folder: Path) -> None:
    """Remove an earlier run's files, first ``people.json``, then what it names; nobody else's.

    Raises:
        ImageError: one of them cannot be removed.
    """
    from .errors import ImageError

    stale = _named(folder / RECORD)
    try:
        for name in (RECORD, *sorted(stale)):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ImageError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _named(record: Path) -> set[str]:
    """The pictures that an earlier run recorded; none if there is no readable record."""
    try:
        content = json.loads(record.read_text("utf-8"))
        named = [content.get("overlay"), *(person.get(kind) for person in content["people"] for kind in ("alpha", "cutout"))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    return {name for name in named if isinstance(name, str) and name.endswith(".png") and Path(name).name == name}
