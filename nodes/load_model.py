"""Load Matting Model: the pack's own network, or weights of a published system."""

from __future__ import annotations

from comfy_api.latest import io

from ..instmatt_core.errors import UsageError
from . import host, models

AUTO = "auto"


class LoadMattingModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattLoadMattingModel",
            display_name="Load Matting Model",
            category="InstMatt",
            description="The pack's own matting network, or weights of InstMatt, SIM or E2E-HIM. Matte works without it, too.",
            search_aliases=["instmatt model", "sim model", "e2e-him model", "matting checkpoint", "safetensors"],
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=models.choices(),
                    tooltip="Known weights, then files in models/instmatt. Authors' checkpoints are converted once: see this node's help",
                ),
                io.Combo.Input(
                    "system",
                    options=[AUTO, *models.SYSTEMS],
                    tooltip="The network of a file that does not say it; converted files and known weights do",
                    advanced=True,
                ),
            ],
            outputs=[
                host.ModelSocket.Output(
                    "model",
                    tooltip="For Matte and Matte People (InstMatt, SIM), Refine (SIM, InstMatt with refiner) or End-to-End Matte (E2E-HIM)",
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, weights: str, system: str) -> str:
        return models.fingerprint(weights)

    @classmethod
    def execute(cls, weights: str, system: str) -> io.NodeOutput:
        known = models.system_of(weights)
        if known is None and system == AUTO:
            raise UsageError(f"{weights} does not say which network it is for; choose one in system")
        return io.NodeOutput(models.load(weights, known or system, host.progress()(0)))
