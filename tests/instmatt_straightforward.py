"""InstMatt as the paper writes it, without any of the shortcuts: whole maps, whole windows, one instance after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from instmatt_core.guidance import sharpen, tri_masks
from instmatt_core.instances import InstanceMasks, share
from instmatt_core.matting.conventions import normalise
from instmatt_core.matting.instmatt import paper, system
from instmatt_core.matting.instmatt.fusion import fuse
from instmatt_core.matting.instmatt.network import InstMattNetwork, activate
from instmatt_core.matting.instmatt.padding import crop, pad
from instmatt_core.matting.instmatt.refinement import RIM
from instmatt_core.matting.instmatt.windows import choose, disagreement, window_side


def straightforward(network: InstMattNetwork, image: Tensor, instances: InstanceMasks, compat: str = "default") -> Tensor:
    """Alphas ``(K, H, W)``, as :class:`InstMatt` makes them."""
    if compat == "paper":
        small, masks = paper.shrink(image, instances.masks)
        return paper.finish(_matte(network, small, paper.tri_masks(masks), compat), instances.size)
    return share(_matte(network, image, tri_masks(sharpen(instances)).tri, compat))


def _matte(network: InstMattNetwork, image: Tensor, guides: Tensor, compat: str) -> Tensor:
    picture = pad(normalise(image))
    with torch.inference_mode():
        made = [network(picture[None], pad(guide)[None]) for guide in guides]
        os1, os4, os8, features = (torch.cat([getattr(m, name) for m in made]) for name in ("os1", "os4", "os8", "feature"))
        del made
        fused, unknown = fuse(os1, os4, os8)
        good = ~system.duplicates(fused[:, 0])
        if good.any():
            refined = _refine(network, picture, fused, features, unknown, good, compat)
            fused[good] = torch.where(unknown[good][:, None], refined, fused[good])
    return crop(fused[:, 0], (image.shape[1], image.shape[2]))


def _refine(
    network: InstMattNetwork, picture: Tensor, fused: Tensor, features: Tensor, unknown: Tensor, good: Tensor, compat: str
) -> Tensor:
    side = window_side(int(good.sum()), (picture.shape[1], picture.shape[2]))
    windows = choose(disagreement(fused).numpy(), side)
    alphas, features, counted = fused[good], features[good], unknown[good] | (compat == "paper")
    written = torch.ones(len(alphas), dtype=torch.bool)
    for _ in range(system.PASSES[compat]):
        change = torch.zeros(len(alphas))
        for top, left in windows:
            window = (..., slice(top, top + side), slice(left, left + side))
            inner = (..., slice(top + RIM, top + side - RIM), slice(left + RIM, left + side - RIM))
            new = activate(network.refiner(picture[window], alphas[window], features[window]))[..., RIM:-RIM, RIM:-RIM]
            moved = ((new[:, 0] - alphas[:, 0][inner]).abs() * counted[inner]).flatten(1).amax(1)
            change = torch.maximum(change, moved * written)
            alphas[inner] = torch.where(written[:, None, None, None], new, alphas[inner])
        written = change > system.CHANGED
        if not written.any():
            break
    return alphas
