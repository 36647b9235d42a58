import pytest
import torch
from torch import nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone
from zorki.nn.layers.upsample import UPSAMPLING
from zorki.nn.necks.unet_decoder import UNetBlock, UNetDecoder


class Maps(Backbone):
    """A backbone of strides alone."""

    def __init__(self, channels, strides):
        super().__init__()
        self.channels, self.strides = channels, strides

    def forward(self, x):
        return [torch.randn(1, c, x.shape[2] // s, x.shape[3] // s) for c, s in zip(self.channels, self.strides)]

    def stages(self):
        return [nn.Identity()]


def test_as_the_plain_way_of_writing_it():
    """Enlarge, join, convolve, norm, ReLU, and again: block by block with the same weights."""
    torch.manual_seed(0)
    network = Maps((4, 6, 8, 10), (2, 4, 8, 16))
    decoder = UNetDecoder(network, (9, 7, 5, 3)).eval()
    maps = network(torch.zeros(1, 3, 512, 256))
    x = maps[-1]
    for block, skip in zip(decoder.blocks, [*maps[2::-1], None], strict=True):
        x = functional.interpolate(x, scale_factor=2, mode="nearest")
        x = x if skip is None else torch.cat([x, skip], 1)
        for convolution, norm in ((block.conv1, block.norm1), (block.conv2, block.norm2)):
            x = functional.relu(norm(functional.conv2d(x, convolution.weight, padding=1)))
    answer = decoder(maps)
    assert answer.shape == (1, 3, 512, 256)
    assert (decoder.channels, decoder.stride) == (3, 1)
    assert torch.allclose(answer, x, atol=1e-5)


def test_resnet18_decoder_has_the_usual_parameters():
    """Convolutions of 3x3 without bias and norms: (768 + 256) -> 256, (384 + 128) -> 128, ... written out."""
    decoder = UNetDecoder(backbone("resnet18"))
    widths, befores = (256, 128, 64, 32, 16), (512 + 256, 256 + 128, 128 + 64, 64 + 64, 32)
    wanted = sum(9 * (into + out) * out + 4 * out for into, out in zip(befores, widths, strict=True))
    assert sum(p.numel() for p in decoder.parameters()) == wanted == 3_151_552


@pytest.mark.parametrize("upsampling", UPSAMPLING)
@pytest.mark.parametrize("size", [(6, 10), (5, 9)])
def test_every_way_up_predictions_at_the_size_of_the_skip(upsampling, size):
    block = UNetBlock(4, 3, 5, upsampling=upsampling)
    x, skip = torch.randn(2, 4, 3, 5), torch.randn(2, 3, *size)
    answer = block(x, skip)
    assert answer.shape == (2, 5, *size)
    answer.sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    alone = UNetBlock(4, 0, 5, upsampling=upsampling)
    assert alone(x).shape == (2, 5, 6, 10)


def test_steps_go_where_the_backbone_has_maps_and_where_it_has_none():
    decoder = UNetDecoder(Maps((8, 16, 16, 32), (4, 8, 8, 32)), (20, 10, 5))
    assert decoder.taps == [None, 2, 0, None, None], "strides 16, 8, 4, 2, 1; the last map of stride 8"
    assert [block.conv2.out_channels for block in decoder.blocks] == [20, 20, 20, 10, 5]
    short = UNetDecoder(Maps((8, 16), (2, 8)), finest=2)
    assert (short.stride, short.channels) == (2, 16)
    assert [block.conv2.out_channels for block in short.blocks] == [32, 16]
    assert UNetDecoder(Maps((8,), (14,))).stride == 7, "an odd stride is not halved"


def test_what_leaves_nothing_to_do_is_refused():
    with pytest.raises(RecipeError, match="finest is 16; expected less than 16"):
        UNetDecoder(Maps((8,), (16,)), finest=16)
    with pytest.raises(RecipeError, match="widths are"):
        UNetDecoder(Maps((8,), (16,)), ())
    with pytest.raises(RecipeError, match="Did you mean bilinear"):
        UNetDecoder(Maps((8,), (16,)), upsampling="bilinar")
