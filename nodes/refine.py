"""Refine: mattes from anywhere, corrected."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.matting.cleanup import clean_edges
from ..instmatt_core.matting.closed_form import solve_trimaps
from . import host, models
from .matte import MATTE_OUTPUTS, outputs, solver
from .tensors import pictures
from .values import Mattes, check_fit


class Refine(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattRefine",
            display_name="Refine Mattes",
            category="InstMatt",
            description="Corrects mattes: everyone's together with InstMatt, in fine detail with SIM; soft edges are solved again.",
            search_aliases=["refine matte", "clean edges", "defringe", "multi-instance refinement", "remove specks"],
            inputs=[
                io.Image.Input("image", tooltip="The picture that the mattes belong to"),
                host.MattesSocket.Input("mattes", tooltip="From Matte, End-to-End Matte or Matte People"),
                host.ModelSocket.Input(
                    "model",
                    optional=True,
                    tooltip="InstMatt with its refiner (not instmatt-compact): people correct each other first. SIM: it solves the edges",
                ),
                io.Int.Input(
                    "edge",
                    default=3,
                    min=0,
                    max=64,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="Soft edges are widened by this many px and solved again from the picture's colours; 0 leaves them",
                ),
                io.Float.Input(
                    "specks",
                    default=0.01,
                    min=0.0,
                    max=1.0,
                    step=0.005,
                    tooltip="Separate pieces smaller than this share of the largest are removed; 1 keeps only the largest",
                ),
            ],
            outputs=MATTE_OUTPUTS,
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, image: Tensor, mattes: Mattes, edge: int, specks: float, model: models.Managed | None = None) -> io.NodeOutput:
        images = pictures(image)
        check_fit(images, mattes)
        system = None if model is None else model.for_job(models.REFINE)
        solve = solver(system)
        passes = 1 if solve else 2
        report = host.progress(passes * len(images))
        alphas = []
        for i, (picture, frame) in enumerate(zip(images, mattes.frames, strict=True)):
            alpha = frame.alphas if solve else system.refine_mattes(picture, frame.alphas, report(passes * i))
            step = report(passes * (i + 1) - 1)
            alphas.append(clean_edges(picture, alpha, band=edge, speck=specks, solve=solve or solve_trimaps, progress=step))
        how = {} if system is None else {"refined_by": system.name}
        source = mattes.frames[0].info if mattes.frames else {}
        return outputs(images, Mattes.of(alphas, mattes, {**source, **how, "edge": edge, "specks": specks}))
