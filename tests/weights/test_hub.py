"""The real huggingface_hub client against a Hub on loopback, through the command line as a user runs it."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from instmatt_core.errors import Cancelled
from instmatt_core.weights import hub as hub_module
from instmatt_core.weights.catalogue import CATALOGUE, HubFile
from instmatt_core.weights.hub import HubAddress

from .conftest import ROOT, Run, command
from .hub_server import COMMIT, HubServer

SPEC = f"hf:owner/repo/a.safetensors@{COMMIT}"


def pulled(result: subprocess.CompletedProcess[str]) -> Path:
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.partition(": ")[2].rpartition(" (")[0])


def test_a_fresh_pull_comes_from_the_mirror_and_needs_no_network_again(instmatt: Run, hub: HubServer) -> None:
    first = instmatt("pull", SPEC)
    assert pulled(first).read_bytes() == hub.files["a.safetensors"]
    assert "sha256 verified" in first.stdout
    assert "(Hub;" in first.stdout
    before = len(hub.requests)
    again = instmatt("pull", SPEC)
    assert "(Hugging Face cache;" in again.stdout
    assert pulled(again) == pulled(first)
    assert len(hub.requests) == before
    assert instmatt("where", SPEC, HF_HUB_OFFLINE="1").stdout.strip() == str(pulled(first))


def test_without_a_revision_the_newest_is_taken(instmatt: Run, hub: HubServer) -> None:
    assert pulled(instmatt("pull", "hf:owner/repo/a.safetensors")).parent.name == COMMIT


def test_a_cut_connection_is_taken_up_where_it_broke(instmatt: Run, hub: HubServer) -> None:
    hub.files["a.safetensors"] = os.urandom(25 << 20)
    hub.cut_after = 15 << 20
    assert pulled(instmatt("pull", SPEC)).read_bytes() == hub.files["a.safetensors"]
    whole, rest = hub.downloads()
    assert "Range" not in whole
    assert rest["Range"] == f"bytes={10 << 20}-"  # the client writes in pieces of 10 MiB


def test_wrong_bytes_are_refused_and_set_aside(instmatt: Run, hub: HubServer) -> None:
    hub.spoil = True
    result = instmatt("pull", SPEC)
    assert result.returncode == 1
    digest = hashlib.sha256(hub.files["a.safetensors"]).hexdigest()
    assert f"should be {digest}" in result.stderr
    aside = Path(result.stderr.partition("set aside as ")[2].partition("; ")[0])
    assert aside.name == f"{digest}.refused"
    assert len(aside.read_bytes()) == 3_000_000
    hub.spoil = False
    assert pulled(instmatt("pull", SPEC)).read_bytes() == hub.files["a.safetensors"]


def test_the_catalogue_promises_the_bytes_not_the_server(instmatt: Run, environment: dict[str, str]) -> None:
    entry = CATALOGUE["vitmatte-small"]
    assert isinstance(entry.source, HubFile)
    assert entry.source.revision is not None
    files = {name: name.encode() for name in (entry.source.file, *entry.source.companions)}
    with HubServer(entry.source.repo, files, entry.source.revision) as other:
        result = instmatt("pull", entry.name, HF_ENDPOINT=other.url)
        assert result.returncode == 1
        assert f"should be {entry.sha256}" in result.stderr
        fetched = {path.rpartition("/")[2] for method, path, _ in other.requests if method == "GET"}
        assert fetched == {entry.source.file, *entry.source.companions}


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "RepoNotFound", "the Hub refuses access (401)"),
        (401, "", "the Hub refuses access (401)"),
        (403, "GatedRepo", "asks you to accept its terms"),
        (404, "EntryNotFound", "no such file or repository (404)"),
        (404, "RevisionNotFound", "no revision"),
        (404, "", "no such file or repository (404)"),
    ],
)
def test_refusals(instmatt: Run, hub: HubServer, status: int, code: str, said: str) -> None:
    hub.status, hub.error_code = status, code
    result = instmatt("pull", SPEC)
    assert result.returncode == 1
    assert said in result.stderr
    assert hub.url in result.stderr
    assert "Traceback" not in result.stderr


def test_a_hub_that_is_down_and_nobody_there(environment: dict[str, str], hub: HubServer) -> None:
    """Side by side, since the client tries again for half a minute."""
    hub.status = 503
    nobody = "http://127.0.0.1:9"
    runs = {hub.url: "503", nobody: "refused"}
    processes = [
        subprocess.Popen(
            command("pull", SPEC),
            env={**environment, "HF_ENDPOINT": url},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for url in runs
    ]
    for process, (url, reason) in zip(processes, runs.items(), strict=True):
        _, said = process.communicate(timeout=300)
        assert process.returncode == 1
        last = said.splitlines()[-1]
        assert last.startswith(f"instmatt: {SPEC}: {url} is down or cannot be reached (")
        assert reason in last
        assert "set HF_ENDPOINT to a mirror" in last


def test_offline(instmatt: Run, hub: HubServer) -> None:
    result = instmatt("pull", SPEC, HF_HUB_OFFLINE="1")
    assert result.returncode == 1
    assert "HF_HUB_OFFLINE is set" in result.stderr
    assert hub.requests == []


def test_the_token_is_sent(instmatt: Run, hub: HubServer) -> None:
    pulled(instmatt("pull", SPEC, HF_TOKEN="hf_secret"))
    assert {headers.get("authorization") or headers.get("Authorization") for _, _, headers in hub.requests} == {"Bearer hf_secret"}


def test_two_processes_at_once(environment: dict[str, str], hub: HubServer) -> None:
    hub.delay = 2
    both = [
        subprocess.Popen(command("pull", SPEC), env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert Path(out.partition(": ")[2].rpartition(" (")[0]).read_bytes() == hub.files["a.safetensors"]
    assert list(Path(environment["HF_HOME"]).rglob("*.incomplete")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits on a file's size are POSIX's")
def test_a_full_disk(environment: dict[str, str], hub: HubServer) -> None:
    limit = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    start = [sys.executable, "-c", f"{limit}; runpy.run_module('instmatt_core.cli.main', run_name='__main__')", "weights", "pull", SPEC]
    result = subprocess.run(start, env=environment, cwd=ROOT, text=True, capture_output=True, timeout=300)
    assert result.returncode == 1
    assert "cannot be written (File too large)" in result.stderr
    assert "HF_HOME" in result.stderr
    large = [path for path in Path(environment["HF_HOME"]).rglob("*") if path.is_file() and path.stat().st_size >= 1 << 20]
    assert [path for path in large if path.suffix != ".incomplete"] == []


def test_a_full_disk_by_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    with pytest.raises(hub_module.WeightsError, match=r"cannot be written \(No space left on device\); free space there, or set HF_HOME"):
        hub_module.fetch(HubAddress.parse(SPEC))


def test_progress_is_reported_and_can_cancel(environment: dict[str, str], hub: HubServer) -> None:
    script = (
        "from instmatt_core.weights.hub import HubAddress, fetch\n"
        "shares = []\n"
        f"address = HubAddress.parse({SPEC!r})\n"
        "try:\n    fetch(address, lambda stage, share: False)\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
        "fetch(address, lambda stage, share: shares.append((stage, share)))\n"
        "print(shares[-1])\n"
    )
    result = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, text=True, capture_output=True, timeout=300)
    assert result.stdout.splitlines() == [Cancelled.__name__, "('downloading a.safetensors', 1.0)"], result.stderr


@pytest.mark.parametrize(
    "text",
    ["hf:a.safetensors", "hf:owner/a.safetensors", "hf:owner/repo/a.bin", "hf:owner/repo/a.safetensors@", "hf:owner/repo/../a.safetensors"],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(hub_module.WeightsError, match=r"hf:owner/repo/file\.safetensors"):
        HubAddress.parse(text)


def test_an_entry_without_a_verified_revision(instmatt: Run) -> None:
    """The user chooses one; what was pulled is then found by the bare name, if it is complete."""
    files = {name: name.encode() for name in ("model.safetensors", "config.json", "preprocessor_config.json")}
    with HubServer("Roboflow/rf-detr-seg-nano", files) as other:
        refused = instmatt("pull", "rf-detr-seg-nano", HF_ENDPOINT=other.url)
        assert refused.returncode == 1
        assert "no revision of Roboflow/rf-detr-seg-nano has been verified" in refused.stderr
        assert other.requests == []
        path = pulled(instmatt("pull", "rf-detr-seg-nano@main", HF_ENDPOINT=other.url))
    found = instmatt("where", "rf-detr-seg-nano")
    assert found.stdout.strip() == str(path)
    (path.parent / "config.json").unlink()
    assert instmatt("where", "rf-detr-seg-nano").returncode == 1
