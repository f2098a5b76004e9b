from .detector import People

__all__ = ["People"]
