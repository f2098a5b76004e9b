"""ComfyUI nodes, one file per step; each a thin adapter over instmatt_core."""
