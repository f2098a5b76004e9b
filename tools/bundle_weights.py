"""Make a bundled file of weights that ``instmatt train --export`` wrote: large kernels as int8, half the size.

    python tools/bundle_weights.py EXPORTED.safetensors NAME [--average OTHER.safetensors --share 0.75]

NAME.safetensors is written into the package's folder of bundled weights; its entry in ``instmatt_core/weights/catalogue.py`` wants the
size and the checksum that are printed. ``--average`` mixes in other weights of the same network.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from instmatt_core.weights import read_safetensors
from instmatt_core.weights.bundled import FOLDER
from instmatt_core.weights.packed import pack


def mixed(state: dict[str, Tensor], other: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """``share`` of ``state``, the rest of ``other``."""
    if state.keys() != other.keys():
        raise SystemExit(f"the two have not the same tensors: {', '.join(sorted(state.keys() ^ other.keys())[:5])}, ...")
    return {key: share * value.float() + (1 - share) * other[key].float() for key, value in state.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exported", type=Path)
    parser.add_argument("name")
    parser.add_argument("--average", type=Path, metavar="OTHER")
    parser.add_argument("--share", type=float, default=0.75, help="of EXPORTED in the average (default: %(default)s)")
    options = parser.parse_args()
    with safe_open(options.exported, "pt") as file:
        notes = file.metadata()
    state = read_safetensors(options.exported, notes["system"])
    if options.average:
        state = mixed(state, read_safetensors(options.average, notes["system"]), options.share)
        notes["averaged"] = f"{options.share} of the weights of this run, the rest of {options.average.name}"
    data = save(pack(state, rounded=True), notes | {"licence": "Apache-2.0"})
    path = FOLDER / f"{options.name}.safetensors"
    path.write_bytes(data)
    print(f"{path}: {sum(value.numel() for value in state.values()):_} parameters")
    print(f'size={len(data):_},\nsha256="{hashlib.sha256(data).hexdigest()}",')


if __name__ == "__main__":
    main()
