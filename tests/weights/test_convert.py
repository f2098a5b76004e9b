"""Authors' formats in, safetensors out; and files that try something."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from instmatt_core import __version__
from instmatt_core.cli.main import main
from instmatt_core.errors import WeightsError
from instmatt_core.weights import load_weights
from instmatt_core.weights.check import manifest, systems, verify_file
from instmatt_core.weights.convert import convert

from . import made_up


@pytest.mark.parametrize("system", ["instmatt", "e2e-him", "sim", "sim-classifier", "mask-rcnn", "pose-detector"])
def test_every_system_is_recognised(system: str, tmp_path: Path) -> None:
    source, state = made_up.write(system, tmp_path)
    made = convert(source, tmp_path / "new" / "out.safetensors")
    assert (made.system, made.tensors) == (system, len(state))
    tensors = load_file(made.path)
    assert tensors.keys() == state.keys()
    assert all(torch.equal(tensors[key], state[key]) and tensors[key].dtype == state[key].dtype for key in state)
    with safe_open(made.path, "pt") as file:
        metadata = file.metadata()
    assert metadata["system"] == system
    assert metadata["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert metadata["source_file"] == source.name
    assert metadata["converter"] == f"instmatt {__version__}"
    licences = {"e2e-him": "non-commercial", "instmatt": "none stated", "mask-rcnn": "CC BY-SA 3.0", "pose-detector": "Apache-2.0"}
    assert metadata["licence"] == licences.get(system, "unknown")
    assert len(metadata["date"]) == len("2026-01-31")
    assert metadata["architecture"]
    assert f"keys and shapes of {system}" in verify_file(made.path)
    assert load_weights(made.path, system=system).keys() == state.keys()
    assert [path.name for path in made.path.parent.iterdir()] == ["out.safetensors"]


def test_the_systems_are_those_that_have_a_list() -> None:
    assert systems() == ["e2e-him", "instmatt", "mask-rcnn", "pose-detector", "pose-landmarks", "sim", "sim-classifier"]
    assert {system: len(manifest(system)) for system in systems()} == {
        "e2e-him": 649,
        "instmatt": 604,
        "mask-rcnn": 307,
        "pose-detector": 146,
        "pose-landmarks": 392,
        "sim": 410,
        "sim-classifier": 320,
    }


def test_what_torch_wrote_before_zip_files(tmp_path: Path) -> None:
    source, _ = made_up.write("sim-classifier", tmp_path, old_torch=True)
    assert convert(source, tmp_path / "out.safetensors").system == "sim-classifier"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_form_of_numpy_pickle(protocol: int, tmp_path: Path) -> None:
    source, _ = made_up.write("mask-rcnn", tmp_path, protocol=protocol)
    made = convert(source, tmp_path / "out.safetensors")
    assert made.system == "mask-rcnn"
    assert "not the file that the catalogue knows" in made.notes[0]


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    state = {key: value.half() if value.is_floating_point() else value.int() for key, value in made_up.state_of("sim-classifier").items()}
    torch.save(state, tmp_path / "a.pth")
    made = convert(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert {str(value.dtype) for value in load_file(made.path).values()} == {"torch.float32", "torch.int64"}


def test_all_that_differs_is_listed(tmp_path: Path) -> None:
    state = made_up.state_of("instmatt")
    missing = [key for key in state if key.startswith("refiner.")]
    for key in missing:
        del state[key]
    state["extra.one"] = state["extra.two"] = torch.zeros(1)
    state["encoder.conv1.module.weight_u"] = torch.zeros(33)
    torch.save({"state_dict": state}, tmp_path / "a.pth")
    with pytest.raises(WeightsError) as caught:
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors")
    said = str(caught.value).splitlines()
    assert f"not weights of instmatt, {len(missing) + 3} tensors differ" in said[0]
    expected = {f"missing {key}" for key in missing} | {"unexpected extra.one", "unexpected extra.two"}
    assert {line.strip() for line in said[1:]} == expected | {"encoder.conv1.module.weight_u is (33,) instead of (32,)"}
    assert not (tmp_path / "a.safetensors").exists()


def test_a_network_nobody_knows(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"not recognised; 1 tensors, such as a\.weight"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"unexpected a\.weight"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors", system="sim")
    with pytest.raises(WeightsError, match="there is one for"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors", system="vgg")


def test_spoiled_values(tmp_path: Path) -> None:
    state = made_up.state_of("sim")
    state["encoder.conv1.weight"][0, 0, 0, 0] = float("nan")
    torch.save({"state_dict": state}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"NaN or infinity: encoder\.conv1\.weight;"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors")


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    source, _ = made_up.write("sim-classifier", tmp_path)
    (tmp_path / "out.safetensors").write_text("mine")
    with pytest.raises(WeightsError, match="--overwrite"):
        convert(source, tmp_path / "out.safetensors")
    assert (tmp_path / "out.safetensors").read_text() == "mine"
    assert convert(source, tmp_path / "out.safetensors", overwrite=True).tensors == 320
    with pytest.raises(WeightsError, match=r"must end in \.safetensors"):
        convert(source, tmp_path / "out.pth")
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match="cannot be written"):
        convert(source, tmp_path / "file" / "out.safetensors")


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><title>Google Drive</title>", b"\x80\x02", b"PK\x03\x04 cut"])
def test_a_download_that_went_wrong(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"a\.pth: (neither|refused)"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="cannot be read"):
        convert(tmp_path / "gone.pth", tmp_path / "a.safetensors")


def test_half_a_download(tmp_path: Path) -> None:
    for system in ("sim-classifier", "mask-rcnn"):
        source, _ = made_up.write(system, tmp_path)
        source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
        with pytest.raises(WeightsError, match=source.name):
            convert(source, tmp_path / "a.safetensors")


@pytest.mark.parametrize("content", [b"\x1c\0\0\0TFL3", b"\x1c\0\0\0TFL3" + b"\xff" * 200, b"\x08\0\0\0TFL3" + bytes(200)])
def test_damaged_tensorflow_lite_files(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("tflite")
    (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(WeightsError, match=r"a\.tflite: (damaged|0 convolutions)"):
        convert(tmp_path / "a.tflite", tmp_path / "a.safetensors")


def test_tensorflow_lite_files_need_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite", None)
    (tmp_path / "a.tflite").write_bytes(b"\x1c\0\0\0TFL3")
    with pytest.raises(WeightsError, match="pip install tflite"):
        convert(tmp_path / "a.tflite", tmp_path / "a.safetensors")


class Exploit:
    """Pickled, a command that runs as soon as the file is loaded carelessly."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f'"{sys.executable}" -c "open({str(self.mark)!r}, \'w\').close()"',)


def test_the_exploit_works_on_the_careless(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Exploit(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("form", ["torch", "old torch", "pickle"])
def test_an_exploit_is_refused_and_not_run(form: str, tmp_path: Path) -> None:
    array = np.zeros(3) if form == "pickle" else torch.zeros(3)
    held = {"model": {"a": array}, "note": Exploit(tmp_path / "mark")}
    if form == "pickle":
        (tmp_path / "a.pth").write_bytes(pickle.dumps(held))
    else:
        torch.save(held, tmp_path / "a.pth", _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(WeightsError, match=r"refused.* (posix|nt)\.system.*nothing of it was run"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert not (tmp_path / "mark").exists()


def test_convert_says_what_it_made(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, _ = made_up.write("sim-classifier", tmp_path)
    out = tmp_path / "c.safetensors"
    assert main(["weights", "convert", str(source), str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}: 320 tensors of sim-classifier\n"
    assert "no checksum" in captured.err
    assert main(["weights", "convert", str(source), str(out)]) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_an_old_torch_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({}, tmp_path / "a.pth")
    monkeypatch.setattr(torch, "__version__", "2.5.1")
    with pytest.raises(WeightsError, match=r"needs torch 2\.6 or later"):
        convert(tmp_path / "a.pth", tmp_path / "a.safetensors")


def test_what_detectron2_computes_and_stores_all_the_same_is_left_out(tmp_path: Path) -> None:
    source, state = made_up.write("mask-rcnn", tmp_path)
    held = pickle.loads(source.read_bytes())
    held["model"] |= {f"proposal_generator.anchor_generator.cell_anchors.{i}": np.zeros((3, 4), np.float32) for i in range(5)}
    source.write_bytes(pickle.dumps(held))
    assert convert(source, tmp_path / "out.safetensors").tensors == len(state)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_torch_file_cut_short(tmp_path: Path, share: float) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "whole.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match="damaged"):
        convert(tmp_path / "cut.pth", tmp_path / "out.safetensors")
