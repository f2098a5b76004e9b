"""What is said of the detectors."""

from __future__ import annotations

import pytest

from instmatt_core.cli.main import main
from instmatt_core.detect import ABOUT
from instmatt_core.pipeline import DETECTORS, Pipeline


def test_every_detector_is_described() -> None:
    assert [about.name for about in ABOUT] == list(DETECTORS)


def test_detector_help_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["matte", "--detector", "help"])
    assert ending.value.code == 0
    said = capsys.readouterr().out
    for about in ABOUT:
        assert about.name in said
        assert about.needs in said
        assert about.licence in said


@pytest.mark.parametrize("name", ["mask-rcnn", "rf-detr-seg", "blazepose"])
def test_missing_weights_are_explained(name: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from instmatt_core.errors import WeightsError

    monkeypatch.setenv("INSTMATT_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=name):
        Pipeline(name, device="cpu").detector  # noqa: B018
