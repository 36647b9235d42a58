from types import SimpleNamespace

import pytest
import torch

from zorki.errors import RecipeError
from zorki.nn.backbones.named import (
    BACKBONES,
    IMAGENET,
    backbone,
    backbone_published,
    backbone_statistics,
    backbone_weights,
    check_backbone,
)
from zorki.nn.layers.initialize import without_values
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD


@pytest.mark.parametrize("name", BACKBONES)
def test_every_name_is_built_and_has_maps(name):
    with without_values():
        network = backbone(name)
    assert len(network.channels) == len(network.strides) > 0
    assert list(network.strides) == sorted(network.strides)
    assert network.stages()


@pytest.mark.parametrize(
    "name", ["squeezenet", "mobilenet_v3_small", "resnet18", "cifar_resnet20", "conv4", "timm:resnet18"]
)
def test_maps_are_what_they_claim(name):
    network = backbone(name).eval()
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, 64, 96))
    assert [m.shape[1] for m in maps] == list(network.channels)


def test_every_name_has_published_weights_that_exist():
    import torchvision

    assert set(IMAGENET) <= set(BACKBONES)
    for source in IMAGENET.values():
        kind, _, word = source.removeprefix("torchvision:").partition(".")
        assert word in getattr(torchvision.models, kind).__members__


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean resnet50"):
        backbone("resnet5")
    with pytest.raises(RecipeError, match="Did you mean squeezenet"):
        check_backbone("squeezenett")
    with pytest.raises(RecipeError, match="timm has no network named"):
        backbone("timm:resnet5000")


def test_networks_without_feature_maps_are_refused(monkeypatch):
    monkeypatch.setattr(
        "zorki.nn.backbones.timm_backbone.TimmBackbone", lambda name, any_size: SimpleNamespace(channels=())
    )
    with pytest.raises(RecipeError, match="timm:resnet18 gives no feature maps"):
        backbone("timm:resnet18")


@pytest.mark.parametrize("name", ["timm:vit_tiny_patch16_224", "timm:swin_tiny_patch4_window7_224"])
def test_transformers_stretch_to_images_of_any_size(name):
    network = backbone(name).eval()
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, 64, 96))
    assert [m.shape[1:] for m in maps] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]


def test_networks_for_one_size_are_refused():
    with pytest.raises(RecipeError, match="takes images of one size only"):
        backbone("timm:hiera_tiny_224")


def test_names_statistics_and_weights():
    assert backbone_published("timm:resnet18") == {"": "backbone.network."}
    assert backbone_published("resnet18") == {}
    assert backbone_statistics("resnet18") == (IMAGENET_MEAN, IMAGENET_STD)
    assert backbone_statistics("timm:resnetv2_50x1_bit.goog_in21k") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert backbone_weights("resnet18") == {"imagenet": IMAGENET["resnet18"]}
    assert backbone_weights("timm:resnet18") == {"imagenet": "timm:resnet18"}
