import math

import pytest
import torch

from zorki.losses.matchability import matchability_loss
from zorki.losses.varifocal import varifocal_loss


def slow(logit, positive, quality, gamma=1.5):
    """Section 3.3 of Huang et al. (2024)."""
    p, q = 1 / (1 + math.exp(-logit)), quality**gamma
    return -q * math.log(p) - (1 - q) * math.log(1 - p) if positive else -(p**gamma) * math.log(1 - p)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("logit", [-3.0, 0.5, 4.0])
def test_as_the_paper_has_it(logit, positive):
    found = matchability_loss(torch.tensor([logit]), torch.tensor([positive]), torch.tensor([0.7]))
    assert float(found) == pytest.approx(slow(logit, positive, 0.7), rel=1e-5)


def test_a_bad_match_teaches_more_than_with_the_varifocal_loss():
    logits, positive, quality = torch.tensor([3.0]), torch.tensor([True]), torch.tensor([0.1])
    bad = matchability_loss(logits, positive, quality)
    assert float(bad) > 10 * float(varifocal_loss(logits, positive, quality))


def test_weights_and_targets_send_no_gradient():
    logits = torch.tensor([1.0, -1.0], dtype=torch.float64, requires_grad=True)
    matchability_loss(logits, torch.tensor([True, False]), torch.tensor([0.6, 0.0]).double()).sum().backward()
    p = [1 / (1 + math.exp(-value)) for value in (1.0, -1.0)]
    torch.testing.assert_close(logits.grad, torch.tensor([p[0] - 0.6**1.5, p[1] ** 2.5], dtype=torch.float64))
