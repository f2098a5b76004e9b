"""Spectrally normalised convolutions with the authors' keys: ``module.weight_bar``, ``module.weight_u``, ``module.weight_v``."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Kernel(nn.Module):
    """A kernel W divided by its spectral norm, sigma = u . (M v), where M is W as a matrix ``(dim 0, rest)``.

    In training each call makes one power iteration, which overwrites u and v. At inference they are used as stored.
    """

    def __init__(self, *shape: int):
        super().__init__()
        self.weight_u = nn.Parameter(F.normalize(torch.randn(shape[0]), dim=0), requires_grad=False)
        self.weight_v = nn.Parameter(F.normalize(torch.randn(torch.Size(shape[1:]).numel()), dim=0), requires_grad=False)
        self.weight_bar = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))

    def forward(self) -> Tensor:
        matrix = self.weight_bar.flatten(1)
        if self.training:
            with torch.no_grad():
                self.weight_v.copy_(F.normalize(matrix.T @ self.weight_u, dim=0, eps=1e-12))
                self.weight_u.copy_(F.normalize(matrix @ self.weight_v, dim=0, eps=1e-12))
        # Clones, so that the next power iteration does not spoil this one's backward pass.
        return self.weight_bar / self.weight_u.clone().dot(matrix.mv(self.weight_v.clone()))


class SpectralConv(nn.Module):
    """Convolution without bias, padded to keep the size (halved by ``stride`` 2)."""

    def __init__(self, inp: int, out: int, k: int = 3, stride: int = 1):
        super().__init__()
        self.module = Kernel(out, inp, k, k)
        self.stride, self.padding = stride, k // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.module(), None, self.stride, self.padding)


class SpectralUpConv(nn.Module):
    """Transposed convolution 4 x 4 without bias that doubles the size; dim 0 of its kernel is the input's channels."""

    def __init__(self, inp: int, out: int):
        super().__init__()
        self.module = Kernel(inp, out, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.module(), None, 2, 1)
