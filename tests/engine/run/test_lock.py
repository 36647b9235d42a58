import os
import shutil

import pytest

from zorki.engine.run.lock import run_lock
from zorki.errors import ZorkiError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def test_one_process_at_a_time(folder):
    with (
        run_lock(folder),
        pytest.raises(ZorkiError, match="another process works in this folder, and two would write the same files"),
        run_lock(folder),
    ):
        pass
    with run_lock(folder):
        pass
    assert not list(folder.iterdir())


def test_a_fork_keeps_no_lock(folder):
    with run_lock(folder):
        ready, done = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os.write(ready[1], b"1")
            os.read(done[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
    with run_lock(folder):  # while the child is there
        os.write(done[1], b"1")
    os.waitpid(child, 0)


def test_a_folder_that_is_gone_or_another_is_told(folder):
    with run_lock(folder) as lock:
        lock.check()
        folder.rename(folder.with_name("moved"))
        with pytest.raises(ZorkiError, match="the run's folder was moved or deleted"):
            lock.check()
        folder.mkdir()
        with pytest.raises(ZorkiError, match="nothing is made anew in its place"):
            lock.check()
    with run_lock(folder) as lock:
        shutil.rmtree(folder)
        with pytest.raises(ZorkiError, match="moved or deleted"):
            lock.check()
