"""Places without people, to train the people detector on: views into round-about pictures of rooms, halls and landscapes.

    npm pack @pmndrs/assets@1.7.0          # CC0, from Poly Haven
    pip install openexr==3.5.3             # BSD-3-Clause
    python tools/prepare_rooms.py UNPACKED OUTPUT

Writes ``OUTPUT/backgrounds``, for ``instmatt train --things OUTPUT``. Two places in which people might be seen are left out.
"""

from __future__ import annotations

import argparse
import base64
import re
import tempfile
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
from numpy.random import Generator

from instmatt_core.data.cutouts import write_jpeg

LEFT_OUT = {"city", "venice"}
VIEWS, SIDE = 12, 360  # of each place; px
SEED = 5


def read_exr(data: bytes) -> np.ndarray:
    """``(H, W, 3)`` float32, linear, red first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.exr"
        path.write_bytes(data)
        channels = OpenEXR.File(str(path)).channels()
        pixels = channels["RGB"].pixels if "RGB" in channels else np.stack([channels[c].pixels for c in "RGB"], -1)
    return np.nan_to_num(pixels.astype(np.float32), posinf=100)


def view(around: np.ndarray, heading: float, rng: Generator) -> np.ndarray:
    """What a camera sees that is turned by ``heading`` degrees: ``(360, 360, 3)`` uint8."""
    yaw, pitch = np.deg2rad(heading + rng.uniform(-10, 10)), np.deg2rad(rng.normal(-8, 9))
    focal = SIDE / 2 / np.tan(np.deg2rad(rng.uniform(70, 105)) / 2)
    x, y = np.meshgrid(*2 * [(np.arange(SIDE) - SIDE / 2 + 0.5) / focal])
    ray = np.stack((x, -y, np.ones_like(x))) / np.sqrt(x**2 + y**2 + 1)
    up, ahead = ray[1] * np.cos(pitch) + ray[2] * np.sin(pitch), ray[2] * np.cos(pitch) - ray[1] * np.sin(pitch)
    height, width = around.shape[:2]
    column = ((np.arctan2(ray[0], ahead) + yaw) / (2 * np.pi) + 0.5) % 1 * width
    row = (0.5 - np.arcsin(up.clip(-1, 1)) / np.pi) * height
    closed = np.concatenate((around, around[:, :8]), 1)
    seen = cv2.remap(closed, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LINEAR).clip(0)
    return exposed(seen * np.exp(rng.normal(0, 0.25)) * 0.45 / max(float(np.percentile(seen.mean(-1), 60)), 1e-3))


def exposed(light: np.ndarray) -> np.ndarray:
    """Linear light as sRGB, its highlights rolled off."""
    light = np.where(light < 0.6, light, 0.6 + 0.4 * (1 - np.exp((0.6 - light) / 0.4)))
    return (np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).clip(0, 1) * 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unpacked", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    files = {path.name.split(".")[0]: path for path in sorted(options.unpacked.rglob("hdri/*.exr.js"))}
    for number, name in enumerate(sorted(files.keys() - LEFT_OUT)):
        encoded = re.search(r"base64,([^'\"]+)", files[name].read_text(encoding="utf-8"))
        assert encoded, f"{files[name]}: holds no picture"
        around, rng = read_exr(base64.b64decode(encoded.group(1))), np.random.default_rng([SEED, number])
        for turn in range(VIEWS):
            write_jpeg(options.output / "backgrounds" / f"{name}_{turn:02d}.jpg", view(around, 360 / VIEWS * turn, rng))


if __name__ == "__main__":
    main()
