from itertools import count

import pytest

from zorki.engine.speed_probe.kept_timings import kept_timings
from zorki.engine.speed_probe.ways import BUDGET, ROUNDS, Way, fastest, timed, why

LAST, PLAIN = Way("channels_last", "32", 2), Way("contiguous", "32", 2)


class FakeClock:
    """Seconds that pass when steps say so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def step(self, seconds):
        """A step that takes these times in turn, the last again and again."""
        left = list(seconds)

        def run():
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


@pytest.mark.parametrize(("last", "plain", "chosen"), [(1.0, 0.5, PLAIN), (1.0, 0.97, LAST), (0.5, 1.0, LAST)])
def test_the_quickest_is_taken_where_it_is_no_noise(last, plain, chosen):
    assert fastest({LAST: last, PLAIN: plain}) == chosen


def test_of_several_quicker_ways_it_is_the_quickest():
    bf16 = Way("channels_last", "bf16", 2)
    assert fastest({LAST: 1.0, PLAIN: 0.8, bf16: 0.4}) == bf16
    assert fastest({LAST: 1.0, PLAIN: 0.8, bf16: 3.0}) == PLAIN


def test_the_first_round_warms_up_and_slow_moments_do_not_count():
    clock = FakeClock()
    steps = {LAST: clock.step([3.0, 0.2, 0.1, 0.3]), PLAIN: clock.step([0.01, 0.5, 0.4, 0.6])}
    assert timed(steps, clock) == pytest.approx({LAST: 0.1, PLAIN: 0.4})


def test_long_steps_end_after_the_round_in_which_the_budget_is_spent():
    clock, numbers = FakeClock(), count()
    step = clock.step([BUDGET])
    timed({LAST: lambda: (next(numbers), step())}, clock)
    assert next(numbers) == 2 < ROUNDS


def test_the_choice_tells_both_times():
    assert why({LAST: 1.42, PLAIN: 0.812}, PLAIN) == (
        "measured: 812 ms a step with contiguous, 32, 2 threads; 1,420 ms with channels_last, 32, 2 threads"
    )
    assert why({Way("contiguous", "32", 1): 0.0012}, Way("contiguous", "32", 1)).endswith(
        "1.20 ms a step with contiguous, 32, 1 thread"
    )


def test_timings_are_measured_once_for_the_same_facts(tmp_path, monkeypatch):
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path))
    numbers = count(1)

    def measure():
        return {LAST: float(next(numbers)), PLAIN: 0.5}

    assert kept_timings({"model": "a"}, measure) == kept_timings({"model": "a"}, measure) == {LAST: 1.0, PLAIN: 0.5}
    assert kept_timings({"model": "b"}, measure)[LAST] == 2.0
    for path in (tmp_path / "speed").iterdir():
        path.write_text('{"timings": [{"seconds": 1}]}')
    assert kept_timings({"model": "a"}, measure)[LAST] == 3.0


def test_without_a_cache_nothing_is_lost(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "file"))
    assert kept_timings({}, lambda: {LAST: 1.0}) == {LAST: 1.0}
