from .detector import BlazePose

__all__ = ["BlazePose"]
