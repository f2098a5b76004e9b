"""Select People: some of the people, by number, place, size, score or boxes."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.errors import UsageError
from . import host
from .choice import OVERLAP, RULES, choose
from .show import show
from .tensors import pictures, read_boxes
from .values import Mattes, People, check_fit, count, only
from .wording import people as read_people


class SelectPeople(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        either = io.MatchType.Template("people", [host.PeopleSocket, host.MattesSocket])
        return io.Schema(
            node_id="InstMattSelectPeople",
            display_name="Select People",
            category="InstMatt",
            description="Passes on some of the people. Click a person in the preview to add or remove them.",
            search_aliases=["pick person", "filter people", "choose person", "index", "largest person"],
            inputs=[
                io.MatchType.Input("people", either, tooltip="People or mattes"),
                io.Combo.Input("rule", options=RULES, tooltip="How people are chosen. A click in the preview sets this to numbers"),
                io.String.Input(
                    "numbers",
                    default="all",
                    tooltip='For the rule "numbers": 1, 3-5 or all but 2 or none. Numbers are those of the preview, left to right',
                ),
                io.Int.Input("amount", default=1, min=1, max=100, tooltip="For the other rules: how many people at most"),
                io.Boolean.Input("invert", default=False, tooltip="Pass on all but those chosen"),
                io.BoundingBox.Input(
                    "boxes", optional=True, force_input=True, tooltip=f'For the rule "{OVERLAP}": people whose boxes overlap these most'
                ),
                io.Image.Input("image", optional=True, tooltip="The picture to show in the preview; it changes nothing else"),
            ],
            outputs=[
                io.MatchType.Output(either, id="selected", tooltip="Those chosen, in the same order"),
                io.Mask.Output("masks", tooltip="One mask or matte per chosen person, as a batch; without any, what follows is skipped"),
                io.Int.Output("count", tooltip="How many were chosen"),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(cls, numbers: str | None = None) -> bool | str:
        try:
            read_people(numbers or "")  # None: linked to another node, and read when it runs
        except UsageError as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls,
        people: Any,
        rule: str,
        numbers: str,
        amount: int,
        invert: bool,
        boxes: Any = None,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        images = blank(people) if image is None else pictures(image)
        check_fit(images, people)
        given = None if boxes is None or rule != OVERLAP else read_boxes(boxes, len(people.frames))
        chosen = choose(people, rule, numbers=numbers, amount=amount, invert=invert, boxes=given)
        selected = only(people, lambda i: chosen[i])
        batch, _ = host.each_and_all(selected.maps, selected.tracked)
        return io.NodeOutput(selected, batch, count(selected), ui=show(images, people, chosen=chosen))


def blank(people: People | Mattes) -> list[Tensor]:
    """Dark pictures to draw the people on."""
    return [torch.full((3, *frame.size), 0.12) for frame in people.frames]
