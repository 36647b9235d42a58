import math

import pytest
import torch
from torch.nn.functional import one_hot

from zorki.losses.cross_entropy import CrossEntropy

LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
INDICES = torch.tensor([0, 1, 2, 3, 1, 1])


def test_by_hand():
    logits = torch.tensor([[math.log(3.0), 0.0]])
    assert CrossEntropy()(logits, torch.tensor([0])).item() == pytest.approx(math.log(4 / 3))
    assert CrossEntropy()(logits, torch.tensor([1])).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_shares_that_are_one_hot_equal_indices(smoothing):
    loss = CrossEntropy(smoothing)
    assert torch.allclose(loss(LOGITS, INDICES), loss(LOGITS, one_hot(INDICES, 4).float()))


def test_mixed_shares_mix_the_losses():
    loss = CrossEntropy()
    other = INDICES.flip(0)
    shares = 0.3 * one_hot(INDICES, 4) + 0.7 * one_hot(other, 4)
    assert torch.allclose(loss(LOGITS, shares), 0.3 * loss(LOGITS, INDICES) + 0.7 * loss(LOGITS, other))


def test_weights_against_slow_twin():
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
    loss = CrossEntropy(weights=weights)
    each = [-math.log(LOGITS[i].softmax(0)[k]) * weights[k].item() for i, k in enumerate(INDICES.tolist())]
    assert loss(LOGITS, INDICES).item() == pytest.approx(sum(each) / weights[INDICES].sum().item(), rel=1e-5)
    assert loss(LOGITS, one_hot(INDICES, 4).float()).item() == pytest.approx(sum(each) / 6, rel=1e-5)


def test_smoothing_against_slow_twin():
    logs = LOGITS.log_softmax(1)
    target = 0.9 * one_hot(INDICES, 4) + 0.1 / 4
    assert torch.allclose(CrossEntropy(0.1)(LOGITS, INDICES), -(target * logs).sum(1).mean())


def test_half_precision_is_summed_in_float32():
    loss = CrossEntropy()(LOGITS.bfloat16(), INDICES)
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, CrossEntropy()(LOGITS, INDICES), atol=2e-2)


def test_weights_move_but_are_not_saved():
    loss = CrossEntropy(weights=torch.ones(4))
    assert loss.state_dict() == {}
    assert loss.to(torch.float64).weights.dtype == torch.float64


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_is_a_share(smoothing):
    with pytest.raises(ValueError, match="share"):
        CrossEntropy(smoothing)
