import pytest
import torch

from zorki.errors import RecipeError
from zorki.nn.backbones.lenet import CONNECTIONS, LeNet5, PartialConvolution, ScaledTanh, Subsampling
from zorki.nn.heads.class_heads import LeNetHead

# Table I as it is printed: rows are maps of S2, columns maps of C3.
TABLE = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_connections_are_those_of_table_1():
    rows = TABLE.split()
    assert tuple(tuple(r for r in range(6) if rows[r][c] == "X") for c in range(16)) == CONNECTIONS


def test_trainable_parameters_are_those_of_the_paper():
    backbone, head = LeNet5(), LeNetHead(120, 10)
    layers = [backbone.c1, backbone.s2, backbone.c3, backbone.s4, backbone.c5, head.f6]
    assert [count(layer) for layer in layers] == [156, 12, 1516, 32, 48120, 10164]
    assert count(backbone) + count(head.f6) == 60000  # the paper's total without its fixed output units


def test_maps_are_those_of_metric_2():
    backbone = LeNet5()
    assert [tuple(one.shape[1:]) for one in backbone(torch.zeros(1, 1, 32, 32))] == [
        (6, 28, 28),
        (16, 10, 10),
        (120, 1, 1),
    ]


def test_partial_convolution_against_slow_twin():
    layer = PartialConvolution(6, CONNECTIONS, 3)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 6, 5, 4)
    expected = torch.zeros(2, 16, 3, 2)
    place = 0
    for output, inputs in enumerate(CONNECTIONS):
        expected[:, output] = layer.bias[output]
        for one in inputs:
            for i in range(3):
                for j in range(2):
                    expected[:, output, i, j] += (x[:, one, i : i + 3, j : j + 3] * layer.weight[place]).sum((1, 2))
            place += 1
    assert place == len(layer.weight) == 60
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_unconnected_maps_have_no_influence():
    layer = PartialConvolution(6, CONNECTIONS, 5)
    x = torch.randn(1, 6, 5, 5)
    changed = x.clone()
    changed[:, 3] += 1
    same = (layer(x) == layer(changed)).flatten().tolist()
    assert same == [3 not in inputs for inputs in CONNECTIONS]


def test_subsampling_by_hand():
    layer = Subsampling(1)
    with torch.no_grad():
        layer.coefficient.fill_(0.5)
        layer.bias.fill_(-1.0)
    x = torch.tensor([[[[0.1, 0.2], [0.3, 1.4]]]])  # adds up to 2
    assert layer(x).item() == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        layer.bias.fill_(0.0)
    assert layer(x).item() == pytest.approx(1.7159 * torch.tanh(torch.tensor(2 / 3)).item())


def test_squash_keeps_one():
    assert ScaledTanh()(torch.tensor([1.0, -1.0])).tolist() == pytest.approx([1, -1], abs=1e-4)


@pytest.mark.parametrize("size", [16, 28, 33, 64])
def test_c5_follows_the_size(size):
    backbone = LeNet5(size=size)
    assert backbone(torch.zeros(1, 1, size, size))[-1].shape == (1, 120, 1, 1)


def test_least_size():
    with pytest.raises(RecipeError, match="least size is 16"):
        LeNet5(size=15)


def test_signal_neither_dies_nor_saturates():
    torch.manual_seed(0)
    for one in LeNet5()(torch.randn(4, 1, 32, 32)):
        assert 0.1 < one.std() < 1.5
