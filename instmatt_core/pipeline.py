"""Photo to mattes, by chaining a detector and a matting step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from .errors import GuidanceError, UsageError
from .image import as_image, fit, resize
from .instances import InstanceMasks, InstanceMattes, called, share_
from .progress import Progress, silent, stage
from .windows import mask_boxes

COMPACT = "instmatt-compact"
SEMANTIC_SIDE = 512  # px of a window round a person: networks with semantics and without a refiner have seen people of a few hundred px


@dataclass(frozen=True)
class Options:
    """What may be said about a system beside its name.

    Attributes:
        weights: a name of the catalogue, a ``.safetensors`` file or ``hf:owner/repo/file``; None takes the system's own entry.
        compat: "default", or "paper" to repeat the authors' script.
        precision: "auto", "float32", "bfloat16" or "float16".
        memory_mb: about how much memory the matting may take; None leaves it to the system.
        folders: where to look for weights first (ComfyUI's model folders).
        refine: of an end-to-end system, a name in ``REFINES``: what makes the unknown bands at the picture's own size; None is closed-form.
        refine_weights: as ``weights``, of what refines.
        progress: called while weights are downloaded.
    """

    device: torch.device
    weights: str | Path | None = None
    compat: str = "default"
    precision: str = "auto"
    memory_mb: int | None = None
    folders: Sequence[Path] = ()
    refine: str | None = None
    refine_weights: str | Path | None = None
    progress: Progress = silent


def _ensemble(options: Options) -> Any:
    from .detect.ensemble import Ensemble

    return Ensemble(options.device)


def _blazepose(options: Options) -> Any:
    from .detect.blazepose import BlazePose

    return BlazePose.load(options.device, folders=options.folders, progress=options.progress)


def _people(options: Options) -> Any:
    from .detect.people import People

    return People(options.device)


def _mask_rcnn(options: Options) -> Any:
    from .detect.mask_rcnn import MaskRcnn
    from .weights import load_weights

    return MaskRcnn(load_weights("mask-rcnn", system="mask-rcnn", folders=options.folders, progress=options.progress), options.device)


def _rf_detr(options: Options) -> Any:
    from .detect.rf_detr import RfDetr
    from .weights.store import resolve

    return RfDetr.load(resolve("rf-detr-seg-medium", folders=options.folders, progress=options.progress).path, options.device)


def _detectron2(options: Options) -> Any:
    from .detect.detectron2 import Detectron2

    return Detectron2(device=options.device)


def _closed_form(options: Options) -> Any:
    from .matting.closed_form import ClosedForm

    if options.weights is not None or options.compat != "default":
        raise UsageError("closed-form has no weights and no paper's way; name another matting system with them")
    return ClosedForm()


def _instmatt(options: Options) -> Any:
    from .matting.instmatt import InstMatt
    from .matting.instmatt.config import config_of
    from .weights import load_weights

    weights = options.weights or "instmatt"
    state = load_weights(weights, system="instmatt", folders=options.folders, progress=options.progress)
    budget = {} if options.memory_mb is None else {"memory_mb": options.memory_mb}
    config = config_of(state)
    side = SEMANTIC_SIDE if config.semantics and not config.refiner else None
    system = InstMatt(state, compat=options.compat, precision=options.precision, device=options.device, working_side=side, **budget)
    if weights == COMPACT:
        system.name = COMPACT
    return system


def _instmatt_compact(options: Options) -> Any:
    if options.weights is not None or options.compat != "default":
        raise UsageError("instmatt-compact has its own weights and no paper's way; name instmatt with them")
    return _instmatt(replace(options, weights=COMPACT))


def _sim(options: Options) -> Any:
    from .matting.sim import SIM
    from .weights import load_weights

    state = load_weights(options.weights or "sim", system="sim", folders=options.folders, progress=options.progress)
    classifier = load_weights("sim-classifier", system="sim-classifier", folders=options.folders, progress=options.progress)
    budget = {} if options.memory_mb is None else {"memory_mb": options.memory_mb}
    return SIM(state, classifier, compat=options.compat, precision=options.precision, device=options.device, **budget)


def _refine(options: Options) -> Any:
    from .matting import refinement

    if options.compat == "paper":
        if options.refine or options.refine_weights:
            raise UsageError("the paper's way refines nothing; leave refine out")
        return None
    name = options.refine or "closed-form"
    if name in ("closed-form", "none"):
        if options.refine_weights is not None:
            raise UsageError(f"refine={name} has no weights")
        return refinement.closed_form if name == "closed-form" else None
    own = replace(options, weights=options.refine_weights)
    return refinement.one_by_one(_sim(own).alpha) if name == "sim" else refinement.together(_instmatt(own).refine_mattes)


def _e2e_him(options: Options) -> Any:
    from .matting.e2e_him import E2EHIM
    from .weights import load_weights

    refine = _refine(options)
    state = load_weights(options.weights or "e2e-him", system="e2e-him", folders=options.folders, progress=options.progress)
    return E2EHIM(state, compat=options.compat, precision=options.precision, device=options.device, refine=refine)


DETECTORS: dict[str, Callable[[Options], Any]] = {
    "ensemble": _ensemble,  # the first is the default
    "people": _people,
    "mask-rcnn": _mask_rcnn,
    "rf-detr-seg": _rf_detr,
    "blazepose": _blazepose,
    "detectron2": _detectron2,
}
MATTING: dict[str, Callable[[Options], Any]] = {
    COMPACT: _instmatt_compact,  # the first is the default
    "closed-form": _closed_form,
    "instmatt": _instmatt,
    "sim": _sim,
}
END_TO_END: dict[str, Callable[[Options], Any]] = {"e2e-him": _e2e_him}  # picture to mattes, without a detector
REFINES = ("closed-form", "none", "sim", "instmatt")


class Pipeline:
    """Loaded models for repeated use; may be called from several threads.

    Args:
        detector: a name in ``DETECTORS``, or any callable ``(image, progress) -> InstanceMasks``.
        matting: a name in ``MATTING``, or any callable ``(image, instances, progress) -> (K, H, W)``; or a name in ``END_TO_END``,
            which needs no detector and takes no masks.
        device: "auto", "cpu", "cuda", "mps", or a torch device.
        options: of the matting system: ``weights``, ``compat``, ``precision``, ``memory_mb``, ``refine``, ...; see :class:`Options`.

    Raises:
        UsageError: a name or an option is not known, or the device is not there.
    """

    def __init__(self, detector: Any = "ensemble", matting: Any = COMPACT, device: str | torch.device = "auto", **options: Any):
        known_options = [field.name for field in fields(Options) if field.name != "device"]
        if unknown := sorted({*options} - {*known_options}):
            raise UsageError(f"no option is called {', '.join(unknown)}; there is {', '.join(known_options)}")
        self.options = Options(pick_device(device), **options)
        self._detector, self._matting = detector, matting
        self._parts: dict[str, Any] = {}
        self._lock = threading.Lock()
        for kind, value, known in (("detector", detector, DETECTORS), ("matting", matting, {**MATTING, **END_TO_END})):
            if isinstance(value, str) and value not in known:
                raise UsageError(f"no {kind} is called {value!r}; there is {', '.join(known)}")
        if self.options.refine not in (None, *REFINES):
            raise UsageError(f"refine is one of {', '.join(REFINES)}, not {self.options.refine!r}")
        if not self.end_to_end and (self.options.refine or self.options.refine_weights):
            raise UsageError(f"refine is for end-to-end systems ({', '.join(END_TO_END)})")

    @property
    def detector(self) -> Any:
        """The detector, loaded on first use."""
        return self._part("detector", self._detector, DETECTORS)

    @property
    def matting(self) -> Any:
        """The matting step or the end-to-end system, loaded on first use."""
        return self._part("matting", self._matting, {**MATTING, **END_TO_END})

    def load(self, *, detector: bool = True) -> Pipeline:
        """Load everything now, so that what is missing is told before any picture is read; returns itself.

        Args:
            detector: whether one is needed, unless masks are given. End-to-end systems never need one.
        """
        _ = self.matting
        if detector and not self.end_to_end:
            _ = self.detector
        return self

    @property
    def end_to_end(self) -> bool:
        """Whether the system finds people by itself."""
        return isinstance(self._matting, str) and self._matting in END_TO_END

    def _part(self, kind: str, value: Any, known: dict[str, Callable[[Options], Any]]) -> Any:
        with self._lock:
            if kind not in self._parts:
                self._parts[kind] = known[value](self.options) if isinstance(value, str) else value
            return self._parts[kind]

    def __call__(
        self,
        image: Any,
        *,
        masks: Any = None,
        max_side: int | None = None,
        progress: Progress = silent,
    ) -> InstanceMattes:
        """Mattes of everyone in the picture, left to right, at the picture's own size.

        Args:
            image: path, PIL picture, numpy array or tensor; see :func:`instmatt_core.image.as_image`.
            masks: people to matte instead of detecting: :class:`InstanceMasks`, or what :meth:`InstanceMasks.from_masks` takes:
                ``(K, H, W)`` or a list of ``(H, W)``, tensors or arrays. Mattes come left to right all the same, and neither a mask nor
                a matte that is nowhere above 0.5 is among them: the result's ``sources`` tells which mask, counted from 0, each was
                made of, and ``info["notes"]`` what was left out.
            max_side: work on a picture whose long side is at most this many px.
            progress: called with a stage's name and the share done; return False to stop.

        Raises:
            ImageError: the picture cannot be read.
            GuidanceError: masks of another type, shape or size, or all of them empty. No masks at all are nobody.
            UsageError: ``max_side`` is not positive, or an option does not go with another.
            Cancelled: ``progress`` asked to stop.
        """
        if max_side is not None and max_side < 1:
            raise UsageError(f"max_side is a number of px above 0, or None for the picture's own size; not {max_side}")
        if max_side is not None and self.options.compat == "paper":
            raise UsageError("the paper's way sizes pictures as the authors' script does; leave max_side out")
        picture = as_image(image)
        size = (picture.shape[1], picture.shape[2])
        working = resize(picture, fit(size, max_side))
        given: InstanceMasks | None = None
        if self.end_to_end:
            if masks is not None:
                raise UsageError(f"{self._matting} finds people by itself and takes no masks")
            found = self.matting(working, stage(progress, "matting", 0.0, 0.95))
            alphas, scores, used = found.alphas, found.scores, self._matting
        else:
            if masks is None:
                people = self.detector(working, stage(progress, "finding people", 0.0, 0.4))
                used = _name(self.detector)
            else:
                people = given = _fit_masks(masks, size, (working.shape[1], working.shape[2]))
                used = "masks"
            alphas = self.matting(working, people, stage(progress, "matting", 0.4, 0.95)) if len(people) else people.masks
            scores = people.scores
            del people  # of a large picture their masks take a gigabyte
        alphas, info = resize(alphas, size).clamp(0, 1), {"detector": used, "matting": _name(self.matting)}
        stage(progress, "done", 0.95, 1.0)(1.0)
        sources = None if given is None else given.sources
        if self.options.compat == "paper":  # everybody, in the script's order, overlaps and all
            mattes = InstanceMattes(alphas, mask_boxes(alphas), scores, info, sources)
        else:
            mattes = InstanceMattes.from_alphas(share_(alphas), scores, info, sources)
        return mattes if given is None else _with_notes(mattes, given)


def matte(
    image: Any,
    *,
    detector: Any = "ensemble",
    matting: Any = COMPACT,
    device: str = "auto",
    masks: Any = None,
    max_side: int | None = None,
    progress: Progress = silent,
    **options: Any,
) -> InstanceMattes:
    """One alpha matte per person of a picture, in one call; arguments as for :class:`Pipeline` and :meth:`Pipeline.__call__`."""
    return Pipeline(detector, matting, device, **options)(image, masks=masks, max_side=max_side, progress=progress)


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


def _fit_masks(masks: Any, size: tuple[int, int], working: tuple[int, int]) -> InstanceMasks:
    """Given masks at the working size, each with its source."""
    if isinstance(masks, list | tuple) and not masks:
        masks = torch.zeros(0, *size)
    instances = masks if isinstance(masks, InstanceMasks) else InstanceMasks.from_masks(masks)
    if instances.size != size:
        raise GuidanceError(f"the masks are {instances.size}, the picture is {size} (height, width)")
    if instances.notes and not len(instances):
        raise GuidanceError(f"the masks show nobody ({'; '.join(instances.notes)}); people must be 1, or white")
    if instances.sources is None:
        instances = replace(instances, sources=tuple(range(len(instances))))
    if working == size:
        return instances
    small = resize(instances.masks, working)
    scale = working[0] / size[0]
    heads = None if instances.heads is None else instances.heads * scale
    return replace(instances, masks=small, boxes=mask_boxes(small), heads=heads)


def _with_notes(mattes: InstanceMattes, given: InstanceMasks) -> InstanceMattes:
    """The mattes with remarks on the masks they were made of in their ``info``."""
    lost = [name for name in given.sources or () if name not in (mattes.sources or ())]
    notes = [*given.notes, *([f"{called(lost)} left out: nowhere above one half as a matte"] if lost else [])]
    return replace(mattes, info={**mattes.info, "notes": notes}) if notes else mattes


def _name(part: Any) -> str:
    return str(getattr(part, "name", type(part).__name__))
