"""Scores: errors of one matte (errors.py), instance matting quality (imq.py), E2E-HIM's (him.py), a whole folder (evaluation.py)."""

from .errors import MatteErrors, conn, grad, mad, mse, sad
from .evaluation import Evaluation, evaluate_folders
from .him import HIM
from .imq import IMQ

__all__ = ["HIM", "IMQ", "Evaluation", "MatteErrors", "conn", "evaluate_folders", "grad", "mad", "mse", "sad"]
