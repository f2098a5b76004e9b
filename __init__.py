"""Where ComfyUI finds the pack; the library itself is instmatt_core."""

from __future__ import annotations

from typing import Any

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> Any:
    """The pack's nodes; imported only when ComfyUI asks."""
    from .nodes.extension import InstMattExtension

    return InstMattExtension()
