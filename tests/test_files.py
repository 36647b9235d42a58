import errno
import json
import resource
import subprocess
import sys

import pytest

from zorki.errors import ZorkiError
from zorki.files import check_writable, new_output, output_folder, whole, write_json, write_text


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail():
        with whole(path) as aside:
            aside.write_text("half")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_told_in_words(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail():
        with whole(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ZorkiError, match=r"a\.txt: could not be written: the disk is full .* the earlier one is whole"):
        fail()
    assert path.read_text() == "old"


def test_what_stands_in_the_way_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ZorkiError, match=r"a\.txt: could not be written: .*; mend that, or name another folder"):
        write_text(tmp_path / "file" / "a.txt", "new")
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(ZorkiError, match=r"a\.txt: could not be written: Is a directory"):
        write_text(tmp_path / "a.txt", "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "file"]


def test_a_file_that_is_not_flushed_is_whole_all_the_same(tmp_path):
    with whole(tmp_path / "deep" / "a.txt", flush=False) as aside:
        aside.write_text("new")
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert (tmp_path / "deep" / "a.txt").read_text() == "new"


def test_a_checkpoint_that_grows_past_the_limit_of_the_disk(tmp_path):
    """A real limit on the size of files stands in for a full disk."""
    program = f"""
import resource, signal, torch
from pathlib import Path
from zorki.files import whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
path = Path({str(tmp_path)!r}) / "last.ckpt"
path.write_text("old")
with whole(path) as aside:
    torch.save(torch.zeros(1_000_000), aside)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode != 0
    assert "it is larger than files may be here (0 MB, as `ulimit -f` sets it); the earlier one is whole" in done.stderr
    assert "the disk is full" not in done.stderr
    assert (tmp_path / "last.ckpt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_numbers_that_json_lacks_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"loss": float("nan"), "rows": [1.5, float("inf")]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"loss": None, "rows": [1.5, None]}


def test_json_holds_names_that_are_no_text(tmp_path):
    write_json(tmp_path / "a.json", {"caf\udce9": "猫"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"caf\udce9": "猫"}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EFBIG, r"it is larger than files may be here \(that of its file system\)"),
        (errno.EDQUOT, "your quota on the disk is used up"),
    ],
)
def test_why_there_is_no_room(tmp_path, number, words):
    with pytest.raises(ZorkiError, match=words), whole(tmp_path / "a.txt"):
        raise OSError(number, "no room")


def test_a_verb_writes_into_a_new_folder_or_the_next_that_is_free(tmp_path):
    runs = tmp_path / "runs"
    assert [output_folder(None, "show", runs).name for _ in range(2)] == ["show-1", "show-2"]
    own = tmp_path / "own"
    assert output_folder(own, "show") == output_folder(own, "show") == own, "an empty one is as good as a new one"
    (own / "notes.txt").write_text("mine")
    with pytest.raises(ZorkiError, match="own: holds files already"):
        output_folder(own, "show")
    with pytest.raises(ZorkiError, match=r"below: could not be written: .*notes\.txt is a file; mend that"):
        output_folder(own / "notes.txt" / "below", "show")


def begin_and_stop(folder):
    (folder / "tracks" / "below").mkdir(parents=True)
    raise KeyboardInterrupt


@pytest.mark.parametrize("out", [None, "own", "own/below/it"])
def test_a_folder_of_work_that_fails_goes_again_with_those_above_it(tmp_path, out):
    runs, own = tmp_path / "runs", None if out is None else tmp_path / out
    with pytest.raises(KeyboardInterrupt), new_output(own, "show", runs) as folder:
        begin_and_stop(folder)
    assert list(tmp_path.iterdir()) == []
    with new_output(own, "show", runs) as folder:
        pass
    assert folder.is_dir(), "what came to its end stays"


def fill_and_refuse(folder):
    write_text(folder / "found.txt", "half of it")
    raise ZorkiError("no image")


def test_a_folder_that_holds_something_stays_and_so_does_one_that_was_there(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ZorkiError), new_output(tmp_path / "empty", "show"):
        raise ZorkiError("no image")
    with pytest.raises(ZorkiError), new_output(tmp_path / "new", "show") as folder:
        fill_and_refuse(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ZorkiError, match=r"notes.txt: is a file; expected a new folder"):
        output_folder(tmp_path / "notes.txt", "show")


def test_what_cannot_be_written_is_told_before_the_work(tmp_path):
    (tmp_path / "file").write_text("x")
    check_writable(tmp_path / "new/folder/a.json")
    check_writable(tmp_path / "file")
    for path, reason in (("file/a.json", "file is a file"), ("file/b/a.json", "file is a file"), (".", "is a folder")):
        with pytest.raises(ZorkiError, match=reason):
            check_writable(tmp_path / path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
