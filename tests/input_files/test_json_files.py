import pytest

from zorki.errors import DataError
from zorki.input_files.json_files import parse_json, read_json


def test_what_is_broken_is_told_with_file_and_line(tmp_path):
    path = tmp_path / "a.json"
    for content, words in {
        '{"a":\n 1,}': r"a\.json:2: the JSON is broken at column 4",
        b'"\xff"': r"a\.json: the JSON is not text in UTF-8",
        "[" * 2000 + "]" * 2000: r"a\.json: the JSON is nested too deep",
        '[1,\n2, "3",\n' + "4" * 5000 + "]": r"a\.json:3: the JSON holds a number that is too long",
    }.items():
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(DataError, match=words):
            read_json(path)


def test_a_file_beyond_the_bound_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[1, 2]")
    assert read_json(path, max_bytes=6) == [1, 2]
    with pytest.raises(DataError, match=r"a\.json: the file cannot be read: it has 6 bytes or more, and at most 5"):
        read_json(path, max_bytes=5)


def test_text_of_another_source_is_named_by_it():
    with pytest.raises(DataError, match="metadata:1: the JSON is broken"):
        parse_json("nothing", "metadata")
