"""``instmatt data check`` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from miniatures import make_him2k, picture

from instmatt_core.cli.main import main


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_him2k(tmp_path)
    assert main(["data", "check", str(tmp_path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{tmp_path}: him2k, ")
    assert out[1:] == [
        "  comp: 1 pictures, 1 alphas",
        "  natural: 2 pictures, 3 alphas",
        "  masks: masks_matched_r101, masks_matched_r50",
        "no problems",
    ]


def test_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_him2k(tmp_path)
    (tmp_path / "alphas/natural/a/note.png").touch()
    assert main(["data", "check", str(tmp_path)]) == 0, "a remark leaves nothing out"
    for k in range(5):
        picture(tmp_path / f"images/natural/{k}.jpg")
    capsys.readouterr()
    assert main(["data", "check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "5 x picture without alphas (left out)" in out
    assert "and 2 more" in out
    assert main(["data", "check", str(tmp_path), "--all"]) == 1
    assert str(tmp_path / "images/natural/4.jpg") in capsys.readouterr().out
    assert main(["data", "check", str(tmp_path), "--strict"]) == 1
    assert "has problems" in capsys.readouterr().err
    assert main(["data", "check", str(tmp_path / "masks_matched_r50")]) == 1
    assert "Looked for" in capsys.readouterr().err
