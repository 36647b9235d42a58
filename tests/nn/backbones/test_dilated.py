"""Dilated backbones: torchvision's maps, and the law that they output at some places what they predicted before."""

import pytest
import torch
from torch import nn

from zorki.errors import RecipeError
from zorki.nn.backbones.dilated import dilate, dilated_backbone
from zorki.nn.backbones.mobilenet import MobileNetV3
from zorki.nn.backbones.named import backbone
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.backbones.vgg import Vgg


def maps_of(network, *size):
    with torch.no_grad():
        return network.eval()(torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)))


def twins(name, output_stride):
    """A backbone and the same dilated, with equal weights."""
    torch.manual_seed(0)
    plain = backbone(name)
    dilated = dilated_backbone(name, output_stride)
    dilated.load_state_dict(plain.state_dict())
    return plain, dilated


@pytest.mark.parametrize("output_stride", [8, 16])
def test_resnet50_has_torchvisions_maps(output_stride):
    from torchvision.models import resnet50

    torch.manual_seed(0)
    published = resnet50(replace_stride_with_dilation=[False, output_stride == 8, True]).eval()
    network = dilate(ResNet(50), output_stride)
    dilations = [[m.dilation for m in n.modules() if isinstance(m, nn.Conv2d)] for n in (network, published)]
    assert dilations[0] == dilations[1]
    network.load_state_dict({k: v for k, v in published.state_dict().items() if not k.startswith("fc.")})
    wanted = nn.Sequential(*list(published.children())[:-2])
    x = torch.rand(1, 3, 65, 97, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(network.eval()(x)[-1], wanted(x), rtol=1e-4, atol=1e-4)
    assert network.strides == (2, 4, 8, *((8, 8) if output_stride == 8 else (16, 16)))


def test_mobilenet_has_torchvisions_maps():
    from torchvision.models import mobilenet_v3_large

    torch.manual_seed(0)
    published = mobilenet_v3_large(dilated=True).eval()
    network = dilate(MobileNetV3("large"), 16, early=True)
    network.load_state_dict({k: v for k, v in published.state_dict().items() if k.startswith("features.")})
    with torch.no_grad():
        x = torch.rand(1, 3, 65, 97, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(network.eval()(x)[-1], published.features(x), atol=1e-5)


# Networks without global pooling, how many places are predicted for one, and which of them is the first old one.
EXACT = [
    ("resnet18", 8, 4, 0),
    ("resnet34", 16, 2, 0),
    ("resnet50", 4, 8, 0),
    ("squeezenet1_0", 8, 2, 1),
    ("squeezenet1_1", 4, 4, 3),
    ("vgg11", 16, 2, 0),
    ("vgg11", 8, 4, 1),
    ("darknet53", 8, 4, 0),
]


@pytest.mark.parametrize(("name", "output_stride", "step", "first"), EXACT)
def test_every_few_places_the_prediction_is_the_old_one(name, output_stride, step, first):
    plain, dilated = twins(name, output_stride)
    old, new = maps_of(plain, 128, 160)[-1], maps_of(dilated, 128, 160)[-1]
    same = new[:, :, first::step, first::step]
    assert same.shape == old.shape
    assert float(old.std()) > 0
    assert torch.allclose(same, old, atol=1e-4 * float(old.abs().max()))


@pytest.mark.parametrize(
    ("name", "output_stride"),
    [*((name, stride) for name, stride, *_ in EXACT), ("mobilenet_v3_small", 8), ("mobilenet_v3_large", 16),
     ("vgg16_bn", 8), ("darknet24", 16), ("timm:resnet10t", 8), ("timm:convnext_atto", 16)],
)  # fmt: skip
def test_strides_and_channels_are_true(name, output_stride):
    with torch.device("meta"):
        network = dilated_backbone(name, output_stride).eval()
    assert max(network.strides) == network.strides[-1] == output_stride
    small, large = (network(torch.empty(1, 3, side, side, device="meta")) for side in (256, 320))
    assert tuple(one.shape[1] for one in small) == network.channels
    for one, other, stride in zip(small, large, network.strides, strict=True):
        assert other.shape[2] - one.shape[2] == 64 // stride


def test_a_tiny_image_gives_finite_numbers():
    """A window of a dilated pool that sees padding alone would output minus infinity."""
    for name in ("vgg11", "squeezenet1_1"):
        maps = maps_of(dilated_backbone(name, 8), 40, 33)
        assert all(bool(one.isfinite().all()) for one in maps)


def test_a_stride_that_is_the_backbones_own_changes_nothing():
    network = Vgg("A")
    before = str(network)
    assert str(dilate(network, 32)) == before


def test_training_mode_stays():
    network = ResNet(18)
    assert dilate(network, 8).training
    assert not dilate(ResNet(18).eval(), 8).training
    assert not network.conv1.weight.is_meta


def test_what_cannot_be_dilated_is_refused():
    with pytest.raises(RecipeError, match="squeezenet has maps of strides 2, 4, 8, 16; an output stride of 32"):
        dilated_backbone("squeezenet", 32)
    with pytest.raises(RecipeError, match="no backbone is named"):
        dilated_backbone("squeezenat", 8)
    with pytest.raises(RecipeError, match="timm:densenet121 cannot be had with an output stride of 8"):
        dilated_backbone("timm:densenet121", 8)
    with pytest.raises(RecipeError, match="an output stride of 64"):
        dilated_backbone("timm:resnet10t", 64)
    averaging = Vgg("A")
    averaging.features[15] = nn.AvgPool2d(2)
    with pytest.raises(RecipeError, match=r"its layer features\.15 \(AvgPool2d of kernel 2"):
        dilate(averaging, 8)
