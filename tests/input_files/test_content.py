import os

import pytest

from zorki.errors import DataError
from zorki.input_files.content import is_file, open_file, read_bytes, read_text, special_kind, text_lines


def test_a_regular_file_is_read_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\ntwo\rthree".encode())
    assert read_text(path) == "one\ntwo\nthree"
    assert list(text_lines(path)) == [(1, "one"), (2, "two"), (3, "three")]
    assert read_bytes(path, max_bytes=len(path.read_bytes())) == path.read_bytes()
    assert special_kind(path) is None
    assert special_kind(tmp_path) is None
    assert special_kind(tmp_path / "none") is None


def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path):
    pipe = tmp_path / "a.txt"
    os.mkfifo(pipe)
    for read in (open_file, read_bytes, read_text):
        with pytest.raises(OSError, match=r"it is a named pipe \(FIFO\), not a regular file"):
            read(pipe)
    with pytest.raises(DataError, match=r"a\.txt: the file cannot be read: it is a named pipe"):
        list(text_lines(pipe))
    assert special_kind(pipe) == "a named pipe (FIFO)"
    assert not is_file(pipe)


def test_a_device_is_refused():
    with pytest.raises(OSError, match="it is a device, not a regular file"):
        read_bytes("/dev/null")


def test_a_folder_is_refused_as_ever(tmp_path):
    with pytest.raises(IsADirectoryError):
        open_file(tmp_path)


def test_a_file_beyond_the_bound_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("12345")
    with pytest.raises(OSError, match="it has 5 bytes or more, and at most 4 are read"):
        read_bytes(path, max_bytes=4)
    with pytest.raises(DataError, match=r"a\.txt: it has 5 bytes, and at most 4 are read"):
        list(text_lines(path, max_bytes=4))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_line_beyond_the_bound_is_told_with_its_number(tmp_path, end):
    path = tmp_path / "a.txt"
    path.write_bytes(f"one\nthree{end}".encode())
    assert [line for _, line in text_lines(path, longest=5)] == ["one", "three"]
    lines = text_lines(path, longest=4)
    assert next(lines) == (1, "one")
    with pytest.raises(DataError, match=r"a\.txt:2: the line is longer than 4 characters"):
        next(lines)


def test_what_is_no_utf8_is_told_or_replaced(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"a\.txt: it is not text in UTF-8"):
        list(text_lines(path))
    assert list(text_lines(path, errors="replace")) == [(1, "caf\ufffd")]


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "a" * 5000])
def test_a_name_that_no_file_can_have_is_no_file(tmp_path, name):
    assert not is_file(tmp_path / name)
