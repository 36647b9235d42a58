"""Heads on maps, and the batch norm behind a pool to one pixel."""

import pytest
import torch
from torch import nn

from zorki.nn.heads.map_heads import ConvMapHead, PooledBatchNorm2d


def test_a_norm_of_one_number_takes_its_running_averages():
    norm, plain = PooledBatchNorm2d(3), nn.BatchNorm2d(3)
    for one in (norm, plain):
        one.running_mean.fill_(2.0)
        one.running_var.fill_(4.0)
    x = torch.tensor([4.0, 2.0, 0.0]).view(1, 3, 1, 1)
    with pytest.raises(ValueError, match="more than 1 value"):
        plain.train()(x)
    assert torch.allclose(norm.train()(x).flatten(), torch.tensor([1.0, 0.0, -1.0]), atol=1e-4)
    assert norm.running_mean.tolist() == [2, 2, 2]
    norm(x.requires_grad_()).sum().backward()
    assert norm.bias.grad.tolist() == [1, 1, 1]


def test_else_it_is_a_batch_norm():
    norm, plain = PooledBatchNorm2d(3), nn.BatchNorm2d(3)
    for shape in ((2, 3, 1, 1), (1, 3, 2, 1)):
        x = torch.randn(shape)
        assert torch.equal(norm.train()(x), plain.train()(x))
        assert torch.equal(norm.running_var, plain.running_var)
        assert torch.equal(norm.eval()(x), plain.eval()(x))


def test_a_head_has_torchvisions_names_and_starts_knowing_nothing():
    from torchvision.models.segmentation.fcn import FCNHead

    head, published = ConvMapHead(16, 5), FCNHead(16, 5)
    assert {k: v.shape for k, v in head.state_dict().items()} == {k: v.shape for k, v in published.state_dict().items()}
    head.load_state_dict(published.state_dict())
    x = torch.randn(2, 16, 7, 9)
    assert torch.allclose(head.eval()(x), published.eval()(x), atol=1e-6)
    assert float(ConvMapHead(64, 5).eval()(torch.randn(2, 64, 7, 9)).abs().max().detach()) < 1
