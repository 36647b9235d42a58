"""Lengths of time as people write and read them."""

import pytest

from zorki.durations import duration_text, seconds_of, short_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("600", 600), ("1.5", 1.5), ("90s", 90), ("10m", 600), ("10 min", 600), ("1h30m", 5400), ("2H", 7200),
        ("1d", 86_400), ("1d2h3m4.5s", 93_784.5), ("", None), ("soon", None), ("10m1h", None), ("5 weeks", None),
        ("m", None), ("-5m", None),
    ],
)  # fmt: skip
def test_lengths_of_time_with_and_without_units(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3599, "1 h"), (3661, "1 h 1 min"), (172_800, "2 d")],
)
def test_units_never_show_sixty_of_the_smaller_one(seconds, text):
    assert duration_text(seconds) == text


def test_what_is_written_is_read_again():
    for seconds in (45, 720, 5400, 200_000 // 3600 * 3600):
        assert seconds_of(duration_text(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(0.0123, "12 ms"), (0.62, "0.62 s"), (9.96, "10 s"), (75, "75 s")])
def test_two_digits_of_a_step(seconds, text):
    assert short_text(seconds) == text
