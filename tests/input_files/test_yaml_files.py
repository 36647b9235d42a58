import pytest

from zorki.errors import DataError
from zorki.input_files.yaml_files import read_yaml


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "a.yaml"
        path.write_text(text)
        return path

    return write


def test_values_and_their_text(written):
    path = written("names: [no, 1.10, 'x']\nnc: 3\nbox: &b {a: 1}\nother:\n  <<: *b\n")
    assert read_yaml(path) == {"names": [False, 1.1, "x"], "nc": 3, "box": {"a": 1}, "other": {"a": 1}}
    assert read_yaml(path, as_text=True)["names"] == ["no", "1.10", "x"]
    assert read_yaml(written("")) is None


def test_aliases_count_as_often_as_they_stand(written):
    """Eight values a level: four levels are 4,096 and more in a file of a few lines."""
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 4)]
    path = written("\n".join(lines))
    assert len(read_yaml(path)["a3"]) == 8
    with pytest.raises(DataError, match=r"a\.yaml:4: more than 1,000 values, with what its aliases repeat"):
        read_yaml(path, max_values=1000)
    merged = "a0: &a0 {x: 1, y: 2}\n" + "\n".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 8)}]}}" for n in range(1, 4)
    )
    with pytest.raises(DataError, match=r"a\.yaml:4: more than 1,000 values"):
        read_yaml(written(merged), max_values=1000)


def test_depth_is_bounded(written):
    path = written("[" * 6 + "]" * 6)
    assert read_yaml(path, deepest=6) == [[[[[[]]]]]]
    with pytest.raises(DataError, match=r"a\.yaml:1: the YAML is nested deeper than 5 levels"):
        read_yaml(path, deepest=5)


def test_an_alias_within_itself_is_refused(written):
    with pytest.raises(DataError, match=r"a\.yaml:2: the alias \*a stands inside of what it repeats"):
        read_yaml(written("a: &a\n  b: *a\n"))


@pytest.mark.parametrize(
    "text",
    ["nc: " + "9" * 200, "nc: 0x" + "f" * 200, "nc: " + ":".join(["1"] * 100), "nc: !!int '" + "9" * 200 + "'"],
)
def test_long_numbers_are_told_with_their_line(written, text):
    with pytest.raises(DataError, match=r"a\.yaml:2: a number of \d{3} characters"):
        read_yaml(written("names: [a]\n" + text))


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:print [1]", "a: !!bool x", "a: !!int ''", "a: !!timestamp x", "a: !!float ''",
        "a: !!binary é", "a: !!omap 1", "a: !own 1", "a: 2024-13-45", "? [a]\n: 1", "a: [", "a: *b", "a: \x01",
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_a_data_error(written, text):
    with pytest.raises(DataError, match=r"a\.yaml(:\d+)?: "):
        read_yaml(written(text))


def test_a_file_beyond_the_bound_is_refused(written):
    with pytest.raises(DataError, match="at most 5 are read"):
        read_yaml(written("a: [1]"), max_bytes=5)
