"""SIM (Sun, Tang, Tai, "Semantic Image Matting", CVPR 2021): a trimap and twenty classes of matting pattern to a matte."""

from .system import SIM

__all__ = ["SIM"]
