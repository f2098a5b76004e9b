"""The list of nodes that ComfyUI asks for."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import models
from .composite import Composite
from .detect_people import DetectPeople
from .end_to_end import EndToEndMatte
from .load_model import LoadMattingModel
from .masks_to_people import MasksToPeople
from .matte import Matte
from .matte_people import MattePeople
from .refine import Refine
from .score_mattes import ScoreMattes
from .select_people import SelectPeople
from .tri_mask import TriMask

NODES: list[type[io.ComfyNode]] = [
    MattePeople,
    LoadMattingModel,
    DetectPeople,
    MasksToPeople,
    SelectPeople,
    TriMask,
    Matte,
    Refine,
    EndToEndMatte,
    Composite,
    ScoreMattes,
]


class InstMattExtension(ComfyExtension):
    async def on_load(self) -> None:
        models.register_folder()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
