"""The authors' network's outputs on made-up pictures with deterministic weights, and those weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.conftest import SHARED
