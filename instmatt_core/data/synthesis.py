"""Scenes of several people, composed from cut-outs: picture, and each person's true alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from ..errors import ImageError
from ..image import SUFFIXES
from .backgrounds import crop_to, generate, read_rgb, shape, texture
from .cutouts import is_kept_aside, read_rgba
from .effects import blur, dim_below, photograph, recolour
from .layers import Layer, cut, lay, layer_slices, true_alphas, visible
from .poses import bend_legs, dark_legs, is_slender, is_whole, shorten_legs, warp


@dataclass(frozen=True)
class Scene:
    """A composed picture.

    Attributes:
        image: ``(H, W, 3)`` uint8, red first.
        alphas: ``(K, H, W)`` uint8, back to front; K may be 0.
        unsure: ``(H, W)`` bool, where a real photograph shows through that may hold people without a matte.
    """

    image: np.ndarray
    alphas: np.ndarray
    unsure: np.ndarray


class Composer:
    """Scenes by number: the same seed and index always give the same scene.

    Args:
        folders: caches written by :func:`instmatt_core.data.cutouts.prepare`. One may also hold ``things/NAME.png``, RGBA cut-outs
            of what is not a person, ``backgrounds`` alone, or ``people`` alone, drawn ones.
        size: height and width of the scenes.
        seed: chooses another series of scenes.
        kept_aside: compose from the people kept aside for measuring instead of all others.
        real: share of scenes that start from a photograph as it is, with the person who is in it.
        crowded: names of those folders, or single photographs, that may show passers-by without a matte.
        hard: share of scenes in which people are hard to find or to tell apart, or in which there are only things. With any, some people
            of all scenes sit or have dark legs, and some scenes are dark below.
        seated: share of scenes in which people sit side by side, knee to knee.
        backgrounds: folder of further pictures without people, or None.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        size: tuple[int, int],
        seed: int = 0,
        *,
        kept_aside: bool = False,
        real: float = 0.0,
        crowded: Sequence[str] = (),
        hard: float = 0.0,
        seated: float = 0.0,
        backgrounds: Path | None = None,
    ):
        self.size, self.seed, self.real, self.crowded, self.hard = size, seed, real, frozenset(crowded), hard
        self.seated, self.kept_aside = seated, kept_aside
        files = [self._kept([f], "people/*.png") for f in folders]
        self.people = [group for group in files if group]
        if not self.people:
            raise ImageError(f"{', '.join(map(str, folders))}: no cut-outs of people; prepare the source folders first")
        self.photographed = [group for group in self.people if (group[0].parent.parent / "photos").exists()]
        self.things = [group for group in (self._kept([f], "things/*.png") for f in folders) if group]
        names = self._kept(folders, "backgrounds/*.jpg")
        self.pictures = [p for p in names if not (p.parent.parent / "people").exists()]
        self.backgrounds = names + (sorted(p for p in backgrounds.iterdir() if p.suffix.lower() in SUFFIXES) if backgrounds else [])

    def _kept(self, folders: Sequence[Path], pattern: str) -> list[Path]:
        return [p for folder in folders for p in sorted(folder.glob(pattern)) if is_kept_aside(p.stem) == self.kept_aside]

    def __getitem__(self, index: int) -> Scene:
        rng = np.random.default_rng([self.seed, index])
        unsure = np.zeros(self.size, bool)
        layers: list[Layer] = []
        if self.seated and rng.random() < self.seated:
            background, crowded = self._background(rng)
            unsure |= crowded
            layers += self._bench(int(rng.integers(2, 6)), rng)
            count = 0
        elif self.hard and rng.random() < self.hard:
            count = int(rng.choice((0, 2, 3, 4, 5, 6), p=(0.35, 0.15, 0.15, 0.15, 0.1, 0.1)))
            background, crowded = self._background(rng, nobody=count == 0)
            unsure |= crowded
            layers += self._hard_crowd(count, rng) if count else [self._thing(rng)] if self.things else []
            count = 0
        elif rng.random() < self.real * bool(self.photographed):
            background, own, unsure = self._photograph(rng)
            layers.append(own)
            count = int(rng.choice((0, 1, 2), p=(0.6, 0.25, 0.15)))
        else:
            background, crowded = self._background(rng)
            unsure |= crowded
            count = int(rng.choice(7, p=(0.06, 0.16, 0.22, 0.2, 0.16, 0.12, 0.08)))
        layers += self._things(rng, 0.45) + self._crowd(count, rng) + self._things(rng, 0.25)
        layers = visible(layers, self.size)
        image = background
        for layer in layers:
            lay(image, layer)
            unsure[layer_slices(layer, self.size)[0]] &= cut(layer, self.size)[1] < 0.5
        if self.hard and rng.random() < 0.25:
            image = dim_below(image, rng)
        image, alphas = photograph(image, true_alphas(layers, self.size), rng)
        return Scene(to_uint8(image), to_uint8(alphas), unsure)

    def _background(self, rng: Generator, nobody: bool = False) -> tuple[np.ndarray, bool]:
        """A background, and whether there may be passers-by; with ``nobody``, more often a picture of things."""
        if nobody and self.pictures and rng.random() < 0.5:
            return crop_to(read_rgb(self.pictures[rng.integers(len(self.pictures))]), self.size, rng), False
        if self.backgrounds and rng.random() < 0.65:
            path = self.backgrounds[rng.integers(len(self.backgrounds))]
            image = read_rgb(path)
            scene = crop_to(image[:, ::-1] if rng.random() < 0.5 else image, self.size, rng)
            return (blur(scene, rng) if rng.random() < 0.2 else scene), self._is_crowded(path)
        return generate(self.size, rng), False

    def _is_crowded(self, path: Path) -> bool:
        return bool(self.crowded & {path.parent.parent.name, path.stem})

    def _photograph(self, rng: Generator) -> tuple[np.ndarray, Layer, np.ndarray]:
        """A photograph fitted into the scene, over a blurred copy of itself where it does not reach; its person as a layer."""
        path = self._pick(rng, self.photographed)
        path = path.parent.parent / "photos" / path.name
        image, alpha = read_rgb(path.with_suffix(".jpg")), read_rgb(path)[..., 0]
        if rng.random() < 0.5:
            image, alpha = image[:, ::-1], alpha[:, ::-1]
        height, width = self.size
        base = min(height / alpha.shape[0], width / alpha.shape[1])
        step = base * np.exp(rng.uniform(np.log(0.5), np.log(2.2)))
        shift_y, shift_x = (rng.uniform(min(0, s - step * a), max(0, s - step * a)) for s, a in zip(self.size, alpha.shape, strict=True))
        matrix = np.array([[step, rng.normal(0, 0.03), shift_x], [rng.normal(0, 0.03), step, shift_y]])
        smooth = cv2.GaussianBlur(image, (0, 0), 1 / step / 2) if step < 0.7 else np.ascontiguousarray(image)
        around = cv2.resize(texture((32, 32), rng), (width, height)) if rng.random() < 0.5 else generate(self.size, rng)
        inside = cv2.warpAffine(np.ones(alpha.shape, np.float32), matrix, (width, height), flags=cv2.INTER_LINEAR)
        scene = cv2.warpAffine(smooth, matrix, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
        matte = cv2.warpAffine(np.ascontiguousarray(alpha), matrix, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
        scene = scene + around * (1 - inside[..., None])
        return scene, Layer(scene.copy(), matte, (0, 0)), (inside > 0) & (matte < 0.5) & self._is_crowded(path)

    def _pick(self, rng: Generator, groups: list[list[Path]]) -> Path:
        """Any person of any folder; small folders count for more than their size."""
        weights = np.sqrt([len(group) for group in groups])
        group = groups[rng.choice(len(groups), p=weights / weights.sum())]
        return group[rng.integers(len(group))]

    def _crowd(self, count: int, rng: Generator) -> list[Layer]:
        """People as they stand together: in a row, some nearer than others, or close before the camera."""
        height, width = self.size
        kind = rng.choice(("row", "depth", "close"), p=(0.4, 0.35, 0.25))
        heights = {
            "row": np.exp(rng.uniform(np.log(0.25), np.log(0.95))) * np.exp(rng.normal(0, 0.08, count)),
            "depth": np.sort(np.exp(rng.uniform(np.log(0.1), np.log(1.1), count))),
            "close": np.exp(rng.uniform(np.log(0.7), np.log(1.5))) * np.exp(rng.normal(0, 0.12, count)),
        }[kind]
        ground, spacing = rng.uniform(0.7, 1.02), rng.uniform(0.3, 1.1)
        layers: list[Layer] = []
        x = rng.uniform(-0.05, 0.5) * width
        for share in heights:
            colour, alpha, whole = self._person(float(share) * height, rng)
            h, w = alpha.shape
            if kind == "depth":
                foot, x = (0.35 + 0.65 * share) * rng.uniform(0.9, 1.1), rng.uniform(-0.05, 0.95) * width
            else:
                foot = ground + rng.normal(0, 0.03)
            foot = foot if whole else max(foot, 1.0) if rng.random() < 0.6 else foot
            top = foot * height - h
            if kind == "close" and whole and rng.random() < 0.85:  # heads in the picture, legs outside
                top = max(top, rng.uniform(-0.05, 0.3) * height)
            layers.append(Layer(colour, alpha, (int(min(top, 0.85 * height)), int(x - w / 2))))
            x += spacing * w * rng.uniform(0.7, 1.3)
            if x > width * 1.02:
                x = rng.uniform(0, 0.4) * width
        if kind == "row":
            rng.shuffle(layers)
        return layers

    def _hard_crowd(self, count: int, rng: Generator) -> list[Layer]:
        """People of one size close behind one another; lying about; or far away."""
        height, width = self.size
        kind = rng.choice(("close", "lying", "far"), p=(0.5, 0.25, 0.25))
        low, high = {"close": (0.3, 1.2), "lying": (0.3, 1.0), "far": (0.06, 0.25)}[kind]
        share = np.exp(rng.uniform(np.log(low), np.log(high)))
        ground, x = rng.uniform(0.6, 1.05), rng.uniform(0.1, 0.5) * width
        spacing = rng.uniform(0.25, 0.6)
        layers = []
        for _ in range(count):
            colour, alpha, _ = self._person(share * np.exp(rng.normal(0, 0.06)) * height, rng, lying=kind == "lying" and rng.random() < 0.7)
            h, w = alpha.shape
            top = (ground + rng.normal(0, 0.05)) * height - h
            if top < 0 and kind == "close":  # heads in the picture
                top = rng.uniform(0, 0.2) * height
            layers.append(Layer(colour, alpha, (int(min(top, 0.85 * height)), int(x - w / 2))))
            x += spacing * w * rng.uniform(0.7, 1.3)
            x = x if x < width else rng.uniform(0, 0.5) * width
        rng.shuffle(layers)
        return layers

    def _bench(self, count: int, rng: Generator) -> list[Layer]:
        """People who sit side by side before the camera, of one size, laps and legs close together.

        Somebody of whom there is only a portrait is behind them.
        """
        height, width = self.size
        standing = np.exp(rng.uniform(np.log(0.6), np.log(1.7))) * height
        heads, spacing, x = rng.uniform(-0.03, 0.35) * height, rng.uniform(0.12, 0.25) * standing, rng.uniform(0.05, 0.4) * width
        dark, leftmost_first = rng.random() < 0.3, rng.random() < 0.5
        behind: list[Layer] = []
        before: list[Layer] = []
        for _ in range(count):
            rgba = read_rgba(self._pick(rng, self.people))
            if not (is_slender(rgba) or is_whole(rgba)) and rng.random() < 0.7:
                rgba = read_rgba(self._pick(rng, self.people))  # fewer portraits
            upright, share, row = is_slender(rgba), rng.uniform(0.6, 0.8), before
            if upright:
                step = min(1.0, 1.5 * standing / len(rgba))
                whole = cv2.resize(rgba, None, fx=step, fy=step, interpolation=cv2.INTER_AREA)
                rgba = bend_legs(dark_legs(whole, rng) if dark else whole, rng, (5, 80), (0.25, 0.7))
                share = len(rgba) / len(whole)
            elif not is_whole(rgba):
                share, row = 0.4, behind
            step = share * standing * np.exp(rng.normal(0, 0.05)) / len(rgba)
            colour, alpha = warp(rgba, step, step * np.exp(rng.normal(0, 0.08)), rng.normal(0, 5), rng)
            row.append(Layer(colour, alpha, (int(heads + rng.normal(0, 0.03) * standing), int(x - alpha.shape[1] / 2))))
            x += spacing * rng.uniform(0.8, 1.25)
        return behind + (before if leftmost_first else before[::-1])

    def _person(self, height: float, rng: Generator, lying: bool = False) -> tuple[np.ndarray, np.ndarray, bool]:
        """Colour, alpha, and whether the person is whole: someone about ``height`` px high, turned, sheared, cropped, recoloured."""
        rgba = read_rgba(self._pick(rng, self.people))
        slender, whole = is_slender(rgba), True
        if self.hard and slender and rng.random() < 0.3:
            step = min(1.0, 1.5 * max(height, 32) / len(rgba))  # no more than will be seen: bending is slow
            standing = cv2.resize(rgba, None, fx=step, fy=step, interpolation=cv2.INTER_AREA)
            rgba, slender = bend_legs(standing, rng), False
            height *= len(rgba) / len(standing) * rng.uniform(1, 1.3)
        elif slender and rng.random() < 0.35:
            share = rng.uniform(0.13, 0.25) if rng.random() < 0.2 else rng.uniform(0.25, 0.7)
            rgba, whole, height = rgba[: max(16, int(share * len(rgba)))], False, height * max(share, 0.3) * rng.uniform(0.8, 1.4)
        elif slender and rng.random() < 0.3:
            rgba = shorten_legs(rgba, rng)
        elif self.hard and not slender and is_whole(rgba):  # sits, squats
            height *= rng.uniform(0.55, 1)
        elif not slender:
            whole, height = False, height * rng.uniform(0.4, 0.9)
        if self.hard and slender and whole and rng.random() < 0.25:
            rgba = dark_legs(rgba, rng)
        step_y = max(height, 14) / len(rgba)
        step_x = step_y * np.exp(rng.normal(0, 0.08))
        angle = rng.normal(0, 6) if rng.random() < 0.92 else rng.uniform(-100, 100)
        if lying:
            angle = rng.choice((-90, 90)) + rng.normal(0, 20)
        return *warp(rgba, step_y, step_x, angle, rng), whole

    def _things(self, rng: Generator, probability: float) -> list[Layer]:
        """Objects that are not people, behind or before them."""
        things = []
        while rng.random() < probability:
            if self.things and rng.random() < 0.6:
                things.append(self._thing(rng))
                continue
            mask = shape(self.size, rng)
            if self.backgrounds and rng.random() < 0.5:
                colour = crop_to(read_rgb(self.backgrounds[rng.integers(len(self.backgrounds))]), self.size, rng, 0.15)
            else:
                colour = texture(self.size, rng)
            things.append(Layer(recolour(colour, rng), mask, (0, 0), person=False))
        return things

    def _thing(self, rng: Generator) -> Layer:
        """A cut-out of a thing, of any size, anywhere."""
        group = self.things[rng.integers(len(self.things))]  # a folder of a few photographed ones counts as much as one of many drawn ones
        rgba = read_rgba(group[rng.integers(len(group))])
        step = np.exp(rng.uniform(np.log(0.08), np.log(1.2))) * self.size[0] / len(rgba)
        colour, alpha = warp(rgba, step, step * np.exp(rng.normal(0, 0.15)), rng.normal(0, 15), rng)
        corner = (rng.uniform(-0.3, 0.9) * self.size[0], rng.uniform(-0.2, 0.9) * self.size[1])
        return Layer(colour, alpha, (int(corner[0]), int(corner[1])), person=False)


def to_uint8(values: np.ndarray) -> np.ndarray:
    return (values * 255).round().astype(np.uint8)
