"""YOLOX-Nano: boxes of people in photographs, learned from COCO."""

from .detector import YOLOX

__all__ = ["YOLOX"]
