"""A served demo on a free port of this machine. Gradio is imported late: without it the tests are skipped."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _serve(models: Any) -> Iterator[str]:
    """The page's address, as long as the context is open."""
    from instmatt_demo import app, settings

    page = app(models)
    try:
        _, address, _ = page.launch(**settings(), server_port=_free_port(), prevent_thread_lock=True, quiet=True)
        yield address.rstrip("/")
    finally:
        page.close(verbose=False)


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    return _free_port()


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], AbstractContextManager[str]]:
    """``with serve(models) as address:``"""
    return _serve


@pytest.fixture
def toy() -> Any:
    """GatedModels for ``toy_server``."""
    from gated_models import GatedModels

    return GatedModels()


@pytest.fixture
def toy_server(toy: Any) -> Iterator[str]:
    """A demo of ``toy``; its gate opens at the end, so that nothing waits for ever."""
    with _serve(toy) as address:
        yield address
        toy.gate.set()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo as users get it, on a machine without weights."""
    from instmatt_demo import Models

    from instmatt_core import Pipeline

    with pytest.MonkeyPatch.context() as patch, _serve(Models(Pipeline(device="cpu"))) as address:
        patch.setenv("INSTMATT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("INSTMATT_HUB_REPO", raising=False)
        yield address
