import os
import signal
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from zorki.data.loading import workers


class Large(Dataset):
    """Batches that nobody takes: a worker waits for ever to hand over the second."""

    def __init__(self, folder):
        self.folder = folder

    def __len__(self):
        return 100

    def __getitem__(self, index):
        (self.folder / str(os.getpid())).touch()
        return bytes(1 << 20)


def same(value):
    return value


def is_alive(pid):
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "WATCH_SECONDS", 0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, of threads
        parent = os.fork()
    if parent == 0:
        loader = DataLoader(
            Large(tmp_path), batch_size=None, num_workers=2, worker_init_fn=workers.start_worker, collate_fn=same,
            multiprocessing_context="fork", generator=torch.Generator(),
        )  # fmt: skip
        held = iter(loader)
        time.sleep(30)
        del held
        os._exit(0)
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    until(lambda: not any(is_alive(path.name) for path in tmp_path.iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="asks who sent a signal")
def test_workers_leave_signals_that_all_processes_get_to_their_parent(tmp_path):
    loader = DataLoader(
        Large(tmp_path), batch_size=None, num_workers=1, worker_init_fn=workers.start_worker, collate_fn=same,
        multiprocessing_context="fork", generator=torch.Generator(),
    )  # fmt: skip
    batches = iter(loader)
    next(batches)
    (worker,) = [int(path.name) for path in tmp_path.iterdir()]
    if (stranger := os.fork()) == 0:
        os.kill(worker, signal.SIGTERM)
        os.kill(worker, signal.SIGHUP)
        os._exit(0)
    os.waitpid(stranger, 0)
    assert [len(next(batches)) for _ in range(8)] == [1 << 20] * 8
    del batches  # ends it, in the way of its parent
    until(lambda: not is_alive(worker))


def until(happened):
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
