"""Make the bundled example: two public-domain portraits (NASA's Eileen Collins, the US Navy's Grace Hopper) side by side.

pip install scikit-image matplotlib
python tools/make_example.py instmatt_core/example/two_people.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import skimage.data
import torch

import instmatt_core
from instmatt_core.data.cutouts import write_jpeg
from instmatt_core.image import as_image, read_image, resize, to_uint8
from instmatt_core.matting.closed_form import ClosedForm

# Grace Hopper's outline, drawn by hand: behind her hang a flag and a cord that no detector tells from her hat.
HOPPER = """10,600 22,510 35,430 52,385 100,362 150,345 190,318 200,300 193,296 172,285 162,268 163,240 154,215 153,192 160,170 155,150
153,120 155,98 172,85 180,66 200,48 217,38 228,28 250,24 280,28 298,38 325,48 345,65 352,85 362,86 370,105 372,150 370,180 375,190
374,215 365,245 358,275 345,300 333,306 332,312 360,335 400,355 450,372 490,390 505,425 512,450 512,600"""


def person(image: torch.Tensor, outline: str | None, height: int) -> torch.Tensor:
    """The surest person of a portrait, or the one inside an outline, as premultiplied RGBA scaled to ``height``."""
    if outline is None:
        mattes = instmatt_core.matte(image)
    else:
        mask = np.zeros(image.shape[1:], np.float32)
        cv2.fillPoly(mask, [np.array([p.split(",") for p in outline.split()], np.int32)], 1.0)
        mattes = instmatt_core.matte(image, masks=torch.from_numpy(mask)[None], matting=ClosedForm(band=0.012, hair=0.05))
    rgba = mattes.cutouts(image)[int(mattes.scores.argmax())]
    rgba = torch.cat((rgba[:3] * rgba[3:], rgba[3:]))
    return resize(rgba, (height, round(height * rgba.shape[2] / rgba.shape[1])))


def backdrop(height: int, width: int, seed: int = 7) -> torch.Tensor:
    """A soft studio wall with a little structure."""
    noise = np.random.default_rng(seed).random((height // 40, width // 40, 3)).astype(np.float32)
    noise = cv2.GaussianBlur(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), 12)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = 0.75 - 0.45 * np.hypot((x - 0.45 * width) / width, (y - 0.3 * height) / height)
    wall = light[..., None] * np.array([0.55, 0.68, 0.66], np.float32) * (0.8 + 0.4 * noise)
    return torch.from_numpy(np.clip(wall, 0, 1)).permute(2, 0, 1)


if __name__ == "__main__":
    height, width = 640, 960
    scene = backdrop(height, width)
    hopper = read_image(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    astronaut = as_image(skimage.data.astronaut())
    for rgba, left in ((person(hopper, HOPPER, 600), 20), (person(astronaut[:, :, :400], None, 610), 440)):
        h, w = min(rgba.shape[1], height), min(rgba.shape[2], width - left)
        target = scene[:, height - h :, left : left + w]
        target[:] = rgba[:3, :h, :w] + target * (1 - rgba[3:, :h, :w])
    write_jpeg(Path(sys.argv[1]), to_uint8(scene))
