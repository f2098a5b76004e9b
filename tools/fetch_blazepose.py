"""Fetch MediaPipe's published BlazePose files from their packages (needs npm and pip): python tools/fetch_blazepose.py FOLDER"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

NPM = ("@mediapipe/pose@0.5.1675469404", "package/pose_landmark_heavy.tflite")
WHEEL = ("mediapipe==0.10.21", "mediapipe/modules/pose_detection/pose_detection.tflite")


def fetch(folder: Path) -> None:
    """Put both files into ``folder``; ``instmatt weights convert`` says whether they are the known ones."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["npm", "pack", "--silent", NPM[0]], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(scratch).glob("*.tgz"))) as archive:
            member = archive.extractfile(NPM[1])
            assert member is not None
            (folder / Path(NPM[1]).name).write_bytes(member.read())
        # The file is the same in every wheel, so the platform asked for does not matter.
        target = ["--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *target]
        subprocess.run([*pip, "--dest", scratch, WHEEL[0]], check=True)
        with zipfile.ZipFile(next(Path(scratch).glob("mediapipe-*.whl"))) as wheel:
            (folder / Path(WHEEL[1]).name).write_bytes(wheel.read(WHEEL[1]))


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
