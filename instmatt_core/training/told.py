"""What the closer look is told in training of whom to look at: a box, and masks as a first look draws them, right or wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from ..data.synthesis import Scene
from ..detect.geometry import matched
from ..detect.people.detector import SAME_MASK_IOU
from ..detect.people.looks import FirstLook
from ..image import as_image, resize
from ..metrics.imq import iou_matrix

NOBODY = 0.12  # share of boxes in which nobody is
LEAST_SIDE = 20  # px of the box of who is looked at
JITTER = 0.05  # of the box's sides
CUT = 0.25  # share of boxes that leave out a part, as what misses the feet does; up to 0.35 of a side
MOST_SEEN = 20  # masks of a first look
WRONG = 0.1  # of a mask at most where anybody is; it is of nobody then
MISTAKEN = 0.6  # share of empty boxes with somebody's shape in them, as of a thing that was taken for a person
ONLY_BOX = 0.2  # share of people of whom only a box tells, although they were seen
MIXED_UP = 0.25  # share of people of whom a part, as a leg, is told as a neighbour's, or the other way round
TOUCH = 0.06  # of a person's longer side: so near are neighbours
PART = (0.08, 0.3), (0.04, 0.12)  # of that side: the half axes of such a part
DRAWN_BOX = 0.7  # share of the others' boxes that come of the mask, half of them halfway

Box = np.ndarray  # x0, y0, x1, y1 px


@dataclass(frozen=True)
class Told:
    """``alphas (1, H, W)`` uint8 of whom to draw, or none; the ``box`` that tells of them; and what is ``known (2, H, W)`` uint8, a mask of
    that person and one of everybody else."""

    alphas: np.ndarray
    box: Box
    known: np.ndarray


@dataclass(frozen=True)
class Glance:
    """What a first look at a scene saw: ``masks (K, H, W)`` uint8; in ``whose``, by number of mask, which of the scene's people it is of;
    in ``wrong`` those of nobody at all."""

    masks: np.ndarray
    whose: dict[int, int]
    wrong: list[int]

    def known(self, person: int | None = None, own: int | None = None) -> np.ndarray:
        """``(2, H, W)`` uint8: mask ``own``, if it is one, and all others that are not of ``person``."""
        others = [k for k in range(len(self.masks)) if k != own and (person is None or self.whose.get(k) != person)]
        nothing = np.zeros(self.masks.shape[1:], np.uint8)
        return np.stack((nothing if own is None else self.masks[own], self.masks[others].max(0) if others else nothing))


def glance(look: FirstLook, scene: Scene) -> Glance:
    """What ``look`` sees in a scene."""
    size = (scene.image.shape[0], scene.image.shape[1])
    masks = resize(look(as_image(scene.image), MOST_SEEN)[0], size)
    seen, true = (masks > 0.5).numpy(), scene.alphas > 127
    anybody = true.any(0) | scene.unsure
    wrong = [k for k, mask in enumerate(seen) if (mask & anybody).sum() < WRONG * mask.sum()]
    return Glance((masks * 255).round().byte().numpy(), matched(iou_matrix(seen, true), SAME_MASK_IOU), wrong)


def choose(scene: Scene, seen: Glance, count: int, rng: Generator) -> Iterator[Told]:
    """``count`` times at whom to look: the scene's people in turn, now and then nobody."""
    people = [k for k, alpha in enumerate(scene.alphas) if np.ptp(box_of(alpha).reshape(2, 2), axis=0).max() >= LEAST_SIDE]
    rng.shuffle(people)
    for i in range(count):
        nobody = not people or rng.random() < NOBODY
        if seen.wrong and (nobody or rng.random() < NOBODY):
            mask = seen.wrong[rng.integers(len(seen.wrong))]
            yield Told(scene.alphas[:0], spoilt(box_of(seen.masks[mask]), rng), seen.known(own=mask))
        elif nobody and (box := empty_box(scene, rng)) is not None:
            yield nobody_in(box, scene, seen, rng)
        elif people:
            yield somebody(people[i % len(people)], scene, seen, rng)
        else:
            whole = np.array((0.0, 0, *scene.image.shape[1::-1]))
            yield Told(scene.alphas[:0], spoilt(whole, rng), seen.known())


def somebody(person: int, scene: Scene, seen: Glance, rng: Generator) -> Told:
    """One of the scene's people, by the mask that the first look drew of them, if any, or by a box alone."""
    own = next((mask for mask, who in seen.whose.items() if who == person and rng.random() > ONLY_BOX), None)
    box = spoilt(box_of(scene.alphas[person]), rng)
    known = seen.known(person, own)
    if own is not None and rng.random() < MIXED_UP:
        known = mixed_up(known, rng)
    if own is not None and rng.random() < DRAWN_BOX:
        drawn = box_of(known[0])
        box = (drawn + box) / 2 if rng.random() < 0.5 else drawn
    return Told(scene.alphas[person : person + 1], box, known)


def mixed_up(known: np.ndarray, rng: Generator) -> np.ndarray:
    """``known (2, H, W)`` with a part of one mask given to the other, where the two touch: as with legs of people who sit.

    It stays as it is where they do not touch, or where half of the first would be lost.
    """
    x0, y0, x1, y1 = box_of(known[0])
    side = max(x1 - x0, y1 - y0)
    reach = np.ones((2 * round(TOUCH * side) + 1,) * 2, np.uint8)
    rows, columns = np.nonzero(np.logical_and(*(cv2.dilate(mask, reach) > 127 for mask in known)))
    if not len(rows):
        return known
    where = rng.integers(len(rows))
    length, width = (max(2, round(rng.uniform(*limits) * side)) for limits in PART)
    part = np.zeros_like(known[0])
    cv2.ellipse(part, (int(columns[where]), int(rows[where])), (length, width), rng.uniform(0, 180), 0, 360, 255, cv2.FILLED)
    giver = int(rng.integers(2))
    result = known.copy()
    result[giver] = np.minimum(known[giver], 255 - part)
    result[1 - giver] = np.maximum(known[1 - giver], np.minimum(known[giver], part))
    return result if (result[0] > 127).sum() > 0.5 * (known[0] > 127).sum() else known


def nobody_in(box: Box, scene: Scene, seen: Glance, rng: Generator) -> Told:
    """A box with nobody in it, often with a mask as if there were."""
    known = seen.known()
    if len(seen.masks) and rng.random() < MISTAKEN:
        known[0] = moved(seen.masks[rng.integers(len(seen.masks))], box)
    return Told(scene.alphas[:0], box, known)


def box_of(alpha: np.ndarray) -> Box:
    """Of what is more than half opaque in ``alpha (H, W)`` uint8."""
    x, y, w, h = cv2.boundingRect((alpha > 127).astype(np.uint8))
    return np.array((x, y, x + w, y + h), float)


def spoilt(box: Box, rng: Generator) -> Box:
    """A box as detectors give it: not quite right, now and then without a part."""
    box = box.copy()
    sides = np.tile(box[2:] - box[:2], 2)
    if rng.random() < CUT:
        edge = rng.choice(4, p=(0.15, 0.15, 0.15, 0.55))  # the feet most often
        box[edge] += (1 if edge < 2 else -1) * rng.uniform(0.05, 0.35) * sides[edge]
    return box + rng.normal(0, JITTER, 4).clip(-0.12, 0.12) * sides


def empty_box(scene: Scene, rng: Generator) -> Box | None:
    """A box with little of anybody in it, or None where there seems to be no room for one."""
    height, width = scene.image.shape[:2]
    anybody = (scene.alphas > 127).any(0) | scene.unsure
    for _ in range(6):
        h = rng.uniform(0.12, 0.8) * height
        w = min(width, h * np.exp(rng.normal(-0.7, 0.5)))
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        if anybody[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1].mean() < 0.12:
            return np.array((x, y, x + w, y + h))
    return None


def moved(mask: np.ndarray, box: Box) -> np.ndarray:
    """What is in ``mask (H, W)`` uint8, squeezed into a box."""
    (x0, y0, x1, y1), (u0, v0, u1, v1) = (np.round(each).astype(int) for each in (box_of(mask), box))
    result = np.zeros_like(mask)
    if x1 > x0 and u1 > u0 and v1 > v0:
        result[v0:v1, u0:u1] = cv2.resize(mask[y0:y1, x0:x1], (u1 - u0, v1 - v0), interpolation=cv2.INTER_AREA)
    return result
