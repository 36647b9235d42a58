"""What every backbone promises: channels, strides, least size, stages."""

import pytest
import torch
from torch import nn

from zorki.errors import RecipeError
from zorki.nn.backbones.alexnet import AlexNet, AlexNetTorchvision
from zorki.nn.backbones.backbone import run_with_taps, with_channels
from zorki.nn.backbones.cifar_resnet import CifarResNet
from zorki.nn.backbones.googlenet import GoogLeNet
from zorki.nn.backbones.lenet import LeNet5
from zorki.nn.backbones.mobilenet import MobileNetV3
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.backbones.squeezenet import SqueezeNet
from zorki.nn.backbones.vgg import Vgg
from zorki.nn.backbones.vit import Vit

BACKBONES = {
    "lenet5": lambda: LeNet5(3),
    "alexnet": lambda: AlexNet(),
    "alexnet_one_group": lambda: AlexNet(groups=1),
    "alexnet_torchvision": lambda: AlexNetTorchvision(),
    "vgg_a": lambda: Vgg("A"),
    "vgg_b": lambda: Vgg("B"),
    "vgg_c": lambda: Vgg("C"),
    "vgg_d_bn": lambda: Vgg("D", batch_norm=True),
    "vgg_e": lambda: Vgg("E"),
    "googlenet": lambda: GoogLeNet(),
    "resnet18": lambda: ResNet(18),
    "resnet34": lambda: ResNet(34),
    "resnet50": lambda: ResNet(50),
    "resnet101": lambda: ResNet(101),
    "resnet152": lambda: ResNet(152),
    "cifar_resnet20": lambda: CifarResNet(20),
    "cifar_resnet110_b": lambda: CifarResNet(110, shortcut="B"),
    "squeezenet1_0": lambda: SqueezeNet("1_0"),
    "squeezenet1_1": lambda: SqueezeNet("1_1"),
    "mobilenet_v3_small": lambda: MobileNetV3("small"),
    "mobilenet_v3_large": lambda: MobileNetV3("large"),
    "vit": lambda: Vit(patch=16, depth=2, heads=2, width=32, hidden=64),
}


@pytest.fixture(params=BACKBONES)
def backbone(request):
    with torch.device("meta"):
        return BACKBONES[request.param]().eval()


def maps_of(backbone, height, width):
    return backbone(torch.empty(2, 3, height, width, device="meta"))


def test_channels_and_strides_are_true(backbone):
    small, large = maps_of(backbone, 224, 288), maps_of(backbone, 288, 352)
    assert tuple(one.shape[1] for one in small) == backbone.channels
    # 64 more pixels give 64 / stride more places, whatever the borders do.
    for one, other, stride in zip(small, large, backbone.strides, strict=True):
        assert other.shape[2] - one.shape[2] == other.shape[3] - one.shape[3] == 64 // stride
        assert one.shape[3] - one.shape[2] == 64 // stride
    if isinstance(backbone, Vgg | GoogLeNet | ResNet | CifarResNet | MobileNetV3 | Vit):  # padded: sizes divide exactly
        assert [one.shape[2] for one in small] == [224 // stride for stride in backbone.strides]
    assert list(backbone.strides) == sorted(backbone.strides)


def test_stages_hold_every_parameter_once(backbone):
    held = [parameter for stage in backbone.stages() for parameter in stage.parameters()]
    assert sorted(map(id, held)) == sorted(map(id, backbone.parameters()))


def test_stages_run_from_input_to_output():
    backbone = SqueezeNet("1_1")
    assert torch.equal(next(backbone.stages()[0].parameters()), backbone.features[0].weight)
    assert torch.equal(list(backbone.stages()[-1].parameters())[-1], list(backbone.features[-1].parameters())[-1])


@pytest.mark.parametrize(
    "name", ["alexnet", "alexnet_torchvision", "vgg_a", "googlenet", "resnet18", "squeezenet1_0", "squeezenet1_1"]
)
def test_least_size_is_the_least(name):
    backbone = BACKBONES[name]().eval()
    least = backbone.min_size
    with torch.no_grad():
        assert all(one.numel() for one in backbone(torch.zeros(1, 3, least, least)))
        if least > 1:
            with pytest.raises(RuntimeError):
                backbone(torch.zeros(1, 3, least - 1, least - 1))


def test_too_small_a_size_is_told_with_the_least():
    with torch.device("meta"), pytest.raises(RecipeError, match="size 31: the least size is 32"):
        Vgg("A").check_size(31, "vgg11")


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "resnet18", "googlenet"])
def test_other_channel_counts(name, channels):
    classes = {
        "squeezenet1_1": lambda: SqueezeNet("1_1", channels),
        "mobilenet_v3_small": lambda: MobileNetV3("small", channels),
        "resnet18": lambda: ResNet(18, channels),
        "googlenet": lambda: GoogLeNet(channels),
    }
    with torch.device("meta"):
        backbone = classes[name]()
    maps = backbone(torch.empty(2, channels, 64, 64, device="meta"))
    assert tuple(one.shape[1] for one in maps) == backbone.channels


def test_with_channels_keeps_the_rest():
    old = nn.Conv2d(3, 8, 5, stride=2, padding=1, bias=False)
    new = with_channels(old, 2)
    assert with_channels(old, 3) is old
    assert new.weight.shape == (8, 2, 5, 5)
    assert (new.stride, new.padding, new.bias) == ((2, 2), (1, 1), None)


def test_run_with_taps_stops_at_the_last_tap():
    class Forbidden(nn.Module):
        def forward(self, x):
            raise AssertionError("not to be run")

    layers = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Sigmoid(), Forbidden())
    x = torch.randn(1, 1, 4, 4)
    first, last = run_with_taps(layers, (0, 2), x)
    assert torch.equal(first, x.relu())
    assert torch.equal(last, nn.functional.max_pool2d(x.relu(), 2).sigmoid())


def test_initialization_keeps_the_signal():
    torch.manual_seed(0)
    backbone = Vgg("B").eval()
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        spreads = [float(one.std()) for one in backbone(x)]
    # The paper's Gaussian of deviation 0.01 leaves 1e-5 at the end.
    assert min(spreads) > 0.2
    assert max(spreads) < 10
