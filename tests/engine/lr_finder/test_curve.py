"""What is read from curves of losses that are made: where they fall, where they are flat, where they explode."""

import math

import numpy as np
import pytest

from zorki.engine.lr_finder.curve import Explosion, LearningRateCurve, curve_of, rising_rates

RATES = rising_rates(1e-7, 10.0, 100)


def made(noise=0.0, seed=0, *, fall=1.5, at=1e-2, rise=1.0):
    """A loss of 2.3 that falls by a sigmoid around `at`, and explodes around `rise`."""
    logs = np.log10(RATES)
    losses = 2.3 - fall / (1 + np.exp(-4 * (logs - math.log10(at)))) + np.exp(6 * (logs - math.log10(rise)))
    losses += noise * np.random.default_rng(seed).standard_normal(len(losses))
    return LearningRateCurve(RATES, tuple(losses.tolist()), 2.3)


def test_a_curve_without_noise_is_read_as_it_was_made():
    curve = made()
    assert curve.reason == ""
    assert math.log10(curve.steepest) == pytest.approx(-2, abs=0.1)
    best = RATES[int(np.argmin(curve.losses))]
    assert math.log10(curve.minimum / best) == pytest.approx(0, abs=0.25)
    assert curve.tenth == pytest.approx(curve.minimum / 10)
    assert curve.proposal == float(f"{(curve.steepest * curve.minimum) ** 0.5:.2g}")
    assert f"proposal: --lr {curve.proposal:g}" in str(curve)


def test_noise_of_batches_moves_it_by_less_than_half_a_decade():
    true = made()
    for seed in range(20):
        noisy = made(0.1, seed)
        assert abs(math.log10(noisy.steepest / true.steepest)) < 0.5
        assert abs(math.log10(noisy.minimum / true.minimum)) < 0.5


def test_flat_curves_get_no_proposal():
    """Chance alone, at any scale; and constant losses."""
    for seed in range(200):
        curve = made(0.3, seed, fall=0.0, rise=1e9)
        assert curve.proposal is None, seed
        assert "flat" in curve.reason
    constant = LearningRateCurve(RATES, (2.0,) * 100, 2.0)
    assert (constant.proposal, constant.steepest, constant.minimum) == (None, None, None)
    assert "no proposal: the curve is flat" in str(constant)


def test_what_only_rises_is_no_descent():
    assert made(0.05, fall=0.0).proposal is None


def test_where_the_loss_falls_to_the_end_the_steepest_descent_is_proposed():
    curve = made(rise=1e9, at=1.0)
    assert curve.falls_to_the_end
    assert curve.proposal == float(f"{curve.steepest:.2g}")
    assert "raise --max-lr" in str(curve)
    assert not made().falls_to_the_end


def test_losses_that_are_no_numbers():
    assert LearningRateCurve(RATES[:1], (math.nan,), math.nan, True).reason.startswith("the loss is no number")
    losses = (*made().losses[:90], math.inf, math.nan)
    curve = LearningRateCurve(RATES[:92], losses, 2.3, True)
    assert curve.minimum == pytest.approx(made().minimum, rel=0.5)
    assert np.isfinite(curve.smoothed).all()


@pytest.mark.parametrize("shift", [0.0, -20.0])
def test_explosions_are_noticed_also_of_losses_below_zero(shift):
    explosion = Explosion()
    seen = [explosion.see(loss + shift) for loss in made(0.1).losses]
    assert not any(seen[:80])
    assert seen[-1]
    assert Explosion().see(math.nan)


def test_a_loss_tells_of_the_step_before_it():
    curve = curve_of((0.1, 0.2, 0.3), [5.0, 4.0, 3.0], stopped=True)
    assert (curve.start, curve.rates, curve.losses) == (5.0, (0.1, 0.2), (4.0, 3.0))
