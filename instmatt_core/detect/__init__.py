"""Detectors: picture in, :class:`~instmatt_core.instances.InstanceMasks` out. One module or folder each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """What a user needs to know of a detector before choosing it."""

    name: str
    what: str
    needs: str
    licence: str


ABOUT = (
    About(
        "ensemble",
        "people says who is there, MobileSAM draws everybody's outline again",
        "nothing: in the package, works offline",
        "Apache-2.0",
    ),
    About(
        "people",
        "YOLOX-Nano's boxes, masks by this project's own networks; in little more than half the time",
        "nothing: in the package, works offline",
        "Apache-2.0",
    ),
    About(
        "mask-rcnn",
        "Mask R-CNN R50-FPN 3x, as InstMatt's paper has it; COCO mask AP 37",
        "its weights, once: instmatt weights list mask-rcnn",
        "code Apache-2.0, weights CC BY-SA 3.0",
    ),
    About(
        "rf-detr-seg",
        "RF-DETR-Seg medium; COCO mask AP 45, its authors' figure",
        'pip install ".[detectors]" where this project lies; its weights: instmatt weights list rf-detr-seg-medium',
        "Apache-2.0",
    ),
    About(
        "blazepose",
        "MediaPipe's BlazePose, for several people; misses many in crowds, says where heads are",
        "its weights, once: instmatt weights list blazepose-detector blazepose-landmarks",
        "Apache-2.0",
    ),
    About(
        "detectron2",
        "the paper's model by detectron2 itself; from Python any of its models",
        "detectron2, built for your torch; it downloads its own weights",
        "code Apache-2.0, weights CC BY-SA 3.0",
    ),
)


def table() -> str:
    """All detectors as text, one paragraph each."""
    from ..command import command

    needs = [d.needs.replace("instmatt weights", f"{command()} weights") for d in ABOUT]
    paragraphs = [f"{d.name}\n    {d.what}\n    needs: {need}\n    licence: {d.licence}" for d, need in zip(ABOUT, needs, strict=True)]
    return "\n".join([*paragraphs, "Instead of a detector: --masks DIR, one grey PNG per person."])
