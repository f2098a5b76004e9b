"""RF-DETR with a tiny random network: what is around the model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from instmatt_core.detect.rf_detr import MEAN, STD, RfDetr, prepare
from instmatt_core.errors import UsageError, WeightsError

transformers = pytest.importorskip("transformers", minversion="5.17")


def tiny(classes: dict[int, str]) -> Any:
    backbone = {"model_type": "rf_detr_dinov2", "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "patch_size": 8}
    backbone |= {"image_size": 64, "num_windows": 2, "out_features": ["stage2", "stage4"]}
    heads = {"decoder_self_attention_heads": 2, "decoder_cross_attention_heads": 2, "decoder_n_points": 2}
    layers = {"d_model": 32, "decoder_layers": 2, "decoder_ffn_dim": 32, "intermediate_size": 32, "num_queries": 12, "group_detr": 1}
    torch.manual_seed(0)
    config = transformers.RfDetrConfig(backbone_config=backbone, id2label=classes, **heads, **layers)
    return transformers.RfDetrForInstanceSegmentation(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rf-detr")
    tiny({0: "N/A", 1: "person", 2: "bicycle"}).save_pretrained(path)
    (path / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 64, "width": 64}}))
    return path


class Spoken:
    """A model that answers with given logits."""

    def __init__(self, model: Any, logits: torch.Tensor, masks: torch.Tensor):
        self.config, self.logits, self.pred_masks = model.config, logits[None], masks[None]

    def eval(self) -> Spoken:
        return self

    def to(self, device: torch.device) -> Spoken:
        return self

    def __call__(self, pixel_values: torch.Tensor) -> Spoken:
        self.seen = pixel_values
        return self


def test_loads_and_runs(folder: Path, example: torch.Tensor) -> None:
    detector = RfDetr.load(folder / "model.safetensors", min_score=0.0, max_people=3)
    shares: list[float] = []
    found = detector(example, shares.append)
    assert found.size == tuple(example.shape[1:])
    assert len(found) <= 3
    assert shares[-1] == 1.0
    raw = detector.model(pixel_values=prepare(example, (64, 64)))
    assert set(found.scores.tolist()) <= set(raw.logits[0, :, 1].sigmoid().tolist())


def test_people_alone_are_kept(folder: Path) -> None:
    logits = torch.full((4, 3), -9.0)
    logits[0, 1], logits[1, 2], logits[2, 1], logits[3, 1] = 2.0, 5.0, -1.0, 3.0  # two sure people, a bicycle, an unsure person
    masks = torch.full((4, 16, 16), -5.0)
    masks[0, 4:12, 10:14] = masks[1, :, :] = masks[2, :, 0:3] = masks[3, 4:12, 2:6] = 5.0
    model = Spoken(tiny({0: "N/A", 1: "person", 2: "bicycle"}), logits, masks)
    found = RfDetr(model, (64, 64))(torch.zeros(3, 160, 320))
    torch.testing.assert_close(found.scores, torch.tensor([3.0, 2.0]).sigmoid())
    assert found.boxes.tolist() == [[40, 40, 120, 120], [200, 40, 280, 120]]
    torch.testing.assert_close(model.seen[0, :, 5, 5], -torch.tensor(MEAN) / torch.tensor(STD))
    assert model.seen.shape == (1, 3, 64, 64)


def test_what_is_wrong_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="no class called person"):
        RfDetr(tiny({0: "cat", 1: "dog"}), (64, 64))
    with pytest.raises(WeightsError, match="not a complete"):
        RfDetr.load(tmp_path / "model.safetensors")
    for name in ("model.safetensors", "preprocessor_config.json", "config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "decoder_layers": 3}))
    with pytest.raises(WeightsError, match=r"missing .*layers\.2"):
        RfDetr.load(tmp_path / "model.safetensors")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r"\.\[detectors\]"):
        RfDetr.load(folder / "model.safetensors")
