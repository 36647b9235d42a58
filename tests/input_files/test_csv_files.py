import pytest

from zorki.errors import DataError
from zorki.input_files.csv_files import cells_of, csv_rows, first_lines


def test_rows_come_with_the_line_where_they_begin(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b\r\n\r\n"one\r\ntwo",2\r\n3,4\r\n')
    assert list(csv_rows(path)) == [(1, ["a", "b"]), (3, ["one\r\ntwo", "2"]), (5, ["3", "4"])]
    assert first_lines(path, 1) == ["a,b\r\n"]


def test_a_line_beyond_the_bound_is_told_with_its_number(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1234567,8\n")
    for read in (lambda: list(csv_rows(path, longest=8)), lambda: first_lines(path, 2, longest=8)):
        with pytest.raises(DataError, match=r"a\.csv:2: the line is longer than 8 characters"):
            read()


def test_a_cell_beyond_pythons_bound_is_told_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + '"' + "x" * 70_000 + "\n" + "x" * 70_000 + '",1\n')
    with pytest.raises(DataError, match=r"a\.csv:[23]: the table cannot be read: field larger than field limit"):
        list(csv_rows(path))
    assert cells_of(["a,b", "x" * 140_000], ",") == [["a", "b"]]
