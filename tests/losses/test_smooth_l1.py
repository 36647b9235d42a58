import pytest
import torch

from zorki.losses.smooth_l1 import smooth_l1_loss

AWAY = torch.tensor([-3.0, -1, -0.5, 0, 0.5, 1, 3])


def test_by_hand():
    found = smooth_l1_loss(AWAY, torch.zeros(7)).tolist()
    assert found == [2.5, 0.5, 0.125, 0, 0.125, 0.5, 2.5]


def test_beta_moves_the_corner():
    assert smooth_l1_loss(AWAY, torch.zeros(7), beta=0).tolist() == AWAY.abs().tolist()
    slow = [x * x / (2 / 9) if abs(x) < 1 / 9 else abs(x) - 1 / 18 for x in AWAY.tolist()]
    assert smooth_l1_loss(AWAY, torch.zeros(7), beta=1 / 9).tolist() == pytest.approx(slow)


def test_half_precision_is_judged_in_float32():
    assert smooth_l1_loss(AWAY.bfloat16(), torch.zeros(7)).dtype == torch.float32
