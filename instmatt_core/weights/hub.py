"""The Hugging Face Hub: fetch a file, find it in the cache, upload a converted one.

The client is huggingface_hub itself, so ``HF_ENDPOINT`` (a mirror), ``HF_TOKEN``, ``HF_HOME`` and ``HF_HUB_OFFLINE`` mean what
they mean everywhere.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import WeightsError
from ..progress import Progress, silent, stage

_ATTEMPTS = 3


@dataclass(frozen=True)
class HubAddress:
    """``hf:owner/repo/file.safetensors@revision``; without a revision, the newest (``main``)."""

    repo: str
    file: str
    revision: str = "main"
    companions: tuple[str, ...] = ()  # small files that are fetched along, such as config.json

    @classmethod
    def parse(cls, text: str) -> HubAddress:
        """Read ``hf:owner/repo/file.safetensors[@revision]``.

        Raises:
            WeightsError: it is not of that form.
        """
        found = re.fullmatch(r"hf:([\w.-]+/[\w.-]+)/([^@]+\.safetensors)(?:@([\w./-]+))?", text)
        if not found or ".." in found[2].split("/"):
            raise WeightsError(f"{text!r}: a file on the Hub is named hf:owner/repo/file.safetensors, or ...safetensors@revision")
        return cls(found[1], found[2], found[3] or "main")

    def __str__(self) -> str:
        return f"hf:{self.repo}/{self.file}@{self.revision}"

    @property
    def url(self) -> str:
        """Where a browser finds it, on the mirror if one is set."""
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{self.repo}/resolve/{self.revision}/{self.file}"


def is_offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` forbids the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def cached(address: HubAddress) -> Path | None:
    """The file in the Hugging Face cache, if it is there with its companions."""
    from huggingface_hub import try_to_load_from_cache

    paths = [try_to_load_from_cache(address.repo, file, revision=address.revision) for file in (address.file, *address.companions)]
    return Path(paths[0]) if all(isinstance(path, str) for path in paths) else None  # type: ignore[arg-type]


def fetch(address: HubAddress, progress: Progress = silent) -> Path:
    """Download into the Hugging Face cache.

    A cut connection is taken up where it broke off. Processes that download the same file at once wait for each other.

    Raises:
        WeightsError: the Hub refuses, has no such file, is down or cannot be reached, or the cache cannot be written (disk full).
        Cancelled: the callback returned False.
    """
    from huggingface_hub import errors, hf_hub_download

    report = stage(progress, f"downloading {address.file}", 0, 1)
    report(0.0)  # a Hub that does not answer is asked again for half a minute
    options: dict[str, Any] = {}
    if "tqdm_class" in inspect.signature(hf_hub_download).parameters:  # older clients only show their own bar
        options["tqdm_class"] = _bar(report)
    for left in reversed(range(_ATTEMPTS)):
        try:
            for file in address.companions:
                hf_hub_download(address.repo, file, revision=address.revision)
            path = hf_hub_download(address.repo, address.file, revision=address.revision, **options)
            break
        except (errors.HTTPError, errors.EntryNotFoundError, OSError, ValueError) as error:
            refused = _status(error) or _is_local(error) or isinstance(error, (errors.EntryNotFoundError, ValueError))
            if refused or not left:  # a connection that broke off: older clients go on from there only when they are asked again
                raise WeightsError(f"{address}: {_explain(error, address)}") from error
    report(1.0)
    return Path(path)


def sha256_in_name(path: Path) -> str | None:
    """The sha256 that the Hub gave for a large file: in the cache it is the name of the file that ``path`` links to."""
    name = path.resolve().name
    return name if re.fullmatch(r"[0-9a-f]{64}", name) else None


def set_aside(path: Path) -> Path:
    """Move a file of the cache out of the way, so that the next download starts afresh; returns its new place."""
    real = path.resolve()
    aside = real.with_name(f"{real.name}.refused")
    real.replace(aside)
    if path.is_symlink():
        path.unlink()
    return aside


def upload(repo: str, files: dict[str, bytes | Path], message: str, *, private: bool) -> str:
    """Upload files in one commit, making the repository if need be; returns the commit hash.

    Raises:
        WeightsError: the Hub refuses (no token, no right to write) or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, errors

    operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]
    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        return str(api.create_commit(repo, operations, commit_message=message).oid)
    except (errors.HTTPError, errors.LocalTokenNotFoundError, OSError, ValueError, RuntimeError) as error:
        status = _status(error)
        if status in (401, 403):
            raise WeightsError(f"{repo}: the Hub refuses the upload ({status}); set HF_TOKEN to a token that may write there") from error
        raise WeightsError(f"{repo}: the upload failed ({status or _first_line(error)})") from error


def _explain(error: Exception, address: HubAddress) -> str:
    """Why a download failed and what to do, in one sentence."""
    from huggingface_hub import constants, errors

    status = _status(error)
    if isinstance(error, OSError) and _is_local(error):
        return f"{constants.HF_HUB_CACHE} cannot be written ({error.strerror}); free space there, or set HF_HOME to another folder"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository has no revision {address.revision!r}; see {constants.ENDPOINT}/{address.repo}/commits/main"
    if isinstance(error, errors.GatedRepoError) or status in (401, 403):
        return (
            f"the Hub refuses access ({status}); the repository does not exist, is private, or asks you to accept its terms at"
            f" {constants.ENDPOINT}/{address.repo}; then set HF_TOKEN"
        )
    if status == 404:
        return f"there is no such file or repository (404); see {constants.ENDPOINT}/{address.repo}"
    if isinstance(error, ValueError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return _first_line(error)
    return (
        f"{constants.ENDPOINT} is down or cannot be reached ({status or _first_line(error.__cause__ or error)}); try again later, or set"
        f" HF_ENDPOINT to a mirror"
    )


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error or its cause."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return int(response.status_code)
        error = error.__cause__
    return None


def _is_local(error: Exception) -> bool:
    """Whether it comes from this machine's file system: disk full, no permission."""
    return isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError | TimeoutError)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _bar(report: Callable[[float], None]) -> type:
    """A tqdm that reports to us instead of drawing."""
    import io

    from tqdm import tqdm

    class Reporting(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            drawn = super().update(n)
            if self.total:
                report(min(self.n / self.total, 1.0))
            return drawn

    return Reporting
