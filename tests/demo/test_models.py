"""Every system of the pipeline is offered, and says what it still lacks here."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

import instmatt_demo.models
from instmatt_demo.chooser import as_html
from instmatt_demo.models import Models

from instmatt_core import Pipeline
from instmatt_core.errors import InstMattError, UsageError
from instmatt_core.pipeline import DETECTORS, END_TO_END, MATTING
from instmatt_core.weights import store


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """A machine with nothing but the package itself."""
    monkeypatch.setenv("INSTMATT_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(store.hub, "cached", lambda address: None)
    monkeypatch.setattr(instmatt_demo.models, "find_spec", lambda name: None)
    return Models(Pipeline(device="cpu"))


def test_all_of_them_are_offered_the_preset_ones_first() -> None:
    models = Models(Pipeline("people", device="cpu"))
    assert models.detectors[0] == "people"
    assert models.mattings[0] == "instmatt-compact"
    assert sorted(models.detectors) == sorted(DETECTORS)
    assert sorted(models.mattings) == sorted({**MATTING, **END_TO_END})


@pytest.mark.parametrize("name", [*DETECTORS, *MATTING, *END_TO_END])
def test_what_lacks_nothing_loads_and_what_does_says_how_to_get_it(models: Models, name: str) -> None:
    load = models.detector if name in DETECTORS else models.matting
    lacks = models.lacks(name)
    if not lacks:
        assert load(name).name == name
        return
    assert "\n  " in lacks[0].how  # a command, or where to look
    with pytest.raises(UsageError) as caught:
        load(name)
    assert str(caught.value) == "\n".join(lack.how for lack in lacks)


def test_labels_and_commands(models: Models) -> None:
    labels = dict((name, label) for label, name in models.choices([*models.detectors, *models.mattings]))
    assert labels["people"] == "people"
    assert labels["instmatt"] == "instmatt (no weights)"
    assert labels["e2e-him"] == "e2e-him (no weights)"
    assert labels["rf-detr-seg"] == "rf-detr-seg (not installed)"
    package, weights = models.lacks("rf-detr-seg")
    assert 'pip install ".[detectors]"' in package.how
    assert "instmatt weights pull rf-detr-seg-medium" in weights.how
    assert "instmatt weights convert FILE" in models.lacks("instmatt")[0].how


def test_weights_that_arrive_are_seen_at_once(models: Models, tmp_path: Path) -> None:
    assert models.lacks("instmatt")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "instmatt.safetensors").touch()
    assert not models.lacks("instmatt")
    with pytest.raises(InstMattError, match="damaged"):
        models.matting("instmatt")


def test_an_end_to_end_system_comes_without_a_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    models = Models(Pipeline(device="cpu"))
    monkeypatch.setitem(END_TO_END, "e2e-him", lambda options: "the system")
    monkeypatch.setattr(instmatt_demo.models, "WEIGHTS", {})
    assert models.pipeline("no such detector", "e2e-him").matting == "the system"


def test_options_hold_for_every_system_but_weights_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setitem(MATTING, "instmatt", given.append)
    monkeypatch.setattr(instmatt_demo.models, "WEIGHTS", {})
    Models(Pipeline(device="cpu", precision="bfloat16", memory_mb=300)).matting("instmatt")
    assert (given[0].weights, given[0].compat, given[0].precision, given[0].memory_mb) == (None, "default", "bfloat16", 300)


def test_a_working_size_of_ones_own_is_offered_first() -> None:
    models = Models(Pipeline(device="cpu"), 1500)
    assert models.sides[models.side] == 1500
    assert Models(Pipeline(device="cpu")).side == "Good, 2000 px"


def test_the_notice_shows_commands_as_code_and_no_markup_of_others() -> None:
    assert as_html("needs <b>\n  pip install x") == "<p>needs &lt;b&gt;</p><code>pip install x</code>"
