"""E2E-HIM (Liu et al., "End-to-End Human Instance Matting", TCSVT 2023): all people of a picture in one pass, no detector."""

from .system import E2EHIM

__all__ = ["E2EHIM"]
