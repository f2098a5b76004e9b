"""Find the files of every picture of a data set, and all that is wrong with them, from names and headers alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..detect.masks import numbered_pngs, same_proportions
from ..errors import InstMattError
from ..image import read_size
from ..progress import Progress, silent, stage
from .layouts import Part, Truth, is_picture, visible
from .supervisely import read_annotation


@dataclass(frozen=True)
class Entry:
    """The files of one picture.

    Attributes:
        name: ``part/stem``, or the stem alone where the data set has no parts; unique in a data set.
        image: the picture.
        truth: the folder of its mattes, its only matte, or its annotation, as :class:`~.layouts.Truth` says.
        people: how many mattes these make.
        masks: the folder of masks that some detector made of it, if asked for.
    """

    name: str
    image: Path
    truth: Path
    people: int = 0
    masks: Path | None = None


@dataclass(frozen=True)
class Problem:
    """Something missing or odd; ``left_out`` tells whether the picture cannot be used for it."""

    kind: str
    path: Path
    detail: str = ""
    left_out: bool = True


def scan(parts: Sequence[Part], truth: Truth, masks: Path | None = None, progress: Progress = silent) -> tuple[list[Entry], list[Problem]]:
    """The usable pictures in order of part and name, and every problem.

    Args:
        masks: folder that holds ``<picture's name>/NN.png``.
    """
    report = stage(progress, "checking files", 0.0, 1.0)
    paired: list[Entry] = []
    problems: list[Problem] = []
    for part in parts:
        entries, odd = pair_up(part, truth)
        paired += entries
        problems += odd
    usable = []
    for done, entry in enumerate(paired):
        if masks:
            entry = replace(entry, masks=masks / entry.name)
        people, odd = inspect(entry, truth)
        problems += odd
        if not any(problem.left_out for problem in odd):
            usable.append(replace(entry, people=people))
        report((done + 1) / len(paired))
    return usable, problems


def pair_up(part: Part, truth: Truth) -> tuple[list[Entry], list[Problem]]:
    """The pictures of a part with the files of their mattes, by name; nothing is opened."""
    pictures = _grouped((path.stem, path) for path in visible(part.images) if is_picture(path)) if part.images else {}
    truths = _truths(part.alphas, truth) if part.alphas else {}
    entries, problems = [], []
    for stem, same in sorted(pictures.items()):
        own = truths.pop(stem, [])
        if len(same) > 1:
            problems += [Problem("pictures that differ in the suffix only", path) for path in same]
        elif not own:
            problems.append(Problem("picture without alphas", same[0]))
        elif len(own) > 1:
            problems += [Problem("several alphas for one picture", path) for path in own]
        else:
            entries.append(Entry(f"{part.name}/{stem}" if part.name else stem, same[0], own[0]))
    problems += [Problem("alphas without a picture", path, left_out=False) for _, own in sorted(truths.items()) for path in own]
    return entries, problems


def inspect(entry: Entry, truth: Truth) -> tuple[int, list[Problem]]:
    """The number of true mattes of a picture, and what is wrong with its files."""
    try:
        size = read_size(entry.image)
    except InstMattError as error:
        return 0, [Problem("picture that cannot be read", entry.image, _reason(error, entry.image))]
    if truth is Truth.SUPERVISELY:
        people, problems = _inspect_annotation(entry.truth, size)
    else:
        alphas = numbered_pngs(entry.truth) if truth is Truth.FOLDERS else [entry.truth]
        people, problems = len(alphas), _inspect_alphas(alphas, size)
        if truth is Truth.FOLDERS:
            others = [path for path in sorted(visible(entry.truth)) if is_picture(path) and path not in alphas]
            problems += [Problem("picture among the alphas that is not called NN.png", path, left_out=False) for path in others]
    if not people and not problems:
        problems.append(Problem("no alpha in the folder" if truth is Truth.FOLDERS else "annotation of nobody", entry.truth))
    return people, problems + (_inspect_masks(entry.masks, size, people) if entry.masks else [])


def summarise(problems: Sequence[Problem], examples: int | None = 3) -> str:
    """All problems by kind, with counts, the gravest first; with so many examples of each kind (None: all)."""
    kinds = defaultdict(list)
    for problem in problems:
        kinds[not problem.left_out, problem.kind].append(problem)
    lines = []
    for (remark, kind), same in sorted(kinds.items()):
        lines.append(f"{len(same)} x {kind} ({'remark' if remark else 'left out'})")
        lines += [f"    {problem.path}{': ' if problem.detail else ''}{problem.detail}" for problem in same[:examples]]
        if examples is not None and len(same) > examples:
            lines.append(f"    and {len(same) - examples} more")
    return "\n".join(lines)


def _grouped(named: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    groups = defaultdict(list)
    for name, path in sorted(named):
        groups[name].append(path)
    return dict(groups)


def _truths(folder: Path, truth: Truth) -> dict[str, list[Path]]:
    """What may be the truth of a picture, by the picture's stem."""
    if truth is Truth.FOLDERS:
        return _grouped((path.name, path) for path in visible(folder) if path.is_dir())
    if truth is Truth.FILES:
        return _grouped((path.stem, path) for path in visible(folder) if is_picture(path))
    files = (path for path in visible(folder) if path.suffix.lower() == ".json")
    # x.jpg.json in today's exports, x.json in early ones
    return _grouped((Path(path.stem).stem if is_picture(Path(path.stem)) else path.stem, path) for path in files)


def _inspect_alphas(alphas: Iterable[Path], size: tuple[int, int]) -> list[Problem]:
    problems = []
    for path in alphas:
        try:
            if (own := read_size(path)) != size:
                problems.append(Problem("alpha of another size than its picture", path, f"{_px(own)} instead of {_px(size)}"))
        except InstMattError as error:
            problems.append(Problem("alpha that cannot be read", path, _reason(error, path)))
    return problems


def _inspect_annotation(path: Path, size: tuple[int, int]) -> tuple[int, list[Problem]]:
    try:
        annotation = read_annotation(path)
    except InstMattError as error:
        return 0, [Problem("annotation that cannot be read", path, _reason(error, path))]
    problems = [Problem(f"picture tagged {tag}: not one object per person", path, left_out=False) for tag in annotation.doubts]
    if annotation.size != size:
        detail = f"{_px(annotation.size)} instead of {_px(size)}"
        problems.append(Problem("annotation of another size than its picture", path, detail))
    return len(annotation.people), problems


def _inspect_masks(folder: Path, size: tuple[int, int], people: int) -> list[Problem]:
    files = numbered_pngs(folder) if folder.is_dir() else []
    if not files:
        return [Problem("picture without masks", folder)]
    problems = []
    for path in files:
        try:
            if not same_proportions(own := read_size(path), size):
                problems.append(Problem("mask of another shape than its picture", path, f"{_px(own)} for {_px(size)}"))
        except InstMattError as error:
            problems.append(Problem("mask that cannot be read", path, _reason(error, path)))
    if len(files) != people:
        problems.append(Problem("masks that are not as many as the alphas", folder, f"{len(files)} for {people}", left_out=False))
    return problems


def _px(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]} px"


def _reason(error: InstMattError, path: Path) -> str:
    """The message without the path, which a problem tells already."""
    return str(error).removeprefix(f"{path}: ")
