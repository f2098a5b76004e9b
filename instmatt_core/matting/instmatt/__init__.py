"""InstMatt (CVPR 2022): tri-masks to tri-mattes, then everyone's mattes refined together."""

from .system import InstMatt, TriMattes

__all__ = ["InstMatt", "TriMattes"]
