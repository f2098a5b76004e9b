"""``instmatt demo`` as far as it goes without serving."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from instmatt_core.cli.main import main


def test_without_gradio_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "instmatt_demo"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["demo"]) == 2
    assert 'pip install ".[demo]"' in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "99999", "x"])
def test_impossible_ports(port: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["demo", "--port", port])
    assert caught.value.code == 2


def test_unknown_parts_are_told_before_anything_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")
    assert main(["demo", "--matting", "magic"]) == 2
    assert "closed-form" in capsys.readouterr().err


def test_missing_weights_are_told_before_anything_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")
    monkeypatch.setenv("INSTMATT_HOME", str(tmp_path))
    monkeypatch.delenv("INSTMATT_HUB_REPO", raising=False)
    assert main(["demo", "--matting", "instmatt", "--precision", "bfloat16", "--memory", "300"]) == 1
    assert "instmatt weights convert FILE" in capsys.readouterr().err
