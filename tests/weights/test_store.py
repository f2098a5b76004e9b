"""The order of places, and what is said when a file is in none of them."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from instmatt_core.errors import WeightsError
from instmatt_core.weights import load_weights, store
from instmatt_core.weights.bundled import load_bundled
from instmatt_core.weights.catalogue import CATALOGUE
from instmatt_core.weights.settings import Settings, home, read_settings

from .conftest import ROOT, Run
from .hub_server import COMMIT, HubServer


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path) -> None:
    """This process may not connect to anything, and sees an empty Hugging Face cache."""

    def refuse(*_: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))


def weights(path: Path, value: float = 1.0, **metadata: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"a": torch.tensor([value])}, path, metadata or None)
    return path


def test_the_order_of_places(tmp_path: Path, home: Path) -> None:
    first, second = tmp_path / "models", tmp_path / "more"
    given = weights(tmp_path / "given.safetensors", 0)
    in_home = weights(home / "weights" / "instmatt.safetensors", 1)
    assert store.resolve("instmatt", folders=[first, second]) == store.Found(in_home, store.HOME, CATALOGUE["instmatt"])
    in_second = weights(second / "instmatt.safetensors", 2)
    assert store.resolve("instmatt", folders=[first, second]).path == in_second
    in_first = weights(first / "instmatt.safetensors", 3)
    found = store.resolve("instmatt", folders=[first, second])
    assert (found.path, found.place) == (in_first, store.COMFYUI)
    assert store.resolve(given, folders=[first]).place == "given path"
    assert store.resolve(str(given)).path == given
    assert load_weights("instmatt", system="instmatt", folders=[first])["a"] == 3


def test_bundled_weights_are_there(tmp_path: Path) -> None:
    assert store.resolve("yolox-nano").place == store.IN_PACKAGE
    loaded = load_weights("yolox-nano", system="yolox")
    expected = load_bundled("yolox_nano")
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[key], expected[key]) for key in expected)


def test_a_damaged_package_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PACKAGE", tmp_path)
    weights(tmp_path / "yolox_nano.safetensors")
    with pytest.raises(WeightsError, match=r"should be d10b3b16.*Reinstall the package"):
        store.resolve("yolox-nano")


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    path = weights(tmp_path / "a.safetensors", system="sim")
    assert load_weights(path, system="sim")["a"] == 1
    with pytest.raises(WeightsError, match=r"a\.safetensors: weights of sim, not of instmatt"):
        load_weights(path, system="instmatt")
    with pytest.raises(WeightsError, match="weights of yolox, not of instmatt"):
        load_weights("yolox-nano", system="instmatt")
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(path, system="sim")


def test_a_file_put_by_hand_must_be_the_one_the_catalogue_knows(home: Path) -> None:
    path = weights(home / "weights" / "vitmatte-small" / "model.safetensors")
    with pytest.raises(WeightsError, match=r"refused, its sha256 is .* should be bda9289d"):
        store.resolve("vitmatte-small")
    assert path.exists()
    assert store.resolve(path).path == path


def test_authors_files_say_how_to_get_them(home: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        load_weights("instmatt", system="instmatt")
    assert str(caught.value).splitlines() == [
        "the weights 'instmatt' are not on this machine, and no official copy of them is known on the Hub. By hand:",
        "  get   the stage-2 checkpoint, licence: none stated",
        "  from  https://github.com/nowsyn/InstMatt, which links to Google Drive",
        f'  then  instmatt weights convert FILE "{home / "weights" / "instmatt.safetensors"}"',
        "A converted copy in a Hub repository of your own is found with INSTMATT_HUB_REPO=owner/repo",
    ]
    with pytest.raises(WeightsError, match=r"get   model_final_f10217\.pkl.*\n  from  https://dl\.fbaipublicfiles\.com/"):
        store.resolve("mask-rcnn")


def test_hub_files_say_how_to_get_them(home: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        store.resolve("vitmatte-small", download=False)
    said = str(caught.value).splitlines()
    assert "nothing is downloaded unasked. Online: instmatt weights pull vitmatte-small" in said[0]
    assert said[1].endswith("hustvl/vitmatte-small-composition-1k/resolve/6a58ad7646403c1df626fbd746900aec7361ea1d/model.safetensors")
    assert said[-1] == f"  into  {home / 'weights' / 'vitmatte-small'}"
    with pytest.raises(WeightsError, match=r"pull rf-detr-seg-small@COMMIT\n.*pull rf-detr-seg-small@main"):
        store.resolve("rf-detr-seg-small")
    (home / "config.toml").parent.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text("downloads = false\n")
    with pytest.raises(WeightsError, match="unasked"):
        load_weights("vitmatte-small", system="vitmatte")
    with pytest.raises(WeightsError, match="unasked"):
        load_weights("hf:owner/repo/a.safetensors", system="instmatt")


def test_names_and_paths_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors: no such file"):
        store.resolve(tmp_path / "gone.safetensors")
    (tmp_path / "a.pth").touch()
    with pytest.raises(WeightsError, match=r"convert it first: instmatt weights convert .*a\.pth"):
        store.resolve(str(tmp_path / "a.pth"))
    with pytest.raises(WeightsError, match="no weights are called 'vgg'"):
        store.resolve("vgg")
    with pytest.raises(WeightsError, match="has no revisions"):
        store.resolve("yolox-nano@main")


def test_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings() == Settings()
    home.mkdir()
    path = home / "config.toml"
    path.write_text('hub_repo = "me/mine"\ndownloads = false\n')
    assert read_settings() == Settings("me/mine", downloads=False)
    monkeypatch.setenv("INSTMATT_HUB_REPO", "you/yours@abc")
    assert read_settings() == Settings("you/yours@abc", downloads=False)
    for text, said in (
        ("hub = 1", "no setting 'hub'"),
        ("downloads = 1", "true or false"),
        ("hub_repo = 1", "a text"),
        ("x", "cannot be read"),
    ):
        path.write_text(text)
        with pytest.raises(WeightsError, match=said):
            read_settings()


def test_the_users_folder_where_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INSTMATT_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    for platform, expected in {"linux": tmp_path / "data", "win32": tmp_path / "local"}.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert home() == expected / "instmatt"


def test_a_repository_of_ones_own(instmatt: Run, hub: HubServer, tmp_path: Path) -> None:
    hub.files["instmatt.safetensors"] = weights(tmp_path / "a.safetensors", 5).read_bytes()
    assert "no official copy" in instmatt("pull", "instmatt").stderr
    pulled = instmatt("pull", "instmatt", INSTMATT_HUB_REPO=f"owner/repo@{COMMIT}")
    assert pulled.returncode == 0, pulled.stderr
    assert "not here: pull" in instmatt("list", INSTMATT_HUB_REPO="owner/repo").stdout
    where = instmatt("where", "instmatt", INSTMATT_HUB_REPO=f"owner/repo@{COMMIT}", HF_HUB_OFFLINE="1")
    assert Path(where.stdout.strip()).read_bytes() == hub.files["instmatt.safetensors"]
    missing = instmatt("pull", "sim", INSTMATT_HUB_REPO="owner/repo")
    assert "there is no such file or repository (404)" in missing.stderr
    assert "instmatt weights convert FILE" in missing.stderr


def test_looking_things_up_imports_no_torch(environment: dict[str, str]) -> None:
    script = "import sys, instmatt_core.weights.store as s; s.locate('vitmatte-small'); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, text=True, capture_output=True, timeout=100)
    assert result.stdout == "False\n", result.stderr


def test_a_revision_may_look_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for revision in ("v1.0", "refs/pr/1"):
        with pytest.raises(WeightsError, match="not on this machine"):
            store.resolve(f"rf-detr-seg-nano@{revision}", download=False)


def test_a_file_of_unknown_revision_will_not_do_for_one_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / CATALOGUE["rf-detr-seg-nano"].file
    path.parent.mkdir()
    path.touch()
    assert store.locate("rf-detr-seg-nano", [tmp_path]) is not None
    assert store.locate("rf-detr-seg-nano@v1", [tmp_path]) is None
