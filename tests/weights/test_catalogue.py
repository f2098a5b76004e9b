"""The catalogue tells the truth about what can be checked here."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from instmatt_core.errors import WeightsError
from instmatt_core.weights.bundled import load_bundled
from instmatt_core.weights.catalogue import CATALOGUE, AuthorsFile, Bundled, HubFile, find_entry
from instmatt_core.weights.check import manifest, systems
from instmatt_core.weights.store import PACKAGE, sha256_of


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if isinstance(entry.source, Bundled)])
def test_bundled_entries_describe_the_bundled_files(name: str) -> None:
    entry = CATALOGUE[name]
    assert isinstance(entry.source, Bundled)
    path = PACKAGE / f"{entry.source.stem}.safetensors"
    assert (path.stat().st_size, sha256_of(path)) == (entry.size, entry.sha256)
    assert sum(value.numel() for value in load_bundled(entry.source.stem).values()) == entry.parameters


def test_every_bundled_file_has_an_entry() -> None:
    stems = {entry.source.stem for entry in CATALOGUE.values() if isinstance(entry.source, Bundled)}
    assert stems == {path.stem for path in PACKAGE.glob("*.safetensors")}


def test_the_documentation_lists_what_is_bundled() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "weights.md").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("| bundled |"))
    assert set(re.findall("`(.+?)`", line)) == {name for name, entry in CATALOGUE.items() if isinstance(entry.source, Bundled)}


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if isinstance(entry.source, AuthorsFile)])
def test_authors_entries_have_a_list_of_tensors_and_its_number_of_parameters(name: str) -> None:
    entry = CATALOGUE[name]
    assert entry.system in systems()
    frozen = ".norm." if name == "mask-rcnn" else "running_"  # buffers, not parameters
    counted = (math.prod(shape) for key, (kind, shape) in manifest(entry.system).items() if kind == "float32" and frozen not in key)
    assert sum(counted) == entry.parameters


def test_hub_entries_are_pinned_to_a_commit_or_to_nothing() -> None:
    sources = [entry.source for entry in CATALOGUE.values() if isinstance(entry.source, HubFile)]
    assert len(sources) == 5
    assert all(source.revision is None or re.fullmatch("[0-9a-f]{40}", source.revision) for source in sources)


def test_an_unknown_name() -> None:
    with pytest.raises(WeightsError, match="did you mean instmatt"):
        find_entry("instmat")
    with pytest.raises(WeightsError, match="known: yolox-nano, "):
        find_entry("vgg")
