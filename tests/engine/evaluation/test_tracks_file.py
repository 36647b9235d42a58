from pathlib import Path

import pytest

from zorki.cli import _run
from zorki.engine.evaluation.tracks_file import evaluate_tracks
from zorki.errors import DataError

LINES = "".join(f"{frame},1,10,10,20,40,1,1,1\n" for frame in range(1, 5))


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def challenge(names, length=4):
    for name in names:
        write(f"data/{name}/gt/gt.txt", LINES)
        write(f"data/{name}/seqinfo.ini", f"[Sequence]\nname={name}\nseqLength={length}\n")
        write(f"found/{name}.txt", LINES)


def test_folders_and_files_of_videos():
    challenge(["a", "b"], length=6)
    both = evaluate_tracks("found", "data").metrics
    assert [row.sequence for row in both.sequences] == ["a", "b"]
    assert (both.hota, both.count) == (pytest.approx(1.0), 12)
    for tracks, ground_truth in (("found", "data/a"), ("found/a.txt", "data/a/gt/gt.txt"), ("found", "found")):
        assert evaluate_tracks(tracks, ground_truth).metrics.idf1 == 1.0
    assert evaluate_tracks("found/a.txt", "data/b/gt/gt.txt").metrics.sequences[0].sequence == "b"


def test_what_does_not_go_together_is_told():
    challenge(["a", "b"])
    Path("found/b.txt").unlink()
    for tracks, ground_truth, words in (
        ("found", "data", r"no tracks of b; expected b\.txt"),
        ("found/a.txt", "data", "one file, for 2 videos"),
        ("none", "data", "there is no such file"),
        ("found", "none", "there is no such file"),
    ):
        with pytest.raises(DataError, match=words):
            evaluate_tracks(tracks, ground_truth)
    write("found/b.txt", "9,1,1,1,1,1\n")
    with pytest.raises(DataError, match="a box in frame 9; the video has 4"):
        evaluate_tracks("found", "data")
    write("data/b/seqinfo.ini", "[Sequence]\nseqLength=many\n")
    with pytest.raises(DataError, match="seqLength, the number of frames"):
        evaluate_tracks("found", "data")
    write("none_counts.txt", "1,1,2,3,4,5,0,1\n")
    with pytest.raises(DataError, match="no box counts"):
        evaluate_tracks("found/a.txt", "none_counts.txt")


def test_on_the_command_line(capsys):
    challenge(["a", "b"])
    assert _run(["evaluate", "--tracks", "found", "data"]) == 0
    out = capsys.readouterr().out
    assert "all: 8 frames" in out
    assert "hota" in out
    assert "sequences, found" in out
    assert _run(["evaluate", "--tracks", "found", "data", "--conf", "0.5"]) == 2
    assert "--conf with --tracks" in capsys.readouterr().err
