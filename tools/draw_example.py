"""Draw README's picture: the example, its people coloured and numbered, and each person cut out, by the present weights.

python tools/draw_example.py docs/images/example.png
"""

from __future__ import annotations

import sys

import torch
import torch.nn.functional as F
from torch import Tensor

import instmatt_core
from instmatt_core.cli.matte import EXAMPLE
from instmatt_core.compositing import over, overlay
from instmatt_core.image import read_image, resize, write_png

SIZE = (400, 600)  # height, width of each of the four
GAP = 8  # px between them, white
SQUARE = 16  # px of the chequers behind a cut-out, before they are made smaller with it


def chequers(height: int, width: int) -> Tensor:
    """A light and a darker grey, ``(3, height, width)``."""
    y, x = torch.meshgrid(torch.arange(height) // SQUARE, torch.arange(width) // SQUARE, indexing="ij")
    return torch.where((y + x) % 2 == 0, 0.9, 0.75).expand(3, -1, -1)


if __name__ == "__main__":
    image = read_image(EXAMPLE)
    mattes = instmatt_core.matte(image)
    views = [resize(image, SIZE), resize(overlay(image, mattes), SIZE)]
    behind = chequers(*image.shape[1:])
    views += [resize(over(rgba[:3], rgba[3], behind), SIZE) for rgba in mattes.cutouts(image)]
    padded = [F.pad(view.clamp(0, 1), (0, GAP, 0, GAP), value=1) for view in views]
    sheet = torch.cat([torch.cat(padded[i : i + 2], 2) for i in (0, 2)], 1)
    write_png(sys.argv[1], sheet[:, :-GAP, :-GAP])
