"""SIM as a step of the pipeline: a picture and people in, their mattes out; or the matte of one trimap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from ...errors import GuidanceError
from ...guidance import BACKGROUND, FOREGROUND, UNKNOWN, trimaps
from ...instances import InstanceMasks, share_
from ...windows import window_around
from ..conventions import dtype_of, normalise
from .classifier import build_classifier
from .clicks import click_maps, distances, known_pixels
from .inference import FastClassifier, FastSIM
from .network import STRIDE, build
from .pieces import fading, pieces
from .semantic_trimap import SemanticTrimap

MEMORY_MB = 1000
FIXED_MB, PIXEL_BYTES = 150, 800  # that the network takes at work, measured: whatever the size, and for each pixel
LEAST_SIDE = 512  # of a piece with its margin, px; smaller ones would be mostly margin
MARGIN = 64  # px of known picture round the unknown that the network sees
OVERLAP = 64  # px in which pieces fade into each other


class SIM:
    """Matting step; call it with a picture and people. May be called from several threads.

    Args:
        state: the matting network's state dict, with the authors' keys.
        classifier_state: the patch classifier's.
        compat: "paper" repeats the authors' test script on each trimap; docs/sim.md lists the differences.
        device: where the networks run.
        precision: "float32", or "bfloat16" or "float16" for most of both networks; "auto" is float32.
        memory_mb: about how much memory the matting network's maps may take. A person whose unknown region needs more is matted in
            pieces that fade into each other, each with less of the picture in view; "paper" takes what it needs.

    Raises:
        UsageError: an option is not known.
        WeightsError: a state dict is of another network.
    """

    name = "sim"

    def __init__(
        self,
        state: Mapping[str, Tensor],
        classifier_state: Mapping[str, Tensor],
        *,
        compat: str = "default",
        device: str | torch.device = "cpu",
        precision: str = "auto",
        memory_mb: int = MEMORY_MB,
    ):
        dtype = dtype_of(precision, compat)
        self.compat, self.device, self.memory_mb = compat, torch.device(device), memory_mb
        self._classifier = FastClassifier(build_classifier(classifier_state), dtype).to(self.device)
        self._network = FastSIM(build(state), dtype).to(self.device)

    def __call__(self, image: Tensor, instances: InstanceMasks, progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """Alphas ``(K, H, W)`` of ``image (3, H, W)``; together at most one at a pixel, save in "paper"."""
        return self.solve_trimaps(image, trimaps(instances), progress)

    def solve_trimaps(self, image: Tensor, trimaps: Tensor, progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """The same from everyone's trimaps ``(K, H, W)``; raises as :meth:`alpha`."""
        alphas = torch.empty_like(trimaps)
        for k, trimap in enumerate(trimaps):
            alphas[k] = self.alpha(image, trimap)
            progress((k + 1) / len(alphas))
        return alphas if self.compat == "paper" else share_(alphas)

    def alpha(self, image: Tensor, trimap: Tensor) -> Tensor:
        """Alpha ``(H, W)`` of ``image (3, H, W)``, RGB in [0, 1], for a trimap ``(H, W)`` of 0, 0.5, 1, whose known pixels stay.

        Raises:
            GuidanceError: the trimap is of another size or holds other values.
        """
        size = (image.shape[1], image.shape[2])
        if tuple(trimap.shape) != size:
            raise GuidanceError(f"the trimap is {tuple(trimap.shape)}, the picture is {size} (height, width)")
        unknown = trimap == UNKNOWN
        if not (unknown | (trimap == BACKGROUND) | (trimap == FOREGROUND)).all():
            raise GuidanceError("a trimap holds nothing but 0 (background), 0.5 (unknown) and 1 (foreground)")
        if not unknown.any():
            return trimap.clone()
        paper = self.compat == "paper"
        region = (slice(0, size[0]), slice(0, size[1])) if paper else window_around(unknown.numpy(), MARGIN, size)
        picture, guide = (pad(maps[..., region[0], region[1]], always=paper) for maps in (image, trimap))
        alpha = self._matte(picture, guide)[: region[0].stop - region[0].start, : region[1].stop - region[1].start]
        result = trimap.clone()
        result[region] = torch.where(unknown[region], alpha.clamp(0, 1), trimap[region])
        return (result * 255).round() / 255 if paper else result

    def _matte(self, image: Tensor, trimap: Tensor) -> Tensor:
        """Alpha ``(H, W)``, right where it is unknown, of ``image (3, H, W)`` and ``trimap (H, W)``, sides multiples of 8."""
        size = (trimap.shape[0], trimap.shape[1])
        known = known_pixels(trimap)
        distance = distances(known)
        picture, known, distance = (maps.to(self.device) for maps in (image, known, distance))
        total, weights = torch.zeros(size), torch.zeros(size)
        with torch.inference_mode():
            semantics = SemanticTrimap(self._classifier, normalise(picture), trimap.to(self.device), self.compat == "paper")
            for window, weight in self._pieces(trimap == UNKNOWN):
                seen = (slice(None), *window)
                alpha = self._network(picture[seen], known[seen], click_maps(distance[seen]), semantics.at(*window))
                total[window] += weight * alpha.cpu()
                weights[window] += weight
        return total / weights

    def _pieces(self, unknown: Tensor) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
        """What the network is to see at a time, and how much its word counts at each pixel of that."""
        size = (unknown.shape[0], unknown.shape[1])
        if self.compat == "paper":
            yield (slice(0, size[0]), slice(0, size[1])), torch.ones(size)
            return
        most = largest_side(self.memory_mb) - 2 * MARGIN - 2 * STRIDE
        for rows in pieces(size[0], most, OVERLAP):
            for columns in pieces(size[1], most, OVERLAP):
                inside = torch.zeros_like(unknown)
                inside[rows, columns] = unknown[rows, columns]
                if inside.any():
                    y, x = (in_strides(part) for part in window_around(inside.numpy(), MARGIN, size))
                    yield (y, x), torch.outer(fading(rows, size[0], OVERLAP)[y], fading(columns, size[1], OVERLAP)[x])


def largest_side(memory_mb: int) -> int:
    """Of a square that the network can see at once, px."""
    return max(LEAST_SIDE, int((max(memory_mb - FIXED_MB, 0) * 1e6 / PIXEL_BYTES) ** 0.5))


def in_strides(part: slice) -> slice:
    """The least that begins and ends at multiples of 8 and holds ``part``."""
    return slice(part.start // STRIDE * STRIDE, -(-part.stop // STRIDE) * STRIDE)


def pad(maps: Tensor, always: bool) -> Tensor:
    """``(..., H, W)`` mirrored at the bottom and right about its edges until sides are multiples of 8; ``always`` by a px at least."""
    widths = [(0, 0)] * (maps.ndim - 2) + [(0, STRIDE - side % STRIDE if always else -side % STRIDE) for side in maps.shape[-2:]]
    return torch.from_numpy(np.pad(maps.numpy(), widths, "symmetric"))
