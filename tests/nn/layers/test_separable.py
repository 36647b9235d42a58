import pytest
import torch
from torch import nn

from zorki.nn.layers.separable import MapNorm2d, depthwise, separable_convolution, separable_linear, separable_output


def test_a_depthwise_filter_is_a_convolution_of_each_channel_alone():
    torch.manual_seed(0)
    layer, x = depthwise(3, stride=2), torch.randn(2, 3, 7, 9)
    alone = [nn.functional.conv2d(x[:, c : c + 1], layer.weight[c : c + 1], stride=2, padding=1) for c in range(3)]
    torch.testing.assert_close(layer(x), torch.cat(alone, 1))


@pytest.mark.parametrize("make", [separable_convolution, separable_linear, separable_output])
def test_weights_are_counted_as_mobilenets_have_them(make):
    weights = sum(layer.weight.numel() for layer in make(8, 20).modules() if isinstance(layer, nn.Conv2d))
    assert weights == 8 * (9 + 20)


def test_activations_lie_between_zero_and_six():
    torch.manual_seed(0)
    y = separable_convolution(4, 6)(100 * torch.randn(2, 4, 5, 5))
    assert (float(y.detach().min()), float(y.detach().max()) <= 6) == (0.0, True)
    assert float(separable_linear(4, 6)(torch.randn(2, 4, 5, 5)).detach().min()) < 0


def test_a_single_place_is_normed_by_the_running_statistics():
    norm, x = MapNorm2d(2).train(), torch.tensor([[[[3.0]], [[5.0]]]])
    with torch.no_grad():
        norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
        norm.running_var.copy_(torch.tensor([4.0, 9.0]))
    torch.testing.assert_close(norm(x).flatten(), torch.tensor([1.0, 1.0]), rtol=1e-4, atol=1e-4)
    assert norm.running_mean.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm2d(2).train()(x)


def test_elsewhere_it_is_batch_norm():
    torch.manual_seed(0)
    ours, theirs, x = MapNorm2d(3), nn.BatchNorm2d(3), torch.randn(2, 3, 1, 1)
    assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.running_var, theirs.running_var)
