"""``python -m instmatt_core``, or ``python PATH/TO/instmatt_core`` where the package is not installed, as in ComfyUI."""

import sys
from pathlib import Path

if not __package__:  # run by its path: the folder itself is on the search path, not the one above
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from instmatt_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
