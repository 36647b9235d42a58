import math

import pytest
import torch

from zorki.losses.varifocal import varifocal_loss


def slow(logit, positive, quality, alpha=0.75, gamma=2.0):
    """Equation 2 of Zhang et al. (2021)."""
    p = 1 / (1 + math.exp(-logit))
    if positive:
        return -quality * (quality * math.log(p) + (1 - quality) * math.log(1 - p))
    return -alpha * p**gamma * math.log(1 - p)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("logit", [-3.0, 0.5, 4.0])
def test_as_the_paper_has_it(logit, positive):
    found = varifocal_loss(torch.tensor([logit]), torch.tensor([positive]), torch.tensor([0.7]))
    assert float(found) == pytest.approx(slow(logit, positive, 0.7), rel=1e-5)


def test_the_best_score_of_an_object_is_its_quality():
    logits = torch.linspace(-4, 4, 801)
    losses = varifocal_loss(logits, torch.ones(801, dtype=torch.bool), torch.full((801,), 0.7))
    assert float(logits[losses.argmin()].sigmoid()) == pytest.approx(0.7, abs=0.01)
