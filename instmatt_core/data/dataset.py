"""Data sets of pictures with true alpha mattes, as map-style torch data sets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..detect.masks import numbered_pngs, read_masks
from ..errors import DataError
from ..image import read_image, read_matte
from ..progress import Progress, silent
from .layouts import Layout, Truth, recognise, visible
from .scan import Entry, Problem, scan, summarise
from .supervisely import draw_people, read_annotation


@dataclass(frozen=True)
class Sample:
    """One picture with its truth.

    Attributes:
        name: ``part/stem``, or the stem alone.
        image: ``(3, H, W)`` float32 in [0, 1].
        alphas: ``(K, H, W)`` float32 in [0, 1], in order of file; K is 1 where a data set has one matte of everybody.
        masks: ``(M, H, W)`` float32 in [0, 1] that some detector made, or None.
    """

    name: str
    image: Tensor
    alphas: Tensor
    masks: Tensor | None = None


class MattingDataset(Dataset[Sample]):
    """The usable pictures of a data set; made by :func:`open_dataset`.

    Pictures differ in size and number of people: give a ``DataLoader`` a ``collate_fn``, ``list`` for example.

    Attributes:
        layout: how it is kept on disk.
        entries: the files of each picture, in order of name.
        problems: what was missing or odd.
    """

    def __init__(self, layout: Layout, entries: Sequence[Entry], problems: Sequence[Problem]):
        self.layout, self.entries, self.problems = layout, tuple(entries), tuple(problems)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        """Read one picture.

        Raises:
            ImageError, DataError: a file is damaged behind its header.
        """
        entry = self.entries[index]
        image = read_image(entry.image)
        masks = read_masks(numbered_pngs(entry.masks), (image.shape[1], image.shape[2])) if entry.masks else None
        return Sample(entry.name, image, read_truth(entry, self.layout.truth), masks)


def open_dataset(
    path: str | os.PathLike[str],
    layout: str | None = None,
    *,
    part: str | None = None,
    masks: str | os.PathLike[str] | None = None,
    strict: bool = False,
    progress: Progress = silent,
) -> MattingDataset:
    """Find the pictures of a data set and check all their files, by names and headers, before anything is read.

    Args:
        path: the data set's root, or one part's folder.
        layout: name of one of :data:`~.layouts.LAYOUTS`; None: recognised by what is there.
        part: only this part, such as "natural" or "train".
        masks: also masks from a detector: a folder in the data set's root, or anywhere, with ``<picture's name>/NN.png``.
        strict: a problem is an error; otherwise pictures with problems are left out, and told in ``problems``.

    Raises:
        DataError: no known layout, no such part or masks, no usable picture, or with ``strict`` any problem.
        UsageError: no such layout.
        Cancelled: the progress callback returned False.
    """
    root = Path(path)
    found, parts = recognise(root, layout)
    if part is not None:
        names = [p.name for p in parts]
        parts = [p for p in parts if p.name == part]
        if not parts:
            raise DataError(f"{root}: has no part {part!r}; there is {', '.join(names) if any(names) else 'only one'}")
    entries, problems = scan(parts, found.truth, find_masks(root, masks) if masks is not None else None, progress)
    if problems and (strict or not entries):
        raise DataError(f"{root}: {'has problems' if entries else 'holds no usable picture'}\n{summarise(problems)}")
    return MattingDataset(found, entries, problems)


def find_masks(root: Path, masks: str | os.PathLike[str]) -> Path:
    """The folder of masks, by its name in the data set's root or by its path.

    Raises:
        DataError: there is none, or it holds several sets of masks.
    """
    folder = next((f for f in (root / masks, Path(masks)) if f.is_dir()), None)
    if folder is None:
        known = ", ".join(mask_sets(root)) or "none"
        raise DataError(f"{masks}: no such folder of masks, neither in {root} (which has: {known}) nor by itself")
    if several := mask_sets(folder):
        raise DataError(f"{folder}: holds several sets of masks; name one of {', '.join(several)}")
    return folder


def mask_sets(root: Path) -> list[str]:
    """Names of the folders of masks in a data set's root; M-HIM2K's are ``masks_matched_<detector>``."""
    return sorted(path.name for path in visible(root) if path.name.startswith("masks_") and path.is_dir())


def truth_files(entry: Entry, truth: Truth) -> list[Path]:
    """The mattes of a picture in order, or its annotation."""
    return numbered_pngs(entry.truth) if truth is Truth.FOLDERS else [entry.truth]


def read_truth(entry: Entry, truth: Truth) -> Tensor:
    """The true mattes of a picture, ``(K, H, W)`` float32 in [0, 1]."""
    if truth is Truth.SUPERVISELY:
        return draw_people(read_annotation(entry.truth))
    return torch.stack([read_matte(path) for path in truth_files(entry, truth)])
