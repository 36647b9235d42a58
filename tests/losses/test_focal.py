import math

import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from zorki.losses.focal import focal_loss_of_labels


def logits(rows=12, classes=5, spread=4.0, seed=0):
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)) * spread


LABELS = torch.tensor([0, 4, -1, 2, -1, -1, 3, 3, -2, -1, 1, 0])
WEIGHTS = torch.tensor([1.0, 0.5, 1, 2, 0, 1, 0.1, 0, 0, 3, 1, 1])


def target():
    table = torch.zeros(12, 5)
    rows = (LABELS >= 0).nonzero()[:, 0]
    table[rows, LABELS[rows]] = 1
    return table


def test_by_hand():
    # Probability 3/4: as a one it costs 1/4 (1/4)^2 log 4/3, as a zero 3/4 (3/4)^2 log 4.
    x, one = torch.tensor([[math.log(3.0)]]), torch.ones(1)
    assert focal_loss_of_labels(x, torch.tensor([0]), one).item() == pytest.approx(math.log(4 / 3) / 64, rel=1e-5)
    assert focal_loss_of_labels(x, torch.tensor([-1]), one).item() == pytest.approx(27 / 64 * math.log(4), rel=1e-5)


def test_without_modulation_it_is_half_the_cross_entropy():
    found = focal_loss_of_labels(logits(), LABELS, torch.ones(12), alpha=0.5, gamma=0)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits(), target(), reduction="sum")
    torch.testing.assert_close(found, entropy / 2)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.5, 0.0), (0.75, 1.5)])
def test_torchvisions_value_and_slope(alpha, gamma):
    dense, sparse = logits().requires_grad_(), logits().requires_grad_()
    slow = (sigmoid_focal_loss(dense, target(), alpha=alpha, gamma=gamma).sum(1) * WEIGHTS).sum()
    fast = focal_loss_of_labels(sparse, LABELS, WEIGHTS, alpha=alpha, gamma=gamma)
    assert fast.item() == pytest.approx(slow.item(), rel=1e-5)
    (3 * slow).backward()
    (3 * fast).backward()
    torch.testing.assert_close(sparse.grad, dense.grad, rtol=1e-4, atol=1e-5)


def test_its_slope_is_right_to_many_digits():
    x = logits(spread=2.0).double().requires_grad_()

    def loss(x):
        return (sigmoid_focal_loss(x, target()).sum(1) * WEIGHTS).sum()

    numeric = torch.zeros(12, 5, dtype=torch.float64)
    with torch.no_grad():
        for row in range(12):
            for column in range(5):
                step = torch.zeros(12, 5, dtype=torch.float64)
                step[row, column] = 1e-2
                numeric[row, column] = (loss(x + step) - loss(x - step)) / 2e-2
    focal_loss_of_labels(x, LABELS, WEIGHTS).backward()
    assert torch.allclose(x.grad, numeric, atol=1e-3)


def test_huge_logits_cost_much_but_finitely():
    x = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = focal_loss_of_labels(x, torch.tensor([1]), torch.ones(1))
    loss.backward()
    assert loss.item() == pytest.approx(0.75 * 200 + 0.25 * 200)
    assert x.grad.tolist() == [pytest.approx([0.75, -0.25])]


def test_no_rows_and_half_precision():
    assert focal_loss_of_labels(torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64), torch.zeros(0)).item() == 0
    x = logits().bfloat16().requires_grad_()
    loss = focal_loss_of_labels(x, LABELS, WEIGHTS)
    loss.backward()
    assert loss.dtype == torch.float32
    assert x.grad.dtype == torch.bfloat16


def test_nothing_is_kept_where_no_slope_is_asked_for():
    with torch.inference_mode():
        assert focal_loss_of_labels(logits(), LABELS, WEIGHTS).item() > 0
