from collections import OrderedDict

import pytest
import torch
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool, LastLevelP6P7

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.necks.fpn import FeaturePyramid, pyramid_published
from zorki.weights.weight_map import WeightMap


class Maps(Backbone):
    """A backbone that has nothing to learn: maps of chance."""

    strides = (4, 8, 16, 32)
    channels = (3, 5, 7, 9)

    def forward(self, x):
        generator = torch.Generator().manual_seed(0)
        sizes = [(x.shape[2] // s, x.shape[3] // s) for s in self.strides]
        return [torch.randn(2, c, *size, generator=generator) for c, size in zip(self.channels, sizes, strict=True)]

    def stages(self):
        return []


class Owner(torch.nn.Module):
    def __init__(self, neck):
        super().__init__()
        self.neck = neck


IMAGE = torch.zeros(2, 3, 96, 160)


@pytest.mark.parametrize("extra", ["conv", "pool"])
def test_maps_are_torchvisions(extra):
    torch.manual_seed(0)
    blocks = LastLevelP6P7(8, 8) if extra == "conv" else LastLevelMaxPool()
    theirs = FeaturePyramidNetwork([5, 7, 9], 8, blocks)
    strides = (8, 16, 32, 64, 128) if extra == "conv" else (8, 16, 32, 64)
    owner = Owner(FeaturePyramid(Maps(), strides, 8, extra=extra))
    published = WeightMap(pyramid_published(3))
    state = {published.rename(f"backbone.fpn.{name}", owner): value for name, value in theirs.state_dict().items()}
    owner.load_state_dict(state)
    maps = Maps()(IMAGE)
    wanted = list(theirs(OrderedDict((str(i), m) for i, m in enumerate(maps[1:]))).values())
    found = owner.neck(maps)
    assert owner.neck.strides == strides
    assert len(found) == len(wanted)
    for ours, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, other)


def test_older_names_of_weights_are_known():
    owner = Owner(FeaturePyramid(Maps(), (8, 16), 8))
    published = WeightMap(pyramid_published(2))
    assert published.rename("backbone.fpn.inner_blocks.1.weight", owner) == "neck.inner.1.weight"
    assert published.rename("backbone.fpn.layer_blocks.0.0.bias", owner) == "neck.outer.0.bias"
    assert published.rename("backbone.body.conv1.weight", owner) == "backbone.conv1.weight"


def test_strides_finer_than_the_backbones_are_left_out():
    neck = FeaturePyramid(Maps(), (2, 4, 8, 16, 32, 64), 8)
    assert neck.strides == (4, 8, 16, 32, 64)
    maps = neck(Maps()(IMAGE))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 24, 40), (8, 12, 20), (8, 6, 10), (8, 3, 5), (8, 2, 3)]


def test_maps_that_do_not_halve_evenly_are_met():
    neck = FeaturePyramid(Maps(), (8, 16, 32), 8)
    maps = neck(Maps()(torch.zeros(2, 3, 100, 156)))
    assert [tuple(m.shape[2:]) for m in maps] == [(12, 19), (6, 9), (3, 4)]


def test_every_block_learns():
    neck = FeaturePyramid(Maps(), (4, 8, 16, 32, 64, 128), 8)
    sum(m.square().mean() for m in neck(Maps()(IMAGE))).backward()
    assert [name for name, parameter in neck.named_parameters() if parameter.grad is None] == []


def test_a_backbone_without_such_maps_is_refused():
    with pytest.raises(RecipeError, match=r"strides \(4, 8, 16, 32\)"):
        FeaturePyramid(Maps(), (64, 128), 8)


def test_maps_of_one_pixel_are_halved_in_float32():
    """OneDNN's bfloat16 gradient of a strided kernel holds there whatever was in memory."""
    torch.manual_seed(0)
    neck = FeaturePyramid(Maps(), (8, 16, 32, 64, 128), 32)
    maps = Maps()(torch.zeros(2, 3, 32, 32))
    with torch.autocast("cpu", torch.bfloat16):
        answers = neck(maps)
    assert [m.dtype for m in answers[3:]] == [torch.float32] * 2
    torch.stack([m.float().square().mean() for m in answers]).sum().backward()
    rough = [p.grad.clone() for p in neck.extra.parameters()]
    neck.zero_grad()
    torch.stack([m.square().mean() for m in neck(maps)]).sum().backward()
    for a, b in zip(rough, (p.grad for p in neck.extra.parameters()), strict=True):
        assert torch.allclose(a, b, atol=0.05 * float(b.abs().max()))
