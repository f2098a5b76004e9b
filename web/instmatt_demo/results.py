"""What the demo keeps of a picture that was matted: files in a temporary folder, gone after an hour or with the server."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import numpy as np
import torch
from torch import Tensor

from instmatt_core.compositing import cutout
from instmatt_core.image import fit, read_picture, resize, to_uint8, write_png
from instmatt_core.instances import InstanceMattes
from instmatt_core.progress import Progress, stage
from instmatt_core.windows import mask_boxes

from .models import Models
from .preview import Preview

MAX_PIXELS = 24_000_000  # of a photo; 10 bytes and more of memory for each pixel and person
PREVIEW_SIDE = 1280  # px, of what is drawn anew at every click
KEEP_SECONDS, KEEP_RESULTS = 3600, 100
PREVIEW = "preview.npz"
EXPIRED = "This result is gone: results are kept for an hour, and only the newest hundred. Start again."
NOBODY = "Nobody was found. The detector expects people it can see a good part of."


class Shelf:
    """A temporary folder of results, removed when the server ends."""

    def __init__(self) -> None:
        self._root = tempfile.TemporaryDirectory(prefix="instmatt-demo-")

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self._root.name)

    def new(self) -> Path:
        """An empty folder; what is older than an hour, and more than the newest hundred, is removed first."""
        newest_first = sorted(self.path.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
        for index, folder in enumerate(newest_first):
            if index >= KEEP_RESULTS - 1 or time.time() - folder.stat().st_mtime > KEEP_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=self.path))


@dataclass(frozen=True)
class Result:
    """A matted picture on disk, in the HIM2K layout: ``images/NAME.*``, ``alphas/NAME/NN.png``, and ``cutouts/NAME/NN.png``.

    Attributes:
        folder: where it lies.
        name: the picture's.
        people: how many were found.
    """

    folder: Path
    name: str
    people: int

    def alpha(self, person: int) -> Path:
        """The matte at full size."""
        return self.folder / "alphas" / self.name / f"{person:02d}.png"

    def cutout(self, person: int) -> Path:
        """Straight-alpha RGBA, of the picture's size."""
        return self.folder / "cutouts" / self.name / f"{person:02d}.png"

    def cropped(self, person: int) -> Path:
        """The cut-out again, trimmed to the person."""
        return self.folder / "cropped" / f"{self.name}_{person + 1}.png"

    @property
    def people_json(self) -> Path:
        """The record of everyone found."""
        return self.folder / "alphas" / self.name / "people.json"

    @property
    def archive(self) -> Path:
        """Everything in one ZIP."""
        return self.folder / f"{self.name}_mattes.zip"

    def preview(self) -> Preview:
        """The small copies.

        Raises:
            gr.Error: the result has been removed meanwhile.
        """
        try:
            with np.load(self.folder / PREVIEW) as arrays:
                image, people = (torch.from_numpy(arrays[name]).float() / 255 for name in ("image", "people"))
        except OSError:
            raise gr.Error(EXPIRED, print_exception=False) from None
        return Preview(image, people)


def make(models: Models, shelf: Shelf, photo: Path, detector: str, matting: str, max_side: int | None, progress: Progress) -> Result:
    """Matte a photo and write the result.

    Raises:
        InstMattError: the photo cannot be read or is too large, or a model is not there.
    """
    picture = read_picture(photo, max_pixels=MAX_PIXELS)
    progress("loading the models", 0.0)
    pipeline = models.pipeline(detector, matting)
    mattes = pipeline(picture.image, max_side=max_side, progress=lambda name, share: progress(name, 0.8 * share))
    return keep(photo, picture.image, mattes, shelf.new(), lambda name, share: progress(name, 0.8 + 0.2 * share))


def keep(photo: Path, image: Tensor, mattes: InstanceMattes, folder: Path, progress: Progress) -> Result:
    """Write everything that belongs to a matted picture into an empty folder.

    Args:
        photo: the file as it was uploaded.
        image: ``(3, H, W)``, what was read from it.
    """
    result = Result(folder, safe_name(photo), len(mattes))
    report = stage(progress, "cutting out", 0.0, 1.0)
    mattes.save(result.people_json.parent)
    size = fit(mattes.size, PREVIEW_SIDE)
    people = np.zeros((len(mattes), 4, *size), np.uint8)
    for k, alpha in enumerate(mattes.alphas):
        report(k / len(mattes))
        rgba = cutout(image, alpha)
        write_png(result.cutout(k), rgba)
        write_png(result.cropped(k), trim(rgba))
        small = resize(torch.cat((rgba[:3] * rgba[3], rgba[3:])), size)
        people[k] = to_uint8(small).transpose(2, 0, 1)
    np.savez(folder / PREVIEW, image=to_uint8(resize(image, size)).transpose(2, 0, 1), people=people)
    (folder / "images").mkdir()
    shutil.copyfile(photo, folder / "images" / f"{result.name}{photo.suffix.lower()}")
    pack(result)
    report(1.0)
    return result


def pack(result: Result) -> None:
    """Picture, mattes, cut-outs and people.json as a ZIP."""
    with zipfile.ZipFile(result.archive, "w", zipfile.ZIP_STORED) as archive:  # PNG and JPEG are compressed already
        for part in ("images", "alphas", "cutouts"):
            for path in sorted((result.folder / part).rglob("*.*")):
                archive.write(path, path.relative_to(result.folder).as_posix())


FAINT = 0.05  # an alpha up to this may be a veil far from the person


def trim(rgba: Tensor) -> Tensor:
    """``(4, H, W)`` without what lies beyond the person, but for a margin with room for hair."""
    left, top, right, bottom = (int(v) for v in mask_boxes(rgba[3:], FAINT)[0])
    if not right:
        return rgba
    margin = round(0.05 * max(rgba.shape[1:]))
    return rgba[:, max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]


def safe_name(photo: Path) -> str:
    """A file's stem with nothing in it that a file system or a ZIP could misread."""
    return re.sub(r"[^\w-]+", "_", photo.stem).strip("_")[:80] or "photo"
