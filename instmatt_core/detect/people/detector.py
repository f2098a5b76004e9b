"""This project's own detector: one network finds everybody and draws each one's mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...image import fit, resize
from ...instances import InstanceMasks, around, left_to_right, mask_boxes, share
from ...weights.bundled import load_bundled
from .network import PeopleNetwork, draw_masks

WORKING_SIDE = 1280  # px of the longer side; finer masks than that only cost time and memory
SIDE = 448  # what the network sees at first
CLOSER_SIDE = 256  # of the second look at each person
MARGIN = 0.2  # of the person's box, on every side, in the second look
FIRST_SCORE = 0.15  # what deserves a second look
FIRST_SHARE = 0.4  # of the first look's mask in the result
LEAST_AREA = 24  # px of a mask as the network draws it
SAME = 0.5  # share of the smaller mask's area above which two masks are of one person
SMALL = 0.2  # of the picture's longer side; people no larger than that are looked for in parts of the picture, too,
FEW = 2  # if there are at least so many of them
PARTS, PART = 3, 0.45  # so many rows and columns of parts, each this share of the picture's height and width
EDGE = 4  # px; a mask so near to where a part is cut off is taken for a piece of somebody


@dataclass(frozen=True)
class Found:
    """People in some picture, surest first: ``masks (K, h, w)`` in [0, 1], ``scores (K,)``."""

    masks: Tensor
    scores: Tensor


class People:
    """Detector of people and their masks; call it with a picture.

    Args:
        device: where the network runs.
        min_score: least certainty of a person, in [0, 1].
        max_people: keep at most this many, the surest.
        network: another network than the bundled one.
    """

    name = "people"

    def __init__(
        self, device: str | torch.device = "cpu", *, min_score: float = 0.2, max_people: int = 40, network: PeopleNetwork | None = None
    ):
        self.device = torch.device(device)
        self.min_score, self.max_people = min_score, max_people
        if network is None:
            network = PeopleNetwork()
            network.load_state_dict(load_bundled("people"))
        self.network = network.eval().to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, image: Tensor, progress: Callable[[float], None] = lambda share: None) -> InstanceMasks:
        """Find people in ``image (3, H, W)``; the masks have its size and are ordered left to right."""
        size = (image.shape[1], image.shape[2])
        working = fit(size, WORKING_SIDE)
        picture = resize(image, working)
        found = self.look_everywhere(picture, progress)
        masks, scores = self.look_again(picture, found, progress)
        sure = scores >= self.min_score
        masks, scores = resize(share(masks[sure]), size).clamp(0, 1), scores[sure]  # rounding
        keep = (masks > 0.5).flatten(1).any(1)
        progress(1.0)
        return left_to_right(InstanceMasks(masks[keep], mask_boxes(masks[keep]), scores[keep]))

    def look_everywhere(self, image: Tensor, progress: Callable[[float], None]) -> Found:
        """People in a picture ``(3, h, w)``, masks of its size: of the whole, and where people are small, of overlapping parts, too."""
        size = (image.shape[1], image.shape[2])
        found = self.look(image, SIDE)
        found = Found(resize(found.masks, size), found.scores)
        progress(0.1)
        small = is_small(found.masks, size)
        if small.sum() < FEW:
            return found
        _, scores = self.look_again(image, Found(found.masks[small], found.scores[small]), lambda done: progress(0.1))
        if (scores >= self.min_score).sum() < FEW:  # a second look tells better than the first what is nobody
            return found
        parts = [(rows, columns) for rows in spans(size[0]) for columns in spans(size[1])]
        for i, part in enumerate(parts):
            near = self.look(image[:, part[0], part[1]], SIDE)
            masks = torch.zeros(len(near.masks), *size)
            masks[:, part[0], part[1]] = resize(near.masks, (part[0].stop - part[0].start, part[1].stop - part[1].start))
            good = is_small(masks, size) & ~is_cut(masks, part)
            found = self._merged(found, Found(masks[good], near.scores[good]))
            progress(0.1 + 0.3 * (i + 1) / len(parts))
        return found

    def _merged(self, one: Found, other: Found) -> Found:
        masks, scores = torch.cat((one.masks, other.masks)), torch.cat((one.scores, other.scores))
        order = scores.argsort(descending=True)
        kept = distinct((masks[order, ::2, ::2] > 0.5).float().flatten(1))[: self.max_people]
        return Found(masks[order[kept]], scores[order[kept]])

    def look(self, image: Tensor, side: int) -> Found:
        """People in a picture ``(3, h, w)``, seen with its longer side at ``side`` px; masks of half that size."""
        x = resize(image, _network_size(image, side))[None].to(self.device)
        with torch.inference_mode():
            centres, weights, features, _ = self.network(x.contiguous(memory_format=torch.channels_last))
            return self._pick(centres[0].float(), weights[0].float(), features[0].float())

    def _pick(self, heat: Tensor, weights: Tensor, features: Tensor) -> Found:
        heat = heat.sigmoid()
        peaks = (heat == F.max_pool2d(heat, 3, 1, 1)) & (heat > FIRST_SCORE)
        cells = peaks[0].nonzero()
        centre = heat[0][peaks[0]]
        order = centre.argsort(descending=True)[: 4 * self.max_people]
        cells, centre = cells[order], centre[order]
        masks = draw_masks(features, weights[:, cells[:, 0], cells[:, 1]].T, cells).sigmoid()
        inside = (masks > 0.5).float()
        area = inside.sum((1, 2))
        scores = centre * (masks * inside).sum((1, 2)) / area.clamp(min=1)  # as sure of the mask as of the person
        order = scores.argsort(descending=True)
        order = order[(scores[order] >= FIRST_SCORE) & (area[order] >= LEAST_AREA)]
        kept = distinct(inside[order].flatten(1))[: self.max_people]
        return Found(masks[order][kept].cpu(), scores[order][kept].cpu())

    def look_again(self, image: Tensor, found: Found, progress: Callable[[float], None]) -> tuple[Tensor, Tensor]:
        """Masks and scores after a closer look at everyone, mirrored, so that the same mistake is less likely.

        A score is the mean of both looks, the second's 0 if it does not find that person.
        """
        masks, scores = found.masks.clone(), found.scores / 2
        for i, box in enumerate(mask_boxes(masks)):
            rows, columns = around(box, (image.shape[1], image.shape[2]), MARGIN)
            known = masks[i, rows, columns]
            closer = self.look(image[:, rows, columns].flip(2), CLOSER_SIDE)
            views = resize(closer.masks, (known.shape[0], known.shape[1])).flip(2)
            agreement = torch.tensor([iou(known > 0.5, view > 0.5) for view in views])
            if len(views) and agreement.max() > SAME:
                best = int(agreement.argmax())
                scores[i] += closer.scores[best] / 2
                drawn = FIRST_SHARE * known + (1 - FIRST_SHARE) * views[best]
                masks[i] = 0
                masks[i, rows, columns] = drawn
            progress(0.4 + 0.5 * (i + 1) / len(masks))
        return masks, scores


def draw_prompted(network: PeopleNetwork, image: Tensor, prompt: Tensor) -> tuple[Tensor, float]:
    """Whom a prompted network sees: mask ``(h/2, w/2)`` in [0, 1], and how sure it is that there is somebody.

    Args:
        image: ``(3, h, w)``, both multiples of 32.
        prompt: ``(h/4, w/4)``, 1 in the person's box.
    """
    device = next(network.parameters()).device
    x = image[None].to(device).contiguous(memory_format=torch.channels_last)
    centres, weights, features, _ = network(x, prompt[None, None].to(device))
    heat = centres[0, 0].float().sigmoid()
    cell = torch.stack(torch.unravel_index(heat.argmax(), heat.shape))[None]
    drawn = draw_masks(features[0].float(), weights[0, :, cell[0, 0], cell[0, 1]].float()[None], cell)
    return drawn[0].sigmoid(), float(heat.max())


def is_small(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Whose box, of masks ``(K, H, W)`` in a picture of that ``size``, is at most :data:`SMALL` long: ``(K,)`` bool."""
    boxes = mask_boxes(masks)
    return (boxes[:, 2:] - boxes[:, :2]).amax(1) <= SMALL * max(size)


def is_cut(masks: Tensor, part: tuple[slice, slice]) -> Tensor:
    """Who, of masks ``(K, H, W)``, reaches to where a ``part`` (rows, columns) of the picture ends, but not the picture: ``(K,)`` bool."""
    boxes, (rows, columns) = mask_boxes(masks), part
    height, width = masks.shape[1:]
    low = torch.tensor([c.start + EDGE if c.start > 0 else -1 for c in (columns, rows)])
    high = torch.tensor([c.stop - EDGE if c.stop < n else n + 1 for c, n in ((columns, width), (rows, height))])
    return ((boxes[:, :2] < low) | (boxes[:, 2:] > high)).any(1)


def spans(length: int) -> list[slice]:
    """The overlapping :data:`PARTS` of a side of ``length`` px."""
    side = max(1, round(PART * length))
    return [slice(start, start + side) for start in (round(i * (length - side) / (PARTS - 1)) for i in range(PARTS))]


def distinct(inside: Tensor) -> list[int]:
    """Which of the people ``(K, N)``, surest first, are not views or parts of a surer one."""
    kept: list[int] = []
    area = inside.sum(1)
    shared = inside @ inside.T
    for i in range(len(inside)):
        if all(shared[i, j] <= SAME * min(area[i], area[j]) for j in kept):
            kept.append(i)
    return kept


def iou(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two boolean masks."""
    return float((a & b).sum() / (a | b).sum().clamp(min=1))


def _network_size(image: Tensor, side: int) -> tuple[int, int]:
    """Height and width nearest to the picture's proportions in multiples of 32, the longer one ``side``."""
    height, width = image.shape[1:]
    step = side / max(height, width)
    return max(32, round(height * step / 32) * 32), max(32, round(width * step / 32) * 32)
