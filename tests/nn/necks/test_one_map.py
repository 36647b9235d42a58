import pytest
import torch

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import last_maps
from zorki.nn.backbones.named import backbone
from zorki.nn.necks.one_map import OneMap, drop_later_maps

NAMES = ["squeezenet", "resnet18", "vgg11", "mobilenet_v3_small", "darknet53"]
TIMM = ["timm:resnet10t", "timm:convnext_atto", "timm:mobilenetv3_small_050", "timm:efficientnet_b0"]


@pytest.mark.parametrize("name", [*NAMES, *TIMM])
def test_the_maps_that_stay_are_the_same(name):
    whole, short = backbone(name).eval(), backbone(name).eval()
    short.load_state_dict(whole.state_dict())
    tap = last_maps(whole)[8]
    drop_later_maps(short, tap)
    assert short.strides == whole.strides[: tap + 1]
    with torch.no_grad():
        pixels = torch.randn(1, 3, 64, 64)
        wanted, found = whole(pixels), short(pixels)
    assert [one.shape[1] for one in found[: tap + 1]] == list(short.channels)
    assert all(torch.equal(a, b) for a, b in zip(wanted[: tap + 1], found, strict=False))
    counts = [sum(parameter.numel() for parameter in network.parameters()) for network in (short, whole)]
    assert counts[0] < counts[1]
    assert sum(p.numel() for stage in short.stages() for p in stage.parameters()) == counts[0]


@pytest.mark.parametrize("name", [*NAMES, *TIMM, "timm:hgnetv2_b0", "timm:vgg11"])
def test_the_last_map_reads_every_layer(name):
    network = backbone(name).train()
    sum(one.sum() for one in network(torch.randn(2, 3, 64, 64))).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_the_deepest_map_of_each_stride():
    network = backbone("squeezenet")
    network.strides = (2, 4, 4, 8)
    assert last_maps(network) == {2: 0, 4: 2, 8: 3}
    assert OneMap(network, 4).tap == 2
    with pytest.raises(RecipeError, match="none of stride 64"):
        OneMap(network, 64)
