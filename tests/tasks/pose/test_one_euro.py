"""The filter equals the paper's algorithm in plain loops, goes by times, and by sizes of the object."""

import math

import pytest
import torch

from zorki.errors import RecipeError
from zorki.tasks.pose.one_euro import OneEuro, step


def slow_twin(values, times, min_cutoff, beta, derivative_cutoff):
    """Algorithm 1 of Casiez et al. for one number, whose rate follows from the times."""

    def alpha(rate, cutoff):
        tau = 1 / (2 * math.pi * cutoff)
        te = 1 / rate
        return 1 / (1 + tau / te)

    filtered, smooth_speed, out = None, 0.0, []
    for place, value in enumerate(values):
        if filtered is None:
            filtered = value
        else:
            rate = 1 / (times[place] - times[place - 1])
            speed = (value - filtered) * rate
            a = alpha(rate, derivative_cutoff)
            smooth_speed = a * speed + (1 - a) * smooth_speed
            a = alpha(rate, min_cutoff + beta * abs(smooth_speed))
            filtered = a * value + (1 - a) * filtered
        out.append(filtered)
    return out


def filtered(settings, points, times, size=1.0):
    state, out = None, []
    for one, seconds in zip(points, times, strict=True):
        state = step(settings, state, one, seconds, size)
        out.append(state.points)
    return torch.stack(out)


def walk(count=30):
    generator = torch.Generator().manual_seed(1)
    times = torch.rand(count, generator=generator).cumsum(0).tolist()
    return torch.rand((count, 2, 2), generator=generator).double() * 3, times


def test_it_is_the_paper_s_algorithm_for_each_coordinate():
    points, times = walk()
    found = filtered(OneEuro(0.7, 1.3, 0.9), points, times)
    for joint in range(2):
        for axis in range(2):
            expected = slow_twin(points[:, joint, axis].tolist(), times, 0.7, 1.3, 0.9)
            torch.testing.assert_close(found[:, joint, axis], torch.tensor(expected, dtype=torch.float64))


def test_what_stands_still_stands_still_and_jitter_becomes_less():
    still = torch.full((20, 2, 2), 7.0)
    times = [place / 25 for place in range(20)]
    torch.testing.assert_close(filtered(OneEuro(), still, times), still)
    jitter = still + 0.02 * torch.randn((20, 2, 2), generator=torch.Generator().manual_seed(0))
    assert filtered(OneEuro(), jitter, times)[5:].std() < 0.6 * jitter[5:].std()


def test_a_larger_beta_lags_less_behind_what_moves():
    times = [place / 25 for place in range(50)]
    points = torch.tensor(times)[:, None, None].expand(-1, 1, 2)  # a size a second
    lags = [float((points - filtered(OneEuro(beta=beta), points, times))[-1].max()) for beta in (0.0, 5.0, 50.0)]
    assert lags[0] == pytest.approx(1 / (2 * math.pi), rel=0.15)  # seconds: 1 / (2 pi f)
    assert lags[1] == pytest.approx(1 / (2 * math.pi * 6), rel=0.5)
    assert lags[0] > lags[1] > lags[2]


def test_an_image_twice_as_large_is_filtered_alike():
    points, times = walk()
    torch.testing.assert_close(
        2 * filtered(OneEuro(), points, times, size=3.0), filtered(OneEuro(), 2 * points, times, size=6.0)
    )


def test_a_time_that_does_not_go_on_changes_nothing():
    first = step(OneEuro(), None, torch.zeros(1, 2), 1.0, 1.0)
    assert step(OneEuro(), first, torch.ones(1, 2), 1.0, 1.0) is first
    assert step(OneEuro(), first, torch.ones(1, 2), 0.5, 1.0) is first


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kalman", "expected one-euro, or one-euro:min_cutoff=1,beta=5"),
        ("one-euro:gamma=1", "has no"),
        ("one-euro:betta=1", "Did you mean beta"),
        ("one-euro:beta=much", "expected a number for beta, got 'much'"),
        ("one-euro:min_cutoff=0", "min_cutoff must be above 0"),
        ("one-euro:beta=nan", "but is nan"),
    ],
)
def test_what_is_no_filter_is_told(text, reason):
    with pytest.raises(RecipeError, match=reason):
        OneEuro.parse(text)


def test_parameters_are_read():
    assert OneEuro.parse("one-euro:min-cutoff=0.5,derivative_cutoff=2") == OneEuro(0.5, 5.0, 2.0)
