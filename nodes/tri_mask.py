"""Tri-Mask: for each person what is sure, what is not, and who else is there."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.guidance import trimaps
from ..instmatt_core.matting.closed_form import ClosedForm
from . import host
from .guides import override, striped
from .show import show
from .tensors import masks as read_masks
from .tensors import pictures
from .values import Guides, People, check_fit

DEFAULTS = ClosedForm()


class TriMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattTriMask",
            display_name="Tri-Mask",
            category="InstMatt",
            description="Marks a band of uncertain pixels round each person, in which the matte is then computed.",
            search_aliases=["trimap", "trimask", "unknown band", "guidance", "hair"],
            inputs=[
                io.Image.Input("image", tooltip="The picture the people were found in"),
                host.PeopleSocket.Input("people", tooltip="From Detect People, Masks to People or Select People"),
                io.Float.Input(
                    "band",
                    default=DEFAULTS.band,
                    min=0.002,
                    max=0.2,
                    step=0.001,
                    round=0.0001,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="Half the width of the uncertain band, as a share of the person's size. Wider for coarse masks or motion blur",
                ),
                io.Float.Input(
                    "hair",
                    default=DEFAULTS.hair,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="Extra width round the head, as a share of the head's radius. Wider for long or flying hair",
                ),
                io.Mask.Input(
                    "painted",
                    optional=True,
                    tooltip="A trimap painted by hand for one person: black background, grey uncertain, white person",
                ),
                io.Int.Input(
                    "painted_person",
                    default=1,
                    min=1,
                    max=100,
                    tooltip="The number of the person that the painted trimap is for, as in the preview of this node",
                ),
            ],
            outputs=[
                host.TriMasksSocket.Output("tri_masks", tooltip="For Matte"),
                io.Mask.Output("trimaps", tooltip="One trimap per person as a batch: 0 background, 0.5 uncertain, 1 person"),
                io.Image.Output("preview", tooltip="The picture with each person coloured, uncertain pixels striped"),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls, image: Tensor, people: People, band: float, hair: float, painted_person: int, painted: Tensor | None = None
    ) -> io.NodeOutput:
        images = pictures(image)
        check_fit(images, people)
        report = host.progress(len(images))
        maps = []
        for i, frame in enumerate(people.frames):
            report(i)
            maps.append(trimaps(frame, band=band, hair=hair))
        guides = Guides(people, tuple(maps))
        if painted is not None:
            guides = override(guides, painted_person - 1, read_masks(painted, people.frames[0].size))
        batch, _ = host.each_and_all(guides.trimaps, people.tracked)
        drawn = striped(images, guides)
        return io.NodeOutput(guides, batch, host.image_out(drawn), ui=show(drawn, guides.people, filled=False))
