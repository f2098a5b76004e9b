"""The user's folder and the few settings in it.

``INSTMATT_HOME`` is that folder; unset, it is where the platform keeps an application's data. It holds ``weights/`` and, if the
user makes one, ``config.toml``:

    hub_repo = "owner/name"   # a Hub repository of converted weights; @revision pins it. INSTMATT_HUB_REPO comes first
    downloads = false         # nothing is downloaded unasked; `instmatt weights pull` still does
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import WeightsError


@dataclass(frozen=True)
class Settings:
    """What ``config.toml`` may say."""

    hub_repo: str | None = None
    downloads: bool = True


def home() -> Path:
    """The user's folder; it need not exist."""
    if named := os.environ.get("INSTMATT_HOME"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "instmatt"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "instmatt"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "instmatt"


def weights_folder() -> Path:
    """Where the user's weights lie."""
    return home() / "weights"


def read_settings() -> Settings:
    """``config.toml``, overridden by ``INSTMATT_HUB_REPO``.

    Raises:
        WeightsError: the file cannot be read, or says something unknown.
    """
    path = home() / "config.toml"
    values = _read_toml(path) if path.is_file() else {}
    known = {"hub_repo": str, "downloads": bool}
    for key, value in values.items():
        if key not in known:
            raise WeightsError(f"{path}: there is no setting {key!r}; there are {' and '.join(known)}")
        if not isinstance(value, known[key]):
            raise WeightsError(f"{path}: {key} must be {'true or false' if known[key] is bool else 'a text in quotes'}, not {value!r}")
    if repo := os.environ.get("INSTMATT_HUB_REPO"):
        values["hub_repo"] = repo
    return Settings(**values)  # type: ignore[arg-type]


def _read_toml(path: Path) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({error})") from error
