import pytest
import torch
from torch import nn

from zorki.nn.heads.class_heads import ConvHead, FlattenHead, HiddenHead, LeNetHead, LinearHead, PooledHead


def test_pooled_head_by_hand():
    head = PooledHead(2, 1)
    with torch.no_grad():
        head.fc.weight.copy_(torch.tensor([[1.0, 10.0]]))
    x = torch.tensor([[[[1.0, 3.0]], [[0.0, 1.0]]]])  # averages 2 and 0.5
    assert head(x).item() == pytest.approx(7.0)


def test_conv_head_averages_behind_the_relu():
    head = ConvHead(1, 1, dropout=0.0)
    nn.init.ones_(head.conv.weight)
    nn.init.zeros_(head.conv.bias)
    assert head(torch.tensor([[[[-4.0, 2.0]]]])).item() == pytest.approx(1.0)


def test_conv_head_lets_every_class_learn_at_the_start():
    torch.manual_seed(0)
    head = ConvHead(64, 10, dropout=0.0)
    assert (head.conv(torch.rand(8, 64, 3, 3)) > 0).all()  # no class is behind its ReLU


@pytest.mark.parametrize("side", [1, 5, 7, 9])
def test_flatten_head_takes_any_map(side):
    head = FlattenHead(3, 4, grid=7, hidden=8)
    assert head(torch.randn(2, 3, side, side)).shape == (2, 4)


def test_where_flatten_head_drops():
    papers, torchvision = FlattenHead(3, 4, grid=1), FlattenHead(3, 4, grid=1, dropout_first=True)
    assert [i for i, layer in enumerate(papers.classifier) if isinstance(layer, nn.Dropout)] == [2, 5]
    assert [i for i, layer in enumerate(torchvision.classifier) if isinstance(layer, nn.Dropout)] == [0, 3]


@pytest.mark.parametrize(
    "make",
    [
        lambda: PooledHead(16, 10),
        lambda: ConvHead(16, 10),
        lambda: FlattenHead(16, 10, grid=2, hidden=4096),
        lambda: HiddenHead(16, 10, hidden=32),
    ],
)
def test_an_untrained_head_knows_nothing(make):
    torch.manual_seed(0)
    logits = make()(torch.randn(8, 16, 3, 3))
    assert logits.shape == (8, 10)
    loss = nn.functional.cross_entropy(logits, torch.arange(8))
    assert loss.item() == pytest.approx(torch.log(torch.tensor(10.0)).item(), abs=0.05)


def test_heads_of_vectors():
    assert LinearHead(5, 3)(torch.randn(2, 5)).shape == (2, 3)
    assert LeNetHead(120, 3)(torch.randn(2, 120, 1, 1)).shape == (2, 3)


HEADS = {
    "pooled": (lambda: PooledHead(3, 4), (2, 3, 5, 5)),
    "linear": (lambda: LinearHead(3, 4), (2, 3)),
    "flatten": (lambda: FlattenHead(3, 4, grid=2, hidden=8), (2, 3, 5, 5)),
    "flatten, dropout first": (lambda: FlattenHead(3, 4, grid=2, hidden=8, dropout_first=True), (2, 3, 5, 5)),
    "hidden": (lambda: HiddenHead(3, 4, hidden=6), (2, 3, 5, 5)),
    "lenet": (lambda: LeNetHead(3, 4, hidden=6), (2, 3, 1, 1)),
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_vector_is_what_the_last_layer_reads(kind):
    make, shape = HEADS[kind]
    head, x = make().eval(), torch.randn(shape)
    logits, vector = head.with_vector(x)
    assert vector.shape == (2, head.width)
    last = [layer for layer in head.modules() if isinstance(layer, nn.Linear)][-1]
    torch.testing.assert_close(last(vector), logits)
    torch.testing.assert_close(head(x), logits)


@pytest.mark.parametrize("head", [PooledHead(3, 4), ConvHead(3, 4)])
def test_the_mean_of_class_activation_maps_is_the_logit_but_for_the_bias(head):
    x = torch.rand(2, 3, 5, 6)
    head.eval()
    bias = head.fc.bias if isinstance(head, PooledHead) else torch.zeros(4)
    torch.testing.assert_close(head.class_maps(x).mean((2, 3)) + bias, head(x))
