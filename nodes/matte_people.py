"""Matte People: everything in one node."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.guidance import trimaps
from ..instmatt_core.matting.closed_form import ClosedForm
from . import host, models
from .composite import cut_out
from .detect_people import find_people, overlays
from .matte import matte_people
from .show import show
from .tensors import pictures
from .values import Guides, count


class MattePeople(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattMattePeople",
            display_name="Matte People",
            category="InstMatt",
            description="Cuts out each person of a picture. All steps in one node, with settings that suit most pictures.",
            search_aliases=["cut out people", "remove background", "person cutout", "instance matting", "rembg"],
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="One picture, several photos, or the frames of a video"),
                io.Boolean.Input("track", default=False, tooltip="For video: a person keeps number and colour from frame to frame"),
                host.ModelSocket.Input("model", optional=True, tooltip="An InstMatt or SIM model; left open, the pack's own is used"),
            ],
            outputs=[
                host.MattesSocket.Output("mattes", tooltip="One alpha matte per person"),
                io.Image.Output(
                    "cutouts", tooltip="Each person as RGBA with clean edges, as a batch; with nobody there, what follows is skipped"
                ),
                io.Image.Output("cutout_list", tooltip="The cut-outs as a list, one item per person", is_output_list=True),
                io.Mask.Output("masks", tooltip="One matte per person, as a batch"),
                io.Image.Output("overlay", tooltip="The picture with each person coloured and numbered"),
                io.Int.Output("count", tooltip="How many people"),
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, track: bool, model: models.Managed | None = None) -> io.NodeOutput:
        images = pictures(image)
        people = find_people(images, models.detectors()[0], track=track, max_people=20)
        defaults = ClosedForm()
        guides = Guides(people, tuple(trimaps(frame, band=defaults.band, hair=defaults.hair) for frame in people.frames))
        mattes = matte_people(images, guides, model or models.bundled())
        report = host.progress(len(images))
        frames = [cut_out(image, frame.alphas, report(i)) for i, (image, frame) in enumerate(zip(images, mattes.frames, strict=True))]
        cutouts, listed = host.each_and_all(frames, mattes.tracked)
        masks, _ = host.each_and_all(mattes.maps, mattes.tracked)
        drawn = host.image_out(overlays(images, mattes.maps, mattes))
        return io.NodeOutput(mattes, cutouts, listed, masks, drawn, count(mattes), ui=show(images, mattes))
