"""Upsampling: sizes, where pixels go, and how the layers start."""

import pytest
import torch
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.layers.upsample import (
    UPSAMPLING,
    PixelShuffle,
    TransposedConvolution,
    pool_with_indices,
    upsample,
)


def answer(layer, x, size=None):
    if not layer.needs_indices:
        return layer(x, size)
    finer = torch.rand(
        x.shape[0], layer.channels_out, *(size or (x.shape[2] * layer.factor, x.shape[3] * layer.factor))
    )
    return layer(x, size, pool_with_indices(finer, layer.factor)[1])


@pytest.mark.parametrize("way", UPSAMPLING)
@pytest.mark.parametrize(("channels_in", "channels_out"), [(4, 4), (6, 3)])
@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_every_way_is_factor_times_larger_and_learns(way, channels_in, channels_out, factor):
    layer = upsample(way, channels_in, channels_out, factor)
    x = torch.rand(2, channels_in, 5, 7, requires_grad=True)
    y = answer(layer, x)
    assert y.shape == (2, channels_out, 5 * factor, 7 * factor)
    y.square().sum().backward()
    assert bool(x.grad.any())
    assert all(p.grad is not None and bool(p.grad.any()) for p in layer.parameters())


@pytest.mark.parametrize("way", UPSAMPLING)
def test_every_way_goes_to_a_size_that_the_factor_does_not_divide(way):
    assert answer(upsample(way, 4, 3), torch.rand(1, 4, 5, 7), (11, 15)).shape == (1, 3, 11, 15)


@pytest.mark.parametrize("way", [way for way in UPSAMPLING if way not in ("transposed", "pixel_shuffle", "unpool")])
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_interpolating_ways_start_aligned_with_torch(way, factor):
    """Between the centers of pixels; the transposed convolution fades out at the edge, where it sums nothing up."""
    x = torch.rand(1, 2, 5, 6)
    mode = {"nearest": {"mode": "nearest"}}.get(way, {"mode": "bilinear", "align_corners": False})
    wanted = functional.interpolate(x, scale_factor=factor, **mode)
    inside = (..., slice(factor, -factor), slice(factor, -factor))
    assert torch.allclose(upsample(way, 2, 2, factor)(x)[inside], wanted[inside], atol=1e-6)


def test_a_bilinear_kernel_by_hand():
    kernel = TransposedConvolution(1, 1, 2, bilinear=True).convolution.weight[0, 0]
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    assert torch.allclose(kernel, line[:, None] * line)


def test_channels_are_mixed_alike_at_every_place_of_a_bilinear_kernel():
    weight = TransposedConvolution(3, 5, 2, bilinear=True).convolution.weight
    assert torch.allclose(weight * weight[0, 0, 1, 1], weight[:, :, 1:2, 1:2] * weight[0, 0], atol=1e-6)


def test_a_transposed_kernel_as_large_as_the_factor_paints_its_own_patch():
    layer = TransposedConvolution(1, 1, 2)
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 1, 2] = 1
    painted = (layer(x) - layer(torch.zeros_like(x)))[0, 0].nonzero()
    assert painted.amin(0).tolist() == [2, 4]
    assert painted.amax(0).tolist() == [3, 5]


def test_spread_is_kept_by_layers_that_start_at_he():
    """He's variance: behind a ReLU half of the energy is left, and comes out again."""
    torch.manual_seed(0)
    x = torch.randn(4, 64, 24, 24).relu()
    for layer in (TransposedConvolution(64, 64), TransposedConvolution(64, 64, kernel=4), PixelShuffle(64, 64)):
        assert float(layer(x)[..., 4:-4, 4:-4].square().mean().detach()) == pytest.approx(1.0, rel=0.2)


def test_unpooling_puts_maxima_back():
    x = torch.tensor([[1.0, 2.0, 0.0, 0.0, 9.0], [3.0, 0.0, 5.0, 0.0, 9.0], [9.0] * 5])[None, None]
    pooled, indices = pool_with_indices(x)
    assert pooled.flatten().tolist() == [3, 5]
    back = upsample("unpool", 1, 1)(pooled, (3, 5), indices)
    assert back[0, 0].tolist() == [[0, 0, 0, 0, 0], [3, 0, 5, 0, 0], [0, 0, 0, 0, 0]]


def test_unpooling_without_indices_is_refused():
    layer = upsample("unpool", 4, 2)
    with pytest.raises(ValueError, match=r"indices, of shape \(1, 2, 3, 3\); got None"):
        layer(torch.rand(1, 4, 3, 3))
    with pytest.raises(ValueError, match=r"got \(1, 4, 3, 3\)"):
        layer(torch.rand(1, 4, 3, 3), None, torch.zeros(1, 4, 3, 3, dtype=torch.long))


def test_pixel_shuffle_starts_without_a_pattern():
    """ICNR: the pixels that one pixel becomes are alike."""
    layer = PixelShuffle(3, 2, 3)
    y = layer(torch.rand(1, 3, 4, 5))
    assert torch.allclose(y, functional.interpolate(y[..., 1::3, 1::3], scale_factor=3.0, mode="nearest"), atol=1e-6)


def test_unknown_ways_are_refused():
    with pytest.raises(RecipeError, match=r"'bilinaer' is not known\. Did you mean bilinear"):
        upsample("bilinaer", 4, 4)
    with pytest.raises(RecipeError, match="at least 1"):
        upsample("nearest", 4, 4, 0)
    with pytest.raises(ValueError, match="kernel of 3"):
        TransposedConvolution(1, 1, 2, kernel=3)
