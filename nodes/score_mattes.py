"""Score Mattes: how good mattes are, where the truth is known."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.errors import UsageError
from . import host
from .scores import score_people, table
from .tensors import masks as read_masks
from .values import Mattes, truth_of


class ScoreMattes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattScoreMattes",
            display_name="Score Mattes",
            category="InstMatt",
            description="Compares mattes with true ones: instance matting quality (IMQ), and the mean errors of the people found.",
            search_aliases=["imq", "evaluate", "benchmark", "sad", "mse", "metric"],
            is_output_node=True,
            inputs=[
                host.MattesSocket.Input("mattes", tooltip="The mattes to score"),
                io.Mask.Input(
                    "truth",
                    tooltip="The true mattes, one per person; for a tracked video person after person; for several photos the people of "
                    "each in turn, as many in each",
                ),
            ],
            outputs=[
                io.Float.Output("imq", tooltip="IMQ from MAD at IoU 0.5, in percent; 100 is perfect"),
                io.Float.Output("sad", tooltip="Sum of absolute differences, in thousands, mean over the people found"),
                io.Float.Output("mad", tooltip="Mean absolute difference, mean over the people found"),
                io.Float.Output("mse", tooltip="Mean squared error, mean over the people found"),
                io.Float.Output("grad", tooltip="Gradient error, in thousands, mean over the people found"),
                io.Float.Output("conn", tooltip="Connectivity error, in thousands, mean over the people found"),
                io.String.Output("table", tooltip="All of it, readable"),
            ],
        )

    @classmethod
    def execute(cls, mattes: Mattes, truth: Tensor) -> io.NodeOutput:
        sizes = {frame.size for frame in mattes.frames}
        if len(sizes) != 1:
            raise UsageError("mattes to score must be of one size")
        true = truth_of(mattes, read_masks(truth, sizes.pop()))
        scores = score_people(mattes.maps, true)
        text = table(scores)
        errors = [scores.errors[name] for name in ("sad", "mad", "mse", "grad", "conn")]
        return io.NodeOutput(scores.imq["mad"], *errors, text, ui={"text": (text,)})
