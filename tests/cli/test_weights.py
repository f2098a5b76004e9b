"""``instmatt weights`` as a user without a network runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from instmatt_core.cli.main import main
from instmatt_core.weights.catalogue import CATALOGUE


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INSTMATT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("INSTMATT_HUB_REPO", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "home"


def test_the_table_fits_80_columns(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert main(["weights", "list"]) == 0
    table = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert table[0].split() == ["name", "system", "size", "licence", "where", "it", "is"]
    assert [line.split()[0] for line in table[1:]] == list(CATALOGUE)
    assert all(len(line) <= 80 for line in table)
    rows = {line.split()[0]: line for line in table[1:]}
    assert rows["yolox-nano"].rstrip().endswith("package")
    assert rows["instmatt"].rstrip().endswith("not here: convert")
    assert rows["vitmatte-small"].rstrip().endswith("not here: pull")
    (home / "weights").mkdir(parents=True)
    save_file({"a": torch.zeros(1)}, home / "weights" / "sim.safetensors")
    main(["weights", "list"])
    assert next(line for line in capsys.readouterr().out.splitlines() if line.startswith("sim ")).rstrip().endswith("your folder")


def test_all_about_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "e2e-him"]) == 0
    said = capsys.readouterr().out
    for fact in ("70,453,544", "EMSE 5.33", "commercial use: no", "MEGA", "unknown: not verified"):
        assert fact in said


def test_where(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert main(["weights", "where", "yolox-nano"]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()
    assert main(["weights", "where", "mask-rcnn"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "model_final_f10217.pkl" in captured.err
    assert main(["weights", "where"]) == 0
    assert str(home / "weights") in capsys.readouterr().out


def test_verify(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert main(["weights", "verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    bundled = ["yolox-nano", "people", "people-closer", "outline", "instmatt-compact"]
    assert [line.split(":")[0] for line in lines] == bundled
    assert all("sha256 as expected" in line for line in lines)
    (home / "weights").mkdir(parents=True)
    save_file({"a": torch.full((1,), torch.nan)}, home / "weights" / "sim.safetensors")
    assert main(["weights", "verify", "sim", "yolox-nano"]) == 1
    captured = capsys.readouterr()
    assert "NaN or infinity: a" in captured.err
    assert captured.out.startswith("yolox-nano: good")


def test_pull_offline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "pull", "vitmatte-small"]) == 1
    assert "HF_HUB_OFFLINE is set" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="nothing tells a program there that nobody reads on")
def test_nobody_reads_on() -> None:
    with subprocess.Popen([sys.executable, "-m", "instmatt_core.cli.main", "weights", "list"], stdout=subprocess.PIPE) as listing:
        assert listing.stdout is not None
        listing.stdout.close()  # as head does
        assert listing.wait(timeout=60) == 141
