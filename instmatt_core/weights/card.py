"""Upload converted weights with a model card."""

from __future__ import annotations

from pathlib import Path

from ..errors import WeightsError
from .catalogue import AuthorsFile, Weights, entry_of
from .hub import HubAddress, upload
from .store import sha256_of

_CARD = """\
---
license: {hub_licence}
library_name: instmatt
pipeline_tag: image-segmentation
tags:
- image-matting
- {system}
---

# {title}

Weights of **{system}** ({architecture}), converted to safetensors. Nothing but the container was changed: keys and values are the
authors'.

| | |
|---|---|
| source | {source_file}, from {source_page} |
| sha256 of the source | `{source_sha256}` |
| sha256 of this file | `{sha256}` |
| licence | {licence} |
| parameters | {parameters:,} |
| trained on | {trained_on} |
| figures | {figures} |
| converted | {date}, {converter} |

All rights remain with the authors; cite their paper, not this copy.

```python
import instmatt_core.weights as weights

state = weights.load_weights("hf:{repo}/{file}", system="{system}")
```
"""


def push(path: Path, repo: str, *, private: bool = True, insist: bool = False) -> HubAddress:
    """Upload a converted file and a model card to ``owner/name``; returns the address, pinned to the new commit.

    Raises:
        WeightsError: not a converted file; the licence does not allow it and the user does not insist; or the Hub refuses.
    """
    metadata = _metadata(path)
    entry = entry_of(metadata["system"])
    if entry is None:
        raise WeightsError(f"{path}: weights of {metadata['system']}, which the catalogue does not know, nor their licence")
    if not entry.licence.sharing and not insist:
        page = entry.source.page if isinstance(entry.source, AuthorsFile) else "the authors"
        raise WeightsError(
            f"{path}: not uploaded, the licence of these weights ({entry.licence.name}) is not known to allow passing them on; ask"
            f" {page}, and if you may do it say --insist"
        )
    card = model_card(path, repo, metadata, entry).encode()
    commit = upload(repo, {path.name: path, "README.md": card}, f"Add {path.name}", private=private)
    return HubAddress(repo, path.name, commit)


def model_card(path: Path, repo: str, metadata: dict[str, str], entry: Weights) -> str:
    """The README of a repository, with licence and source filled in."""
    facts = {**metadata, "title": path.stem, "repo": repo, "file": path.name, "sha256": sha256_of(path)}
    return _CARD.format_map(
        {
            **facts,
            "hub_licence": entry.licence.hub,
            "licence": entry.licence.name,
            "parameters": entry.parameters,
            "trained_on": entry.trained_on,
            "figures": entry.figures,
        }
    )


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a safetensors file, or damaged ({error})") from error
    needed = ("system", "architecture", "source_file", "source_page", "source_sha256", "date", "converter")
    if missing := [key for key in needed if key not in metadata]:
        raise WeightsError(f"{path}: not made by instmatt weights convert (its metadata lack {', '.join(missing)})")
    return metadata
