from math import isnan

import pytest

from zorki.input_files.numbers import integer_in, number_in, number_of, whole_number_in, whole_number_of


@pytest.mark.parametrize("value", [None, "x", [], [1], {}, 10**400, "", "1,5", "9" * 5000 + "x"])
def test_what_is_no_number_is_not_a_number(value):
    assert isnan(number_in(value))
    assert whole_number_in(value) is None
    assert integer_in(value) is None


def test_numbers_are_numbers_however_they_are_written():
    assert [number_in(value) for value in (1, "2.5", " 3 ")] == [1, 2.5, 3]
    assert [number_of(text) for text in ("1.5", "2")] == [1.5, 2]
    assert isnan(number_of(None))
    assert isnan(number_of(""))
    assert (whole_number_in("640"), whole_number_of("640.0")) == (640, 640)
    assert [whole_number_in(value) for value in (0, -1, 1e9, "inf")] == [None] * 4
    assert [integer_in(value) for value in (0, "7", 7.0, 7.5, 2**63 - 1, 2**63, "9" * 20, float("inf"))] == [
        0, 7, 7, None, 2**63 - 1, None, None, None,
    ]  # fmt: skip
