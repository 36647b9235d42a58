from pathlib import Path

import pytest

from zorki.errors import DataError
from zorki.tracks.mot_text import mot_line, read_mot


def test_what_is_written_is_read():
    Path("a.txt").write_text(mot_line(0, 3, (10.5, 20, 30, 60.25), 0.75) + "\n\n" + mot_line(4, 1, (0, 0, 1, 2), 1.0))
    table = read_mot(Path("a.txt"))
    assert table.frame.tolist() == [0, 4]
    assert table.identity.tolist() == [3, 1]
    assert table.xywh.tolist() == [[11.5, 21, 19.5, 40.25], [1, 1, 1, 2]]  # the first pixel is (1, 1)
    assert (table.score.tolist(), table.label.tolist()) == ([0.75, 1.0], [1, 1])


def test_a_short_line_counts_and_is_of_class_1_and_a_full_one_is_read():
    Path("gt.txt").write_text("1,1,2,3,4,5\n2 1 2 3 4 5 0 8 .5\n")
    table = read_mot(Path("gt.txt"))
    assert (table.score.tolist(), table.label.tolist()) == ([1, 0], [1, 8])
    Path("empty.txt").write_text("")
    assert len(read_mot(Path("empty.txt"))) == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,1,2,3,4", "5 columns"),
        ("1,1,a,3,4,5", "expected numbers"),
        ("0,1,2,3,4,5", "frames from 1"),
        ("1.5,1,2,3,4,5", "whole numbers"),
        ("1,1,nan,3,4,5", "not finite"),
        ("2,7,2,3,4,5", "stands twice in frame 2, the first time in line 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(line, words):
    Path("a.txt").write_text(f"2,7,1,1,1,1\n{line}\n")
    with pytest.raises(DataError, match=rf"a\.txt:2: .*{words}"):
        read_mot(Path("a.txt"))
