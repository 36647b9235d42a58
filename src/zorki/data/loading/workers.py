"""The processes that make batches, and other things, beside the one that takes them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time

import torch

WATCH_SECONDS = 1.0
"""How often a worker looks whether its parent is still there."""


def start_worker(worker: int) -> None:
    """What a DataLoader's worker begins with, as its `worker_init_fn`."""
    # First of all: the parent's pool of threads was not forked with it, and waiting for one would be for ever.
    torch.set_num_threads(1)
    # Ctrl-C, a closed terminal and most kinds of kill go to all processes of a terminal, a group or a job; the parent
    # alone decides what is still to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return
    if sys.platform == "linux":
        # Before any thread starts: one that does not block a signal would take it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_by, args=(parent.pid,), daemon=True).start()
    threading.Thread(target=_end_with, args=(parent.pid,), daemon=True).start()


def _end_with(parent: int) -> None:
    """Ends this process once its parent has ended, in whatever way: a killed one tells nobody."""
    # Not left to the DataLoader: its worker waits for ever to hand over a batch that nobody takes.
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


if sys.platform == "linux":

    def _end_by(parent: int) -> None:
        """Ends this process at a SIGTERM of its parent's; those of others, sent to all alike, are the parent's.

        Only who waits for a signal is told who sent it.
        """
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
            pass
        os._exit(0)
