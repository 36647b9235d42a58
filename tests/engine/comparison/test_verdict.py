"""The verdict on scores that are drawn: how often it is wrong, how often it finds, and what it says of few seeds."""

import numpy as np
import pytest
from scipy import stats

from zorki.engine.comparison.verdict import Scores, verdict

RNG = np.random.default_rng
IMAGES = 200
DRAWN = RNG(9).multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), size=100).T / IMAGES  # as often as each image is in


def crossed(rng, shift=0.0, *, seeds=5, run=0.01, flips=0.1, kind=0.0):
    """Two recipes' scores: runs of a quality each, images that flip by run, and images that the second recipe likes.

    `kind`: deviation over images of what the second recipe changes, whatever the seed.
    """
    liked = kind * rng.standard_normal(IMAGES)
    found = []
    for extra in (np.zeros(IMAGES), liked + shift):
        table = run * rng.standard_normal((seeds, 1)) + flips * rng.standard_normal((seeds, IMAGES)) + extra
        found.append(Scores(tuple(table.mean(1).tolist()), table @ DRAWN))
    return found


def share(word, trials=300, **made):
    rng = RNG(0)
    return sum(verdict(*crossed(rng, **made)).word == word for _ in range(trials)) / trials


@pytest.mark.parametrize("made", [{}, {"run": 0.0}, {"flips": 0.0}, {"kind": 0.3}, {"seeds": 8}], ids=str)
def test_one_recipe_against_itself_is_no_difference(made):
    """Whichever noise there is, at least 19 times of 20; the choice of images counts where a recipe likes some."""
    assert share("no difference", **made) >= 0.92  # 0.95, less two and a half standard errors of so many trials


def test_without_the_images_what_one_recipe_likes_would_be_taken_for_a_difference():
    rng = RNG(1)
    pairs = [crossed(rng, kind=0.3) for _ in range(100)]
    blind = sum(verdict(*(Scores(one.values) for one in pair)).word != "no difference" for pair in pairs)
    assert blind > 30


def test_a_real_difference_is_found_as_often_as_students_test_can():
    """Of two deviations with five seeds each: 0.79 is the power of Student's test, which is the best there is."""
    deviation = (0.01**2 + 0.1**2 / IMAGES) ** 0.5
    power = stats.nct(8, 2 / 0.4**0.5).sf(stats.t(8).ppf(0.975))
    assert power == pytest.approx(0.79, abs=0.01)
    assert share("better", shift=2 * deviation) == pytest.approx(power, abs=0.08)
    assert share("worse", shift=-2 * deviation) == pytest.approx(power, abs=0.08)
    assert share("better", shift=2 * deviation, seeds=8) >= 0.9
    assert share("better", shift=3 * deviation) >= 0.95


def test_without_images_it_is_welchs_test():
    first, second = (0.7, 0.71, 0.69, 0.705), (0.74, 0.72, 0.73, 0.76, 0.735)
    found = verdict(Scores(first), Scores(second))
    interval = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-3)
    assert (found.word, found.image_error) == ("better", None)
    assert verdict(Scores(second), Scores(first)).word == "worse"


def test_few_seeds_are_too_few():
    far, near = Scores((0.9, 0.91)), Scores((0.1, 0.11))
    assert verdict(near, far).word == "too few seeds"
    assert verdict(Scores((0.1, 0.11, 0.105)), Scores((0.9, 0.91, 0.905))).word == "better"
    assert verdict(Scores((0.1, 0.2, 0.15)), Scores((0.12, 0.19, 0.14))).word == "too few seeds", "to say there is none"
    alone = verdict(Scores((0.5,)), Scores((0.6,)))
    assert (alone.word, alone.low, alone.high, alone.images_alone) == ("too few seeds", None, None, False)
    rng = RNG(0)
    weights = verdict(*crossed(rng, 0.5, seeds=1))
    assert (weights.word, weights.images_alone, weights.seed_error) == ("too few seeds", True, None)
    assert weights.low < weights.difference < weights.high


def test_many_comparisons_at_once_are_stricter():
    pair = crossed(RNG(3), 0.02)
    one, ten = verdict(*pair), verdict(*pair, comparisons=10)
    assert ten.level == pytest.approx(0.995)
    assert ten.high - ten.low > 1.3 * (one.high - one.low)


def test_scores_without_spread_and_without_numbers():
    same = Scores((0.5,) * 5, np.full((5, 50), 0.5))
    assert verdict(same, same).word == "no difference"
    assert verdict(same, Scores((0.6,) * 5, np.full((5, 50), 0.6))).word == "better"
    nothing = Scores((float("nan"),) * 5)
    assert verdict(same, nothing).word in ("no difference", "too few seeds")
