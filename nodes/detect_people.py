"""Detect People: pictures in, one mask per person out."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.compositing import overlay
from ..instmatt_core.instances import InstanceMattes
from ..instmatt_core.tracking import track as track_people
from . import host, models
from .show import show
from .tensors import boxes_of, pictures
from .values import People, count, numbered, numbers


def find_people(images: list[Tensor], detector: str, *, track: bool, max_people: int) -> People:
    """The people of each picture, tracked from one to the next if wished."""
    find = models.detector(detector).loaded()
    find.max_people = max_people
    report = host.progress(len(images))
    frames = [find(image, report(i)) for i, image in enumerate(images)]
    return People(numbered(track_people(frames) if track else frames), tracked=track)


def overlays(images: list[Tensor], maps: list[Tensor], people: Any) -> list[Tensor]:
    """Each picture with its people coloured and numbered."""
    return [
        overlay(image, InstanceMattes(plane, frame.boxes, frame.scores), numbers(frame))
        for image, plane, frame in zip(images, maps, people.frames, strict=True)
    ]


def outputs(images: list[Tensor], people: People) -> io.NodeOutput:
    """People as the outputs that Detect People and Masks to People share."""
    boxes = boxes_of([frame.boxes for frame in people.frames], [frame.scores for frame in people.frames])
    batch, listed = host.each_and_all(people.maps, people.tracked)
    preview = host.image_out(overlays(images, people.maps, people))
    return io.NodeOutput(people, batch, listed, boxes, count(people), preview, ui=show(images, people))


PEOPLE_OUTPUTS = [
    host.PeopleSocket.Output("people", tooltip="Everyone found, for Select People and Tri-Mask"),
    io.Mask.Output("masks", tooltip="One mask per person, as a batch. With nobody in the picture, what follows is skipped"),
    io.Mask.Output("mask_list", tooltip="One mask per person, as a list: nodes after it run once for each person", is_output_list=True),
    io.BoundingBox.Output("boxes", tooltip="One box per person, for each picture"),
    io.Int.Output("count", tooltip="How many people (in a tracked video: how many different people)"),
    io.Image.Output("preview", tooltip="The picture with each person coloured and numbered"),
]


class DetectPeople(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattDetectPeople",
            display_name="Detect People",
            category="InstMatt",
            description="Finds every person in a picture: one mask for each, left to right. The default detector is part of the pack.",
            search_aliases=["person detection", "segment people", "instance segmentation", "human mask", "blazepose"],
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="One picture, several photos, or the frames of a video"),
                io.Combo.Input("detector", options=models.detectors(), tooltip="Which detector looks for people"),
                io.Int.Input("max_people", default=20, min=1, max=100, tooltip="Keep at most this many per picture, the surest"),
                io.Boolean.Input(
                    "track",
                    default=False,
                    tooltip="For video: a person keeps number and colour from frame to frame, also after a few frames out of sight",
                ),
            ],
            outputs=PEOPLE_OUTPUTS,
        )

    @classmethod
    def execute(cls, image: Tensor, detector: str, max_people: int, track: bool) -> io.NodeOutput:
        images = pictures(image)
        return outputs(images, find_people(images, detector, track=track, max_people=max_people))
