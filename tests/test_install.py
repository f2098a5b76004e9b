"""``install.py`` explains, whatever it finds, in five lines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TITLES = ["Python", "torch", "packages", "weights", "works"]


def run(script: Path, *options: str, encoding: str = "utf-8") -> tuple[int, list[str]]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    result = subprocess.run([sys.executable, *options, str(script)], encoding=encoding, capture_output=True, timeout=300, env=environment)
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["[instmatt]", title] for title in TITLES]
    return result.returncode, lines


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of what it looks at."""
    bundled = Path("instmatt_core") / "weights" / "bundled"
    shutil.copytree(ROOT / bundled, tmp_path / bundled, ignore=shutil.ignore_patterns("__pycache__"))
    return Path(shutil.copy(ROOT / "install.py", tmp_path))


def test_all_is_well(pack: Path) -> None:
    before = sorted(pack.parent.rglob("*"))
    status, lines = run(pack)
    assert status == 0
    assert "all there" in lines[2]
    assert "finding people and matting them" in lines[4]
    assert run(pack) == (status, lines)
    assert sorted(pack.parent.rglob("*")) == before


def test_a_bare_python_has_nothing_and_is_told_so(pack: Path) -> None:
    status, lines = run(pack, "-I", "-S")
    assert status == 1
    assert "torch    missing" in lines[1]
    assert "numpy missing; " in lines[2]
    assert ": pip install numpy scipy opencv-contrib-python-headless " in lines[2]
    assert "nothing yet" in lines[4]


def test_one_package_is_missing_or_broken(pack: Path) -> None:
    (pack.parent / "pymatting.py").write_text("raise ImportError('DLL load failed')\n")
    (pack.parent / "rich.py").write_text("import nothing_of_that_name\n")
    status, lines = run(pack, "-B")
    assert status == 0
    assert "pymatting broken (DLL load failed); rich broken (No module named 'nothing_of_that_name')" in lines[2]
    assert "nothing yet" in lines[4]


def test_a_folder_whose_name_the_console_cannot_show(pack: Path) -> None:
    folder = pack.parent / "用户 Łukasz"
    folder.mkdir()
    shutil.copytree(pack.parent / "instmatt_core", folder / "instmatt_core")
    status, lines = run(Path(shutil.copy(pack, folder)), encoding="cp1252")
    assert status == 0
    assert "\\u7528" in lines[4]


@pytest.mark.parametrize("damage", ["gone", "cut", "noise"])
def test_bundled_weights_are_damaged(pack: Path, damage: str) -> None:
    path = pack.parent / "instmatt_core/weights/bundled/outline.safetensors"
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "cut" else b"\xff" * 100)
    status, lines = run(pack)
    assert status == 1
    assert "outline.safetensors is " + ("cut short" if damage == "cut" else "missing or damaged") in lines[3]
