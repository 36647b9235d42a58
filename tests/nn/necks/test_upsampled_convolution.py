import pytest
import torch
from torch.nn import functional

from zorki.nn.necks.upsampled_convolution import UpsampledConv2d


def plain(layer, x, skip, size):
    """The large map and the joined one, written out."""
    large = functional.interpolate(x, size, mode="nearest")
    joined = large if skip is None else torch.cat([large, skip], 1)
    return functional.conv2d(joined, layer.weight, layer.bias, padding=1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("skip_channels", [0, 4])
@pytest.mark.parametrize(("small", "size"), [((16, 14), (32, 28)), ((3, 5), (6, 10)), ((15, 14), (29, 27))])
def test_it_is_a_convolution_of_the_enlarged_map_and_the_skip(bias, skip_channels, small, size):
    torch.manual_seed(0)
    layer = UpsampledConv2d(5, skip_channels, 6, bias=bias).double()
    x = torch.randn(2, 5, *small, dtype=torch.float64, requires_grad=True)
    skip = torch.randn(2, skip_channels, *size, dtype=torch.float64, requires_grad=True) if skip_channels else None
    size = size if skip_channels else (2 * small[0], 2 * small[1])
    inputs = [x, layer.weight, *([skip] if skip_channels else []), *([layer.bias] if bias else [])]
    output, wanted = layer(x, skip), plain(layer, x, skip, size)
    assert output.shape == wanted.shape == (2, 6, *size)
    assert torch.allclose(output, wanted, atol=1e-12)
    slope = torch.randn_like(wanted)
    for ours, theirs in zip(
        torch.autograd.grad(output, inputs, slope), torch.autograd.grad(wanted, inputs, slope), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-10)


def test_large_maps_go_without_the_enlarged_one():
    """Which is the point of it: the numbers that a step keeps for the way back."""
    layer = UpsampledConv2d(8, 0, 2)
    kept = 0

    def count(tensor):
        nonlocal kept
        kept = max(kept, tensor.numel())
        return tensor

    x = torch.randn(1, 8, 32, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        layer(x)
    assert kept == x.numel()


def test_joined_kernels_keep_the_precision_of_the_weights_under_autocast():
    torch.manual_seed(0)
    layer = UpsampledConv2d(4, 0, 3)
    x = torch.randn(1, 4, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(x)
    assert output.dtype == torch.bfloat16
    assert torch.allclose(output.float(), layer(x), atol=0.03)
