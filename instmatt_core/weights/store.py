"""Where weights are, and how they get here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..command import command
from ..errors import WeightsError
from ..progress import Progress, silent
from . import hub
from .catalogue import CATALOGUE, AuthorsFile, Bundled, HubFile, Weights, find_entry
from .hub import HubAddress
from .settings import read_settings, weights_folder

PACKAGE = Path(__file__).parent / "bundled"
COMFYUI, HOME, IN_PACKAGE, CACHE, HUB = "ComfyUI folder", "INSTMATT_HOME", "package", "Hugging Face cache", "Hub"


@dataclass(frozen=True)
class Found:
    """A file of weights on this machine.

    ``place`` says in words where it was found, ``sha256`` what it must be (None: unknown, so it is not verified).
    """

    path: Path
    place: str
    entry: Weights | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class _Request:
    """What a text names: a path, or a catalogue entry, or a file on the Hub, or an entry that is on the Hub."""

    text: str
    path: Path | None = None
    entry: Weights | None = None
    address: HubAddress | None = None
    pinned: bool = True  # the address has a revision that someone has chosen
    asked: bool = False  # the text itself names it: no file of unknown revision will do


def resolve(spec: str | Path, *, folders: Sequence[Path] = (), download: bool | None = None, progress: Progress = silent) -> Found:
    """Find weights, in this order: an explicit path, ``folders`` (ComfyUI's), ``INSTMATT_HOME``, the package, the Hugging Face
    cache, the Hub. Where a checksum is known the file is checked against it. (Bundled weights are only ever the package's.)

    Args:
        spec: a name of the catalogue, optionally ``name@revision`` where it is on the Hub; a path to a ``.safetensors`` file;
            or ``hf:owner/repo/file.safetensors[@revision]``.
        folders: looked in before ``INSTMATT_HOME``.
        download: whether the Hub may be asked; None leaves it to ``config.toml`` (yes, if that does not say). ``HF_HUB_OFFLINE``
            forbids it in any case.
        progress: called while a download runs.

    Raises:
        WeightsError: not found (the message says where to get it and where to put it), not downloadable, or not the right bytes.
        Cancelled: the callback returned False.
    """
    request = _parse(spec)
    found = _locate(request, folders)
    if found is None:
        _may_download(request, download)
        assert request.address is not None
        try:
            path = hub.fetch(request.address, progress)
        except WeightsError as error:
            raise WeightsError(f"{error}.{_by_hand(request)}") from error
        found = _on_hub(request, path, HUB)
    _verify(found)
    return found


def locate(spec: str | Path, folders: Sequence[Path] = ()) -> Found | None:
    """Where weights are on this machine, or None. Nothing is downloaded and no checksum is computed.

    Raises:
        WeightsError: ``spec`` names nothing that exists.
    """
    return _locate(_parse(spec), folders)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _parse(spec: str | Path) -> _Request:
    text = os.fspath(spec)
    if text.startswith("hf:"):
        return _Request(text, address=HubAddress.parse(text))
    name, _, revision = text.partition("@")
    if isinstance(spec, Path) or (name not in CATALOGUE and (Path(text).suffix or os.sep in text or "/" in text)):
        path = Path(text).expanduser()
        if not path.is_file():
            raise WeightsError(f"{path}: no such file")
        if path.suffix != ".safetensors":
            target = path.with_suffix(".safetensors")
            raise WeightsError(f'{path}: convert it first: {command()} weights convert "{path}" "{target}"')
        return _Request(text, path=path)
    entry = find_entry(name)
    if isinstance(entry.source, HubFile):
        source = entry.source
        chosen = revision or source.revision
        address = HubAddress(source.repo, source.file, chosen or "main", source.companions)
        return _Request(text, entry=entry, address=address, pinned=chosen is not None, asked=bool(revision))
    repo = read_settings().hub_repo if isinstance(entry.source, AuthorsFile) else None
    if revision and not repo:
        raise WeightsError(f"{text!r}: {name} is not on the Hub, so it has no revisions")
    if repo:
        return _Request(text, entry=entry, address=HubAddress.parse(_own_address(repo, entry.file, revision)), asked=bool(revision))
    return _Request(text, entry=entry)


def _own_address(repo: str, file: str, revision: str) -> str:
    owner_and_name, _, pinned = repo.partition("@")
    chosen = revision or pinned
    return f"hf:{owner_and_name}/{file}" + (f"@{chosen}" if chosen else "")


def _locate(request: _Request, folders: Sequence[Path]) -> Found | None:
    entry = request.entry
    if request.path is not None:
        return Found(request.path, "given path")
    if entry is not None and isinstance(entry.source, Bundled):
        return Found(PACKAGE / f"{entry.source.stem}.safetensors", IN_PACKAGE, entry, entry.sha256)
    if entry is not None and not request.asked:
        for folder, place in (*((folder, COMFYUI) for folder in folders), (weights_folder(), HOME)):
            if (path := Path(folder) / entry.file).is_file():
                return Found(path, place, entry, entry.sha256)
    in_cache = hub.cached(request.address) if request.address else None
    return _on_hub(request, in_cache, CACHE) if in_cache else None


def _on_hub(request: _Request, path: Path, place: str) -> Found:
    """A file of the cache; what the catalogue promises counts only for the revision it pins."""
    entry, address = request.entry, request.address
    source = entry.source if entry else None
    promised = entry.sha256 if entry and isinstance(source, HubFile) and address and address.revision == source.revision else None
    return Found(path, place, entry, promised or hub.sha256_in_name(path))


def _may_download(request: _Request, download: bool | None) -> None:
    """Raise the message that helps, unless the Hub may be asked."""
    name, address = request.text, request.address
    missing = f"the weights {name!r} are not on this machine"
    if address is None:
        raise WeightsError(f"{missing}, and no official copy of them is known on the Hub.{_by_hand(request)}")
    if not request.pinned:
        raise WeightsError(
            f"{missing}, and no revision of {address.repo} has been verified by this project. Name one, or take the newest:\n"
            f"  {command()} weights pull {name}@COMMIT\n  {command()} weights pull {name}@main\n{_by_hand(request).lstrip()}"
        )
    if hub.is_offline():
        raise WeightsError(f"{missing}, and HF_HUB_OFFLINE is set. Online: {command()} weights pull {name}.{_by_hand(request)}")
    if download is False or (download is None and not read_settings().downloads):
        raise WeightsError(f"{missing}, and nothing is downloaded unasked. Online: {command()} weights pull {name}.{_by_hand(request)}")


def _by_hand(request: _Request) -> str:
    """How to get the file without us: what, from where, to which folder, by which command."""
    entry, address = request.entry, request.address
    if entry is None:
        return f" By hand: get {address.url}, and name the file by its path" if address else ""
    target = weights_folder() / entry.file
    if isinstance(entry.source, AuthorsFile):
        origin = entry.source
        return (
            f" By hand:\n  get   {origin.what}, licence: {entry.licence.name}\n"
            f"  from  {origin.url or f'{origin.page}, which links to {origin.host}'}\n"
            f'  then  {command()} weights convert FILE "{target}"\n'
            "A converted copy in a Hub repository of your own is found with INSTMATT_HUB_REPO=owner/repo"
        )
    assert address is not None
    urls = [replace(address, file=file).url for file in (address.file, *address.companions)]
    return " By hand:\n" + "".join(f"  get   {url}\n" for url in urls) + f"  into  {target.parent}"


def _verify(found: Found) -> None:
    """Refuse a file whose checksum is not what it must be; one that we downloaded is set aside."""
    if found.sha256 is None:
        return
    try:
        actual = sha256_of(found.path)
    except OSError as error:
        raise WeightsError(f"{found.path}: cannot be read ({error.strerror or error})") from error
    if actual == found.sha256:
        return
    message = f"{found.path}: refused, its sha256 is {actual} and should be {found.sha256}"
    if found.place in (CACHE, HUB):
        aside = hub.set_aside(found.path)
        raise WeightsError(f"{message}. It was set aside as {aside}; pull again, and if this repeats do not trust where it comes from")
    if found.place == IN_PACKAGE:
        raise WeightsError(f"{message}. Reinstall the package")
    raise WeightsError(f"{message}. Replace it, or if you want this very file name it by its path")
