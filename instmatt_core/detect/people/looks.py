"""The two looks of the people detector: a first one that finds everybody, and a closer one that draws who is in a box."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...image import resize
from ...weights.bundled import load_network, prepared
from ...windows import square_around
from ..geometry import distinct
from .network import MASK_STRIDE, PeopleNetwork, draw_masks

SIDE = 448  # what the first look sees
LEAST_SCORE = 0.15  # of the first look's people
LEAST_AREA = 24  # px of a mask as the network draws it
SAME_SHARE = 0.5  # share of the smaller mask's area above which two masks are of one person
CLOSER_SIDES = (256, 320)  # what the closer look sees, at least and at most, once as it is and once mirrored
ENLARGED = 1.5  # how far between the two
SURROUNDINGS = 0.2  # of a box's longer side, on every side, which the closer look sees, too


class FirstLook:
    """Finds people and draws their masks; call it with a picture.

    Args:
        device: where the network runs.
        network: another one than the bundled.
    """

    def __init__(self, device: torch.device, network: PeopleNetwork | None = None):
        self.device = device
        self.network = prepared(network, device) if network else load_network(PeopleNetwork(), "people", device)

    def __call__(self, image: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """Masks ``(K, h', w')`` in [0, 1], smaller than ``image (3, h, w)``, and scores ``(K,)``, surest first, of ``most`` at most."""
        x = resize(image, network_size((image.shape[1], image.shape[2]), SIDE))[None].to(self.device)
        with torch.inference_mode():
            centres, weights, features, _ = self.network(x.contiguous(memory_format=torch.channels_last))
            masks, scores = self._pick(centres[0].float().sigmoid(), weights[0].float(), features[0].float(), most)
        return masks.cpu(), scores.cpu()

    def _pick(self, heat: Tensor, weights: Tensor, features: Tensor, most: int) -> tuple[Tensor, Tensor]:
        peaks = (heat == F.max_pool2d(heat, 3, 1, 1)) & (heat > LEAST_SCORE)
        cells = peaks[0].nonzero()
        centre = heat[0][peaks[0]]
        order = centre.argsort(descending=True)[: 4 * most]
        cells, centre = cells[order], centre[order]
        masks = draw_masks(features, weights[:, cells[:, 0], cells[:, 1]].T, cells).sigmoid()
        inside = (masks > 0.5).float()
        area = inside.sum((1, 2))
        scores = centre * (masks * inside).sum((1, 2)) / area.clamp(min=1)  # as sure of the mask as of the person
        order = scores.argsort(descending=True)
        order = order[(scores[order] >= LEAST_SCORE) & (area[order] >= LEAST_AREA)]
        kept = distinct(inside[order] > 0, SAME_SHARE)[:most]
        return masks[order][kept], scores[order][kept]


class CloserLook:
    """Draws the person in a box; call it with a picture and a box.

    Args:
        device: where the network runs.
    """

    def __init__(self, device: torch.device):
        self.device, self.network = device, load_network(PeopleNetwork(prompted=True), "people_closer", device)

    def __call__(self, image: Tensor, box: Tensor, masks: Iterable[Tensor] | None = None, whose: int = 0) -> tuple[Tensor, float]:
        """Mask ``(h, w)`` in [0, 1] of whom a box (x0, y0, x1, y1) px of ``image (3, h, w)`` is about, and how sure it is of anybody.

        ``masks``, K times ``(h, w)``: what is known of everybody; number ``whose`` of them, which may be empty, is of that person.
        """
        near = Near.of(image, box, masks, whose)
        side = min(max(round(ENLARGED * max(near.size)), CLOSER_SIDES[0]), CLOSER_SIDES[1])
        size = network_size(near.size, side)
        inside = torch.zeros(1, *near.size)
        x0, y0, x1, y1 = near.box.clamp(min=0).round().int().tolist()
        inside[0, y0:y1, x0:x1] = 1
        prompt = torch.cat((inside, near.known))
        seen, told = resize(near.image, size), resize(prompt, (size[0] // MASK_STRIDE, size[1] // MASK_STRIDE))
        with torch.inference_mode():
            drawn, sure = draw_prompted(self.network, torch.stack((seen, seen.flip(2))), torch.stack((told, told.flip(2))))
        return near.placed(((drawn[0] + drawn[1].flip(1)) / 2).cpu()), float(sure.mean())


@dataclass(frozen=True)
class Near:
    """Somebody seen from near by: a square of the picture, as far as it lies in it.

    Attributes:
        image: ``(3, h, w)``.
        box: x0, y0, x1, y1 px there.
        known: ``(2, h, w)``: the masks of that person and of all others.
        whole: height and width of the whole picture, of which these are ``rows`` and ``columns``.
    """

    image: Tensor
    box: Tensor
    known: Tensor
    whole: tuple[int, int]
    rows: slice
    columns: slice

    @classmethod
    def of(cls, image: Tensor, box: Tensor, masks: Iterable[Tensor] | None, whose: int) -> Near:
        """Whom ``box`` tells of in ``image (3, H, W)``; see :meth:`CloserLook.__call__`."""
        whole = (image.shape[1], image.shape[2])
        rows, columns = square_around(box, whole, SURROUNDINGS)
        part = image[:, rows, columns]
        known = torch.zeros(2, *part.shape[1:])
        if masks is not None:
            near = torch.stack([mask[rows, columns] for mask in masks])
            known[0] = near[whose]
            if len(near) > 1:
                known[1] = torch.cat((near[:whose], near[whose + 1 :])).amax(0)
        return cls(part, box - torch.tensor((columns.start, rows.start)).repeat(2), known, whole, rows, columns)

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return self.image.shape[1], self.image.shape[2]

    def placed(self, mask: Tensor) -> Tensor:
        """``(H, W)``: a mask of this part, of any size, in the whole picture."""
        result = torch.zeros(self.whole)
        result[self.rows, self.columns] = resize(mask, self.size)
        return result


def draw_prompted(network: PeopleNetwork, images: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    """Whom a prompted network sees: masks ``(B, h/2, w/2)`` in [0, 1], and how sure it is that there is somebody, ``(B,)``.

    Args:
        images: ``(B, 3, h, w)``, both multiples of 32.
        prompts: ``(B, 3, h/4, w/4)``; see :class:`PeopleNetwork`.
    """
    device = next(network.parameters()).device
    x = images.to(device).contiguous(memory_format=torch.channels_last)
    centres, weights, features, _ = (part.float() for part in network(x, prompts.to(device)))
    heat = centres[:, 0].sigmoid()
    cells = torch.stack(torch.unravel_index(heat.flatten(1).argmax(1), heat.shape[1:]), 1)
    drawn = [draw_masks(f, w[:, y, x][None], torch.stack((y, x))[None])[0] for f, w, (y, x) in zip(features, weights, cells, strict=True)]
    return torch.stack(drawn).sigmoid(), heat.amax((1, 2))


def network_size(size: tuple[int, int], side: int, multiple: int = 32) -> tuple[int, int]:
    """Height and width nearest to the proportions of ``size`` in multiples of ``multiple``, the longer one ``side``."""
    step = side / max(size)
    height, width = (max(multiple, round(n * step / multiple) * multiple) for n in size)
    return height, width
