"""Masks to People: masks or boxes from any other node in, people out."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.detect.boxes import masks_in_boxes
from ..instmatt_core.errors import ImageError, UsageError
from ..instmatt_core.instances import InstanceMasks
from ..instmatt_core.tracking import track as track_people
from . import host, models
from .detect_people import PEOPLE_OUTPUTS, outputs
from .tensors import masks as read_masks
from .tensors import pictures, read_boxes
from .values import People, numbered, people_of_masks


class MasksToPeople(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattMasksToPeople",
            display_name="Masks to People",
            category="InstMatt",
            description="Takes one mask per person from SAM3, Impact Pack, a painted mask or any other node, or boxes from RT-DETR.",
            search_aliases=["sam3", "rt-detr", "impact pack", "mask to instances", "bounding box to mask", "split mask"],
            is_input_list=True,
            inputs=[
                io.Image.Input("image", tooltip="The picture that the masks or boxes belong to"),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="One mask per person, as a batch or a list, of any size. For a video: a list with a batch for each person",
                ),
                io.BoundingBox.Input(
                    "boxes", optional=True, force_input=True, tooltip="Boxes of people; the person in each is cut out of the picture"
                ),
                io.Boolean.Input(
                    "split",
                    default=False,
                    tooltip="Every separate piece of a mask is a person: for one painted or semantic mask of several people",
                ),
                io.Boolean.Input("track", default=False, tooltip="For video: a person keeps number and colour from frame to frame"),
            ],
            outputs=PEOPLE_OUTPUTS,
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls, image: list[Tensor], split: list[bool], track: list[bool], masks: list[Tensor] | None = None, boxes: list[Any] | None = None
    ) -> io.NodeOutput:
        images = [picture for batch in image for picture in pictures(batch)]
        if (masks is None) == (boxes is None):
            raise UsageError("connect either masks or boxes")
        if len({picture.shape for picture in images}) > 1:
            raise ImageError("the pictures differ in size; resize them to one, or send them one at a time")
        if masks is not None:
            size = (images[0].shape[1], images[0].shape[2])
            read = [read_masks(mask, size) for mask in masks] or [torch.zeros(len(images), *size)]
            parts = people_of_masks(read, len(images), track[0])
            frames = [InstanceMasks.from_masks(pieces(part) if split[0] else part) for part in parts]
        else:
            assert boxes is not None
            find = models.detector(models.detectors()[0]).loaded()
            report = host.progress(len(images))
            per_picture = read_boxes(boxes[0] if len(boxes) == 1 else boxes, len(images))
            pairs = enumerate(zip(images, per_picture, strict=True))
            frames = [masks_in_boxes(picture, inside, find, find.closer, report(i)) for i, (picture, inside) in pairs]
        return outputs(images, People(numbered(track_people(frames) if track[0] else frames), tracked=track[0]))


def pieces(masks: Tensor, speck: float = 0.02) -> Tensor:
    """The separate pieces of masks ``(K, H, W)``, each a mask of its own; those smaller than ``speck`` of the largest are left out."""
    import cv2

    found = []
    for mask in masks:
        total, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 0.5).to(torch.uint8).numpy(), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        for label in range(1, total):
            if areas[label - 1] >= speck * areas.max():
                found.append(mask * torch.from_numpy(labels == label))
    return torch.stack(found) if found else masks[:0]
