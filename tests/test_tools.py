"""The tools load, where the packages that they need are installed, and what they compute is right."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from deterministic_weights import deterministic_state
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from instmatt_core.detect.mobile_sam.network import MobileSAM
from instmatt_core.pyramid import EfficientNetLite2
from instmatt_core.weights import read_safetensors
from instmatt_core.weights.check import manifest

TOOLS = Path(__file__).parent.parent / "tools"
MOBILE_SAM = Path(__file__).parent / "detect" / "golden" / "mobile_sam.json"
Load = Callable[..., ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a tool as if it were started, its neighbours at hand; skips where a package is missing."""

    def load(name: str, *packages: str) -> ModuleType:
        for package in packages:
            pytest.importorskip(package)
        path = TOOLS / f"{name}.py"
        monkeypatch.syspath_prepend(path.parent)
        spec = importlib.util.spec_from_file_location(f"tool_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)  # where dataclasses look for it
        spec.loader.exec_module(module)
        return module

    return load


def test_build_comfyui(load: Load) -> None:
    tool = load("build_comfyui")
    assert (tool.ROOT / "requirements.txt").is_file()
    with pytest.raises(subprocess.CalledProcessError):
        tool.run(sys.executable, "-c", "raise SystemExit(1)")


def test_bundle_weights(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, file = load("bundle_weights"), tmp_path / "exported.safetensors"
    kernels = [torch.randn(64, 64, 1, 1).half() for _ in range(2)]
    for kernel, path in zip(kernels, (file, tmp_path / "other.safetensors"), strict=True):
        save_file({"a.weight": kernel, "a.bias": kernel[0, :, 0, 0].clone()}, path, {"system": "people", "step": "3"})
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["", str(file), "people", "--average", str(tmp_path / "other.safetensors"), "--share", "0.75"])
    tool.main()
    made = read_safetensors(tmp_path / "people.safetensors", "people")
    wanted = 0.75 * kernels[0].float() + 0.25 * kernels[1].float()
    torch.testing.assert_close(made["a.weight"], wanted, atol=0.02, rtol=0)
    with safe_open(tmp_path / "people.safetensors", "pt") as made_file:
        notes = made_file.metadata()
    assert notes["step"] == "3"
    assert notes["averaged"] == "0.75 of the weights of this run, the rest of other.safetensors"
    with pytest.raises(SystemExit, match="not the same tensors: b"):
        tool.mixed({}, {"b": torch.zeros(1)}, 0.5)


def test_convert_efficientnet_lite2(load: Load) -> None:
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5, eps=1e-3).eval()
    for part in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        part.uniform_(0.5, 2)
    folded = nn.Conv2d(3, 5, 3)
    folded.weight.data, folded.bias.data = load("convert_efficientnet_lite2").fold(convolution.weight.data, norm.state_dict())
    image = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(folded(image), norm(convolution(image)))


def test_convert_efficientnet_lite2_names(load: Load) -> None:
    """The published names, in the published order, give the backbone's."""
    known = {"expand": ("_expand_conv", "_bn0"), "spatial": ("_depthwise_conv", "_bn1"), "project": ("_project_conv", "_bn2")}
    published, wanted = {}, EfficientNetLite2().state_dict()
    for name, kernel in ((name, value) for name, value in wanted.items() if name.endswith("weight")):
        *block, part, _, _ = name.split(".")
        before = f"_{'.'.join(block)}." if block else ""
        convolution, norm = known[part] if block else ("_conv_stem", "_bn0")
        published[f"{before}{convolution}.weight"] = torch.rand(kernel.shape)
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            published[f"{before}{norm}.{leaf}"] = torch.ones(len(kernel))
    made = load("convert_efficientnet_lite2").convert(published)
    assert {name: value.shape for name, value in made.items()} == {name: value.shape for name, value in wanted.items()}


def test_convert_mobile_sam(load: Load) -> None:
    """The published names and shapes, with deterministic weights: ``logits`` and ``features`` are what the published network makes of
    them, of a picture in which windows are filled up."""
    case = np.load(MOBILE_SAM.with_suffix(".npz"))
    state = load("convert_mobile_sam").convert(deterministic_state(json.loads(MOBILE_SAM.read_text())))
    network = MobileSAM().eval()
    network.load_state_dict(state)
    image = torch.from_numpy(case["image"]).permute(2, 0, 1)[None] / 255
    mask = torch.from_numpy(case["mask"])[None, None] / 255
    others = torch.rand(mask.shape)  # which the published network is not told
    with torch.inference_mode():
        features = network.encoder((image - network.mean) / network.spread)
        logits = network(image, torch.from_numpy(case["box"])[None], torch.cat((mask, others), 1))
    torch.testing.assert_close(features[0, :, ::3, ::3], torch.from_numpy(case["features"]), atol=1e-3, rtol=0)
    torch.testing.assert_close(logits[0], torch.from_numpy(case["logits"]), atol=1e-3, rtol=0)


def test_convert_yolox(load: Load, tmp_path: Path) -> None:
    tool, onnx = load("convert_yolox", "onnx"), pytest.importorskip("onnx")
    kernel, bias = np.random.default_rng(0).random((2, 3, 1, 1), np.float32), np.array([0.5, 1], np.float32)
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in (("b", bias), ("k", kernel))]
    nodes = [onnx.helper.make_node("Conv", ["x", "k", "b"], ["y"]), onnx.helper.make_node("Relu", ["y"], ["z"])]
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, n, 4, 4]) for name, n in (("x", 3), ("z", 2))]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)), str(tmp_path / "m.onnx"))
    ((weight, offset),) = tool.onnx_convolutions(tmp_path / "m.onnx")
    assert np.array_equal(weight.numpy(), kernel)
    assert np.array_equal(offset.numpy(), bias)


def test_draw_example(load: Load) -> None:
    tool = load("draw_example")
    board = tool.chequers(40, 50)
    assert board.shape == (3, 40, 50)
    assert board[0, 0, 0] == board[0, tool.SQUARE, tool.SQUARE] != board[0, 0, tool.SQUARE]


def test_fetch_blazepose(load: Load) -> None:
    assert callable(load("fetch_blazepose").fetch)


def test_make_example(load: Load) -> None:
    wall = load("make_example", "matplotlib", "skimage").backdrop(80, 120)
    assert wall.shape == (3, 80, 120)
    assert 0 < wall.min() < wall.max() < 1


def test_make_manifests(load: Load) -> None:
    made = load("make_manifests").mask_rcnn()
    assert {key: ("float32", tuple(shape)) for key, shape in made.items()} == manifest("mask-rcnn")


def test_prepare_rooms(load: Load) -> None:
    tool = load("prepare_rooms", "OpenEXR")
    light = np.linspace(0, 20, 200)
    assert (np.diff(tool.exposed(light).astype(int)) >= 0).all()
    around = np.zeros((64, 128, 3), np.float32)
    around[:, :64] = 1
    left, right = (tool.view(around, heading, np.random.default_rng(0)) for heading in (-90, 90))
    assert left.shape == right.shape == (tool.SIDE, tool.SIDE, 3)
    assert left[180, 180].min() > right[180, 180].max() == 0


def test_prepare_things(load: Load) -> None:
    tool = load("prepare_things")
    assert tool.is_thing([0x1F34E])  # an apple
    assert not tool.is_thing([0x1F600])  # a face
    assert not tool.is_thing([0x1F44D])  # a hand
    assert not tool.is_thing([0x1F415, 0x200D, 0x1F9BA])  # a dog and something else
    picture = np.full((100, 120, 3), 40, np.uint8)
    picture[30:70, 40:90] = (30, 60, 220)
    thing = tool.cut_out(picture, (0.2, 0.2, 0.9, 0.9))
    assert np.abs(np.array(thing.shape[:2]) - (40, 50)).max() <= 4
    assert (thing[5:-5, 5:-5] == (30, 60, 220, 255)).all()
    assert tool.shrink(picture, 60).shape == (50, 60, 3)
    assert tool.shrink(picture, 200).shape == picture.shape


def test_figures(load: Load) -> None:
    turn = load("figures/body", "anny").turn
    np.testing.assert_allclose(turn(((0, 0, 1), 90), ((1, 0, 0), 90)) @ (1, 0, 0), (0, 0, 1), atol=1e-12)
    skin = load("figures/skin", "anny")
    rgba = np.zeros((6, 8, 4), np.uint8)
    rgba[2:4, 3:5] = (10, 20, 30, 255)
    assert (skin.continued(rgba) == (10, 20, 30)).all()
    draw = load("figures/draw", "anny", "trimesh", "embreex")
    assert draw.sample(rgba[..., :3], np.array([[3.0, 2.0]])) * 255 == pytest.approx(np.array([[10, 20, 30]]))
    assert load("figures/__main__", "anny", "trimesh", "embreex").MARGIN > 0
