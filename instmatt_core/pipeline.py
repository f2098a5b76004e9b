"""Photo to mattes, by chaining a detector and a matting step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .errors import GuidanceError, UsageError
from .image import as_image, fit, resize
from .instances import InstanceMasks, InstanceMattes, left_to_right, mask_boxes, share
from .progress import Progress, silent, stage


def _blazepose(device: torch.device) -> Any:
    from .detect.blazepose import BlazePose

    return BlazePose(device)


def _closed_form(device: torch.device) -> Any:
    from .matting.closed_form import ClosedForm

    return ClosedForm()


DETECTORS: dict[str, Callable[[torch.device], Any]] = {"blazepose": _blazepose}
MATTING: dict[str, Callable[[torch.device], Any]] = {"closed-form": _closed_form}


class Pipeline:
    """Loaded models for repeated use; may be called from several threads.

    Args:
        detector: a name in ``DETECTORS``, or any callable ``(image, progress) -> InstanceMasks``.
        matting: a name in ``MATTING``, or any callable ``(image, instances, progress) -> (K, H, W)``.
        device: "auto", "cpu", "cuda", "mps", or a torch device.

    Raises:
        UsageError: a name is not known or the device is not there.
    """

    def __init__(self, detector: Any = "blazepose", matting: Any = "closed-form", device: str | torch.device = "auto"):
        self.device = pick_device(device)
        self._detector, self._matting = detector, matting
        self._parts: dict[str, Any] = {}
        self._lock = threading.Lock()
        for kind, value, known in (("detector", detector, DETECTORS), ("matting", matting, MATTING)):
            if isinstance(value, str) and value not in known:
                raise UsageError(f"no {kind} is called {value!r}; there is {', '.join(known)}")

    @property
    def detector(self) -> Any:
        """The detector, loaded on first use."""
        return self._part("detector", self._detector, DETECTORS)

    @property
    def matting(self) -> Any:
        """The matting step, loaded on first use."""
        return self._part("matting", self._matting, MATTING)

    def _part(self, kind: str, value: Any, known: dict[str, Callable[[torch.device], Any]]) -> Any:
        with self._lock:
            if kind not in self._parts:
                self._parts[kind] = known[value](self.device) if isinstance(value, str) else value
            return self._parts[kind]

    def __call__(
        self,
        image: Any,
        *,
        masks: InstanceMasks | Tensor | None = None,
        max_side: int | None = None,
        progress: Progress = silent,
    ) -> InstanceMattes:
        """Mattes of everyone in the picture, left to right, at the picture's own size.

        Args:
            image: path, PIL picture, numpy array or tensor; see :func:`instmatt_core.image.as_image`.
            masks: people to matte instead of detecting, as instances or ``(K, H, W)``.
            max_side: work on a picture whose long side is at most this many px.
            progress: called with a stage's name and the share done; return False to stop.

        Raises:
            ImageError, GuidanceError: the input makes no sense.
            Cancelled: ``progress`` asked to stop.
        """
        picture = as_image(image)
        size = (picture.shape[1], picture.shape[2])
        working = resize(picture, fit(size, max_side))
        if masks is None:
            people = self.detector(working, stage(progress, "finding people", 0.0, 0.4))
            used = _name(self.detector)
        else:
            people = _fit_masks(masks, size, (working.shape[1], working.shape[2]))
            used = "masks"
        alphas = self.matting(working, people, stage(progress, "matting", 0.4, 0.95)) if len(people) else people.masks
        alphas = share(resize(alphas, size).clamp(0, 1))
        keep = (alphas > 0.5).flatten(1).any(1)
        mattes = InstanceMattes(alphas[keep], mask_boxes(alphas[keep]), people.scores[keep])
        stage(progress, "done", 0.95, 1.0)(1.0)
        return replace(left_to_right(mattes), info={"detector": used, "matting": _name(self.matting)})


def matte(image: Any, *, detector: Any = "blazepose", matting: Any = "closed-form", device: str = "auto", **options: Any) -> InstanceMattes:
    """One alpha matte per person of a picture, in one call; ``options`` as for :meth:`Pipeline.__call__`."""
    return Pipeline(detector, matting, device)(image, **options)


def pick_device(device: str | torch.device) -> torch.device:
    """ "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: the device does not exist here.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {device} cannot be used here ({str(error).splitlines()[0]}); try cpu") from error


def _fit_masks(masks: InstanceMasks | Tensor, size: tuple[int, int], working: tuple[int, int]) -> InstanceMasks:
    instances = masks if isinstance(masks, InstanceMasks) else InstanceMasks.from_masks(masks)
    if instances.size != size:
        raise GuidanceError(f"the masks are {instances.size}, the picture is {size} (height, width)")
    if working == size:
        return instances
    small = resize(instances.masks, working)
    scale = working[0] / size[0]
    heads = None if instances.heads is None else instances.heads * scale
    return InstanceMasks(small, mask_boxes(small), instances.scores, heads)


def _name(part: Any) -> str:
    return str(getattr(part, "name", type(part).__name__))
