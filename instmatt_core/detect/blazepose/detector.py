"""Person masks from MediaPipe's BlazePose networks, for several people in one picture.

The published pipeline follows one person. For several, the detector also looks at overlapping tiles, each person is cropped
again from the first crop's own landmarks, views of one person are averaged, and people compete for each pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from ...image import fit, resize, to_uint8
from ...instances import InstanceMasks, left_to_right
from ...progress import Progress, silent
from ...weights import load_weights
from ...weights.bundled import prepared
from ...weights.check import load_strictly
from ...windows import mask_boxes
from . import crops
from .networks import PoseDetector, PoseLandmarks, anchor_centres

WORKING_SIDE = 1280  # the networks see 224 and 256 px; more only costs time
DETECTOR_SIDE = 224
BATCH = 2  # crops at once
STEADINESS_POWER = 48  # of a view's weight in the average
PROPOSAL_SCORE = 0.3  # the landmark network's presence weeds out the wrong ones


@dataclass
class Candidate:
    """A person as the detector proposes it, in picture pixels."""

    score: float
    centre: np.ndarray  # between the hips
    top: np.ndarray  # straight up from there, at the rim of the person's circle


@dataclass
class Person:
    """A candidate after the landmark network."""

    score: float
    mask: np.ndarray
    landmarks: np.ndarray  # (39, 2) picture pixels


class BlazePose:
    """Detector of people and their masks; call it with a picture.

    Args:
        detector, landmarks: the published weights, converted.
        device: where the networks run.
        min_score: least presence of a person that the landmark network must report, in [0, 1].
        max_people: keep at most this many, the surest.

    Raises:
        WeightsError: the weights are another network's.
    """

    name = "blazepose"

    def __init__(
        self,
        detector: Mapping[str, Tensor],
        landmarks: Mapping[str, Tensor],
        device: str | torch.device = "cpu",
        *,
        min_score: float = 0.5,
        max_people: int = 20,
    ):
        self.device = torch.device(device)
        self.min_score, self.max_people = min_score, max_people
        self.detector, self.landmarks = PoseDetector(), PoseLandmarks()
        for network, state, part in ((self.detector, detector, "detector"), (self.landmarks, landmarks, "landmarks")):
            load_strictly(network, state, f"pose-{part}")
            prepared(network, self.device)
        self.anchors = anchor_centres().numpy()

    @classmethod
    def load(cls, device: str | torch.device = "cpu", *, folders: Sequence[Path] = (), progress: Progress = silent) -> BlazePose:
        """With the weights of the catalogue; ``folders`` are looked in first.

        Raises:
            WeightsError: they are not on this machine (the message says how to get them), or damaged.
        """
        parts = ("detector", "landmarks")
        states = [load_weights(f"blazepose-{part}", system=f"pose-{part}", folders=folders, progress=progress) for part in parts]
        return cls(states[0], states[1], device)

    def __call__(self, image: Tensor, progress: Callable[[float], None] = lambda share: None) -> InstanceMasks:
        """Find people in ``image (3, H, W)``; the masks have its size and are ordered left to right."""
        height, width = image.shape[1:]
        working = fit((height, width), WORKING_SIDE)
        picture = to_uint8(resize(image, working))
        levels = crops.pyramid(picture)
        candidates = self.propose(levels)
        progress(0.4)
        people = merge_views(self.segment(levels, candidates))
        progress(0.7)
        again = [Candidate(p.score, p.landmarks[33], p.landmarks[34]) for p in people]
        people = merge_views(people + self.segment(levels, again))[: self.max_people]
        progress(0.9)
        if not people:
            return InstanceMasks(torch.zeros(0, height, width), torch.zeros(0, 4), torch.zeros(0))
        masks = resize(compete(torch.from_numpy(np.stack([p.mask for p in people]))), (height, width)).clamp(0, 1)  # rounding
        scale = np.array([width / working[1], height / working[0]])
        heads = torch.tensor(np.stack([_head(p.landmarks * scale) for p in people]), dtype=torch.float32)
        scores = torch.tensor([p.score for p in people], dtype=torch.float32)
        keep = (masks > 0.5).flatten(1).any(1)
        masks = masks[keep]
        progress(1.0)
        return left_to_right(InstanceMasks(masks, mask_boxes(masks), scores[keep], heads[keep]))

    def propose(self, levels: list[np.ndarray]) -> list[Candidate]:
        """Candidates from the whole picture and its tiles, alike ones averaged by score."""
        height, width = levels[0].shape[:2]
        squares = crops.search_squares(height, width)
        inputs = np.stack([crops.sample(levels, crops.square_matrix(s, DETECTOR_SIDE), DETECTOR_SIDE) for s in squares])
        logits, raw = self._run(self.detector, inputs, lambda x: x / 127.5 - 1)
        scores = expit(logits)
        found = []
        for square, score, values in zip(squares, scores, raw, strict=True):
            keep = score >= PROPOSAL_SCORE
            points = values[keep, 4:8].reshape(-1, 2, 2) / DETECTOR_SIDE + self.anchors[keep][:, None]
            points = points * square[2] + square[:2]
            found += [Candidate(float(s), *p) for s, p in zip(score[keep], points, strict=True)]
        return average_alike(found)

    def segment(self, levels: list[np.ndarray], candidates: list[Candidate]) -> list[Person]:
        """Landmarks and masks of the candidates in whose crops there is a person."""
        if not candidates:
            return []
        height, width = levels[0].shape[:2]
        matrices = [crops.person_matrix(c.centre, c.top) for c in candidates]
        inputs = np.stack([crops.sample(levels, m, crops.CROP) for m in matrices])
        people = []
        for c, m, points, here, mask in zip(candidates, matrices, *self._run(self.landmarks, inputs, lambda x: x / 255), strict=True):
            if here >= self.min_score:
                landmarks = crops.apply(m, points[:, :2].astype(np.float64))
                people.append(Person(c.score * float(here), crops.paste(mask, m, height, width), landmarks))
        return people

    def _run(self, network: nn.Module, inputs: np.ndarray, scale: Callable[[Tensor], Tensor]) -> list[np.ndarray]:
        """The network's outputs for crops ``(N, S, S, 3)`` uint8, in batches that bound the memory."""
        outputs = []
        with torch.inference_mode():
            for crop in torch.from_numpy(inputs).split(BATCH):
                x = scale(crop.to(self.device).permute(0, 3, 1, 2).float())
                outputs.append(network(x.contiguous(memory_format=torch.channels_last)))
        return [torch.cat(parts).float().cpu().numpy() for parts in zip(*outputs, strict=True)]


def average_alike(candidates: list[Candidate], threshold: float = 0.15) -> list[Candidate]:
    """Weighted suppression by pose: what is like the best remaining candidate is averaged into it, weighted by score.

    BlazePose's own suppression goes by boxes, and so loses one of two people who stand close together. Here alike means that
    hips and top both lie within ``threshold`` of the person's radius.
    """
    rest = sorted(candidates, key=lambda c: -c.score)
    kept = []
    while rest:
        alike = [pose_distance(rest[0], c) < threshold for c in rest]
        group = [c for c, same in zip(rest, alike, strict=True) if same]
        rest = [c for c, same in zip(rest, alike, strict=True) if not same]
        weights = np.array([c.score for c in group]) / sum(c.score for c in group)
        centre, top = (weights @ np.stack([getattr(c, name) for c in group]) for name in ("centre", "top"))
        kept.append(Candidate(group[0].score, centre, top))
    return kept


def pose_distance(a: Candidate, b: Candidate) -> float:
    """The larger of the distances of hips and of tops, in radii of the larger person."""
    radius = max(np.hypot(*(a.top - a.centre)), np.hypot(*(b.top - b.centre)), 1e-6)
    return float(max(np.hypot(*(a.centre - b.centre)), np.hypot(*(a.top - b.top))) / radius)


def merge_views(people: list[Person], threshold: float = 0.6) -> list[Person]:
    """Average what are views of one person, drop what is only a part of a surer one; surest first.

    Two masks that share more than ``threshold`` of the smaller one's pixels are of one person. They are averaged if also their
    IoU exceeds 0.5; otherwise the less sure one is a fragment. The steadiest masks weigh by far the most: among views of one
    person the steadier mask is the truer one, while the scores tell nothing of that.
    """
    groups: list[list[Person]] = []
    for person in sorted(people, key=lambda p: -p.score):
        inside = person.mask > 0.5
        if not inside.any():
            continue
        for group in groups:
            other = group[0].mask > 0.5
            shared = (inside & other).sum()
            if shared > threshold * min(inside.sum(), other.sum()):
                if shared > 0.5 * (inside | other).sum():
                    group.append(person)
                break
        else:
            groups.append([person])
    merged = []
    for group in groups:
        steady = np.maximum([steadiness(p.mask) for p in group], 1e-3, dtype=np.float32)  # all may be faint
        weights = (steady / steady.max()) ** STEADINESS_POWER
        weights /= weights.sum()
        mask = sum(w * p.mask for w, p in zip(weights, group, strict=True))
        landmarks = sum(w * p.landmarks for w, p in zip(weights, group, strict=True))
        merged.append(Person(group[0].score, mask, landmarks))
    return merged


def steadiness(mask: np.ndarray) -> float:
    """The share of a mask that stays when the threshold rises from 0.25 to 0.75 (the stability score of Segment Anything)."""
    return float((mask > 0.75).sum() / (mask > 0.25).sum())


def compete(masks: Tensor) -> Tensor:
    """At each pixel the strongest mask stays, the others get at most what it leaves of one."""
    best, winner = masks.max(0, keepdim=True)
    is_winner = torch.arange(len(masks))[:, None, None] == winner
    return torch.where(is_winner, masks, torch.minimum(masks, 1 - best))


def _head(landmarks: np.ndarray) -> np.ndarray:
    """Centre and radius of the head from the face (landmarks 0 to 10) and the shoulders (11, 12)."""
    face = landmarks[:11]
    centre = face.mean(0)
    spread = np.hypot(*(face - centre).T).max()
    neck = np.hypot(*(landmarks[11:13].mean(0) - centre))
    return np.array([*centre, max(1.6 * spread, 0.7 * neck)])
