from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorki.draw.axes import Axis, log_ticks, nice_ticks, x_axis, y_axis


def test_ticks_are_round_and_enclose() -> None:
    assert nice_ticks(0.13, 0.87) == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert nice_ticks(0, 1000) == (0, 200, 400, 600, 800, 1000)
    assert nice_ticks(1, 3, 8, whole=True) == (1, 2, 3)
    assert nice_ticks(2.0, 2.0) == (1.8, 1.9, 2.0, 2.1, 2.2)


def test_log_ticks() -> None:
    assert log_ticks(0.001, 0.1) == (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    assert log_ticks(3e-6, 0.5) == pytest.approx((1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0))
    assert log_ticks(1.0, 1.0) == (1.0, 2.0)


finite = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-9)


@given(st.lists(finite, min_size=1, max_size=5))
def test_every_value_lies_inside_and_ticks_differ(values: list[float]) -> None:
    axis = y_axis(values, 300, 100)
    assert len(set(axis.ticks)) == len(axis.ticks) >= 2
    for value in values:
        assert 100 - 1e-3 <= axis.pixel(value) <= 300 + 1e-3


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=5))
def test_every_value_lies_inside_a_log_axis(values: list[float]) -> None:
    axis = y_axis(values, 300, 100, log=True)
    for value in values:
        assert 100 - 1e-3 <= axis.pixel(value) <= 300 + 1e-3


def test_one_x_stands_in_the_middle() -> None:
    axis = x_axis([7.0], 0, 100)
    assert axis.pixel(7) == 50
    assert axis.ticks == (7.0,)


def test_labels_tell_neighbors_apart() -> None:
    assert [Axis(0, 0.04, 0, 1, (0.0, 0.02, 0.04)).label(tick) for tick in (0.0, 0.02)] == ["0.00", "0.02"]
    assert Axis(0, 4000, 0, 1, (0.0, 2000.0, 4000.0)).label(2000.0) == "2,000"
    assert Axis(1e-5, 1, 0, 1, (1e-5, 1e-4), log=True).label(1e-4) == "0.0001"
    assert Axis(1e-5, 1, 0, 1, (1e-5, 1e-4), log=True).label(1e-5) == "1e-5"
