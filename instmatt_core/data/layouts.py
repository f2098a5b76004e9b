"""Where each data set keeps its pictures and their true mattes. To support another one, describe it in ``LAYOUTS``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..errors import DataError, UsageError
from ..image import SUFFIXES


class Truth(Enum):
    """How the people of picture ``x`` are kept; the value names the files."""

    FOLDERS = "x/NN.png"  # one matte per person
    FILES = "x.*"  # one matte of everybody in the picture
    SUPERVISELY = "x.jpg.json"  # polygons and bitmaps, one object per person


@dataclass(frozen=True)
class Place:
    """A folder of pictures and the folder of their mattes, below the data set's root.

    A ``*`` stands for the name of one folder, the same in both: it names the part of the data set.

    Attributes:
        images: alternatives; the first that exists counts.
        alphas: the folder of true mattes.
    """

    images: tuple[str, ...]
    alphas: str


@dataclass(frozen=True)
class Layout:
    """The places where a data set has its files, any of which may be missing."""

    name: str
    truth: Truth
    places: tuple[Place, ...]

    def __str__(self) -> str:
        return " or ".join(f"{'|'.join(p.images)}/x.jpg with {p.alphas}/{self.truth.value}" for p in self.places)


@dataclass(frozen=True)
class Part:
    """A part found on disk; ``images`` or ``alphas`` is None where only the other one is there."""

    name: str
    images: Path | None
    alphas: Path | None


LAYOUTS = (
    Layout("him2k", Truth.FOLDERS, (Place(("images/*",), "alphas/*"),)),
    Layout("i-him50k", Truth.FOLDERS, (Place(("*/images",), "*/alphas"),)),
    Layout("folder", Truth.FOLDERS, (Place(("image",), "alpha"), Place(("images",), "alphas"))),
    Layout("rwp-636", Truth.FILES, (Place(("image",), "alpha"),)),
    Layout("ppm-100", Truth.FILES, (Place(("image",), "matte"),)),
    Layout(
        "p3m-10k",
        Truth.FILES,
        (
            Place(("*/blurred_image", "*/original_image"), "*/mask"),
            Place(("validation/*/blurred_image", "validation/*/original_image"), "validation/*/mask"),
            Place(("blurred_image", "original_image"), "mask"),
        ),
    ),
    Layout("spd", Truth.SUPERVISELY, (Place(("*/img",), "*/ann"), Place(("img",), "ann"))),
)


def recognise(root: Path, name: str | None = None) -> tuple[Layout, list[Part]]:
    """The layout of a data set, by what is there or by name, and its parts in order of name.

    Raises:
        DataError: the folder does not exist, or is laid out in no known way (in another way than named); says what was looked for.
        UsageError: no layout has that name.
    """
    candidates = [layout for layout in LAYOUTS if name in (None, layout.name)]
    if not candidates:
        raise UsageError(f"no layout is called {name!r}; there is {', '.join(layout.name for layout in LAYOUTS)}")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    for layout in candidates:
        if parts := find_parts(root, layout):
            return layout, parts
    looked_for = "".join(f"\n  {layout.name}: {layout}" for layout in candidates)
    raise DataError(f"{root}: not laid out as a known data set. Looked for (* is any folder):{looked_for}")


def find_parts(root: Path, layout: Layout) -> list[Part]:
    """What is there of a layout; empty unless some folder of pictures goes with a folder of mattes of the right kind."""
    found: list[Part] = []
    for place in layout.places:
        images: dict[str, Path] = {}
        for pattern in reversed(place.images):
            images.update(_folders(root, pattern))
        alphas = _folders(root, place.alphas) if images else {}
        if any(_holds_pictures(images[part]) and _holds(alphas[part], layout.truth) for part in images.keys() & alphas.keys()):
            found += [Part(part, images.get(part), alphas.get(part)) for part in sorted(images.keys() | alphas.keys())]
    return found


def visible(folder: Path) -> Iterator[Path]:
    """What a folder holds, hidden files aside."""
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def is_picture(path: Path) -> bool:
    """Whether the name is that of a picture file."""
    return path.suffix.lower() in SUFFIXES


def _folders(root: Path, pattern: str) -> dict[str, Path]:
    """The existing folders of a pattern, by what its ``*`` stands for."""
    above, star, below = pattern.partition("*")
    base = root / above
    if not star:
        return {"": base} if base.is_dir() else {}
    names = sorted(path.name for path in visible(base)) if base.is_dir() else []
    folders = {name: base / name / below.lstrip("/") for name in names}
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


def _holds_pictures(folder: Path) -> bool:
    return any(is_picture(path) for path in visible(folder))


def _holds(folder: Path, truth: Truth) -> bool:
    if truth is Truth.FOLDERS:
        return any(path.is_dir() for path in visible(folder))
    if truth is Truth.FILES:
        return _holds_pictures(folder)
    return any(path.suffix.lower() == ".json" for path in visible(folder))
