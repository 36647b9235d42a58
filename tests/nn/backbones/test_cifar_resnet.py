import pytest
import torch
from torch import nn

from zorki.errors import RecipeError
from zorki.nn.backbones.cifar_resnet import CifarBlock, CifarResNet, PadShortcut


def test_option_a_by_hand():
    x = torch.arange(2 * 4 * 4, dtype=torch.float32).reshape(1, 2, 4, 4)
    y = PadShortcut(2)(x)
    assert y[0].tolist() == [
        [[0, 0], [0, 0]],
        [[0, 2], [8, 10]],
        [[16, 18], [24, 26]],
        [[0, 0], [0, 0]],
    ]


def test_option_a_keeps_odd_sizes_in_step_with_the_convolution():
    block = CifarBlock(4, 8, 2, "A")
    assert block(torch.randn(2, 4, 7, 9)).shape == (2, 8, 4, 5)


def test_option_a_has_no_parameters_and_b_has_few():
    with torch.device("meta"):
        a, b = CifarResNet(20), CifarResNet(20, shortcut="B")
    extra = sum(p.numel() for p in b.parameters()) - sum(p.numel() for p in a.parameters())
    assert extra == (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_depth_counts_the_layers_with_weights(depth):
    with torch.device("meta"):
        backbone = CifarResNet(depth)
    convolutions = sum(isinstance(layer, nn.Conv2d) for layer in backbone.modules())
    assert convolutions + 1 == depth  # and the linear layer of the head


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(RecipeError, match="6n \\+ 2"):
        CifarResNet(depth)


def test_a_block_of_zero_weights_is_the_shortcut():
    block = CifarBlock(4, 4, 1, "A").eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(1, 4, 5, 5)
    assert torch.equal(block(x), x.relu())
