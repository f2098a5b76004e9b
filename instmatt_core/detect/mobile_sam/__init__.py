"""MobileSAM, which draws the outline of somebody whose box and mask are known."""

from .look import OutlineLook

__all__ = ["OutlineLook"]
