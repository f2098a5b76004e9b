"""What to type for our command line, for messages that tell what to do."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def command() -> str:
    """ "instmatt" where it is installed; elsewhere, as in ComfyUI, this Python and the package's folder."""
    try:
        version("instmatt")
    except PackageNotFoundError:
        return " ".join(f'"{path}"' if " " in path else path for path in (sys.executable, str(Path(__file__).parent)))
    return "instmatt"
