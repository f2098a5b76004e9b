"""Uploading, with a model card, to the Hub on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from instmatt_core.weights import card
from instmatt_core.weights.convert import convert

from . import made_up
from .conftest import Run
from .hub_server import COMMIT, HubServer


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A converted file whose licence allows sharing, and one whose licence does not."""
    folder = tmp_path_factory.mktemp("converted")
    made = {}
    for system in ("mask-rcnn", "sim-classifier"):
        source, _ = made_up.write(system, folder)
        made[system] = convert(source, folder / f"{system}.safetensors").path
    return made


def test_a_pushed_file_can_be_pulled(instmatt: Run, hub: HubServer, converted: dict[str, Path]) -> None:
    hub.token = "hf_mine"
    path = converted["mask-rcnn"]
    pushed = instmatt("push", path, "owner/repo", HF_TOKEN="hf_mine")
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout.strip() == f"hf:owner/repo/mask-rcnn.safetensors@{COMMIT}"
    assert hub.created is not None
    assert hub.created["name"] == "repo"
    assert hub.created.get("private") or hub.created.get("visibility") == "private"
    assert hub.files["mask-rcnn.safetensors"] == path.read_bytes()
    readme = hub.files["README.md"].decode()
    assert readme.startswith("---\nlicense: cc-by-sa-3.0\n")
    for fact in (
        "model_final.pkl",
        "detectron2/blob/main/MODEL_ZOO.md",
        "44,343,216",
        "CC BY-SA 3.0",
        "hf:owner/repo/mask-rcnn.safetensors",
    ):
        assert fact in readme
    pulled = instmatt("pull", "mask-rcnn", INSTMATT_HUB_REPO="owner/repo")
    assert "sha256 verified" in pulled.stdout


def test_a_licence_that_does_not_allow_it(instmatt: Run, hub: HubServer, converted: dict[str, Path]) -> None:
    path = converted["sim-classifier"]
    refused = instmatt("push", path, "owner/repo", "--public")
    assert refused.returncode == 1
    assert "not uploaded, the licence of these weights (unknown) is not known to allow passing them on" in refused.stderr
    assert hub.requests == []
    insisted = instmatt("push", path, "owner/repo", "--public", "--insist", HF_TOKEN="hf_mine")
    assert insisted.returncode == 0, insisted.stderr
    assert hub.files["README.md"].startswith(b"---\nlicense: other\n")


def test_no_right_to_write(instmatt: Run, hub: HubServer, converted: dict[str, Path]) -> None:
    hub.token = "hf_mine"
    refused = instmatt("push", converted["mask-rcnn"], "owner/repo", HF_TOKEN="hf_other")
    assert refused.returncode == 1
    assert "the Hub refuses the upload (401); set HF_TOKEN" in refused.stderr


def test_only_converted_files(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(card.WeightsError, match="not made by instmatt weights convert"):
        card.push(tmp_path / "a.safetensors", "owner/repo")
