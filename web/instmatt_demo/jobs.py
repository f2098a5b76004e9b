"""Long work in Gradio: off the event loop, one at a time, with progress, cancelled from outside, its errors made friendly."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from instmatt_core.errors import InstMattError, out_of_memory
from instmatt_core.progress import Progress

T = TypeVar("T")

# What every event that computes is registered with: one job at a time, whichever it is.
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}


async def run(work: Callable[[Progress], T], bar: gr.Progress, *hidden: Path | str) -> T:
    """Do ``work(progress)`` in a thread; when Gradio cancels the event, the work's next report stops it.

    Only then does this end, so that a cancelled job never overlaps the next one.

    Args:
        bar: shows what the work reports.
        hidden: folders of the server that a message must not show; what is below them is named without them.

    Raises:
        gr.Error: what went wrong, in the library's own words.
    """
    stop = threading.Event()

    def report(stage: str, share: float) -> bool:
        bar(share, desc=stage)
        return not stop.is_set()

    task = asyncio.create_task(asyncio.to_thread(work, report))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([task])
        task.exception()  # Cancelled, which nobody is left to hear of
        raise
    except InstMattError as error:
        raise friendly(error, *hidden) from error
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise gr.Error("There is not enough memory for this. Choose a smaller working size.", print_exception=False) from error


def friendly(error: InstMattError, *hidden: Path | str) -> gr.Error:
    """The error as the page shows it."""
    message = public(str(error))
    for folder in hidden:
        message = message.replace(f"{folder}/", "").replace(f"{folder}\\", "").replace(str(folder), "upload")
    return gr.Error(message, print_exception=False, duration=20)


def public(message: str) -> str:
    """The message without the name of the user whose server this is; its commands stay as they must be typed."""
    home = Path.home()
    return message if home == Path(home.anchor) else message.replace(str(home), "$HOME")
