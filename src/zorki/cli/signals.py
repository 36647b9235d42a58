"""Signals that ask a process to end: a kind kill, a closed terminal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("SIGTERM", "SIGHUP")


@contextmanager
def stopping_as_ctrl_c() -> Iterator[None]:
    """Within, these signals raise KeyboardInterrupt with their name, but not where nohup has them ignored.

    Nothing changes outside the main thread, where Python lets nobody listen.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [signal.Signals[name] for name in NAMES if name in signal.Signals.__members__]
        heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, _stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
