"""The adapter against a stand-in for detectron2's documented interface."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from instmatt_core.detect.detectron2 import PAPERS_MODEL, Detectron2
from instmatt_core.errors import UsageError, WeightsError


class Found(SimpleNamespace):
    def to(self, device: str) -> Found:
        return self


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A package of that name which writes down what it is asked, and finds two people and a dog."""
    record = SimpleNamespace(settings=None, image=None, classes=["dog", "person"])

    class Settings(SimpleNamespace):
        def merge_from_file(self, path: str) -> None:
            self.merged = path

    def get_cfg() -> Settings:
        model = SimpleNamespace(WEIGHTS="of the yaml", ROI_HEADS=SimpleNamespace())
        record.settings = Settings(MODEL=model, DATASETS=SimpleNamespace(TRAIN=("coco",)))
        return record.settings

    def get_config_file(name: str) -> str:
        if name != PAPERS_MODEL:
            raise RuntimeError("not available")
        return f"zoo/{name}"

    class Predictor:
        def __init__(self, settings: Settings):
            pass

        def __call__(self, image: np.ndarray) -> dict[str, Any]:
            record.image = image
            masks = torch.zeros(4, *image.shape[:2], dtype=torch.bool)
            masks[0, 10:50, 60:80] = masks[1, 10:50, 5:25] = masks[2, 10:50, 30:50] = masks[3, 10:50, 85:95] = True
            return {
                "instances": Found(pred_masks=masks, pred_classes=torch.tensor([1, 1, 0, 1]), scores=torch.tensor([0.9, 0.8, 0.99, 0.5]))
            }

    parts = {
        "detectron2.model_zoo": {"get_config_file": get_config_file, "get_checkpoint_url": lambda name: f"url of {name}"},
        "detectron2.config": {"get_cfg": get_cfg},
        "detectron2.data": {"MetadataCatalog": {"coco": SimpleNamespace(get=lambda name, default: record.classes)}},
        "detectron2.engine": {"DefaultPredictor": Predictor},
    }
    package = ModuleType("detectron2")
    monkeypatch.setitem(sys.modules, "detectron2", package)
    for name, content in parts.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        setattr(package, name.split(".")[1], module)
        monkeypatch.setitem(sys.modules, name, module)
    return record


def test_people_alone_left_to_right(calls: SimpleNamespace) -> None:
    image = torch.zeros(3, 60, 100)
    image[0] = 1.0  # red
    found = Detectron2()(image)
    assert calls.settings.merged == f"zoo/{PAPERS_MODEL}"
    assert f"url of {PAPERS_MODEL}" == calls.settings.MODEL.WEIGHTS
    assert calls.settings.MODEL.DEVICE == "cpu"
    assert calls.image[0, 0].tolist() == [0, 0, 255]  # BGR
    torch.testing.assert_close(found.scores, torch.tensor([0.8, 0.9]))
    assert found.boxes[:, 0].tolist() == [5, 60]


def test_own_files(calls: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").touch()
    Detectron2(tmp_path / "mine.yaml", min_score=0.5)
    assert calls.settings.merged == str(tmp_path / "mine.yaml")
    assert calls.settings.MODEL.WEIGHTS == "of the yaml"
    assert calls.settings.MODEL.ROI_HEADS.SCORE_THRESH_TEST == 0.5
    Detectron2(weights=tmp_path / "mine.pth")
    assert str(tmp_path / "mine.pth") == calls.settings.MODEL.WEIGHTS


def test_what_is_wrong_is_said(calls: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml"):
        Detectron2("nowhere.yaml")
    calls.classes = ["dog"]
    with pytest.raises(WeightsError, match="no class called person"):
        Detectron2()
    monkeypatch.setitem(sys.modules, "detectron2", None)
    with pytest.raises(UsageError, match="the detector mask-rcnn"):
        Detectron2()
