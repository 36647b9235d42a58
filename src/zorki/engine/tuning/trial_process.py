"""A trial as a process of its own: `zorki train`, here or on a Ray cluster, watched by the files that it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from zorki.engine.ray_cluster import count_gpus, ray_cluster

GRACE = 60.0  # seconds after which a process that was asked to stop is killed


@runtime_checkable
class TrialProcess(Protocol):
    """A training that runs somewhere; its run folder is read from here."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    def stop(self) -> None:
        """Ends it after the step at hand, with a checkpoint, and waits until it has ended."""


Launch = Callable[[Sequence[str], Path], TrialProcess]
"""Starts `python -m zorki WORDS`, with all that it prints in a file."""


class LocalProcess:
    """On this computer."""

    def __init__(self, words: Sequence[str], log: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "ZORKI_RUN_FOLDER"}
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "zorki", *words], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env=environment, start_new_session=True,  # Ctrl-C is ours to pass on
            )  # fmt: skip

    def poll(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class RayProcess:
    """On a Ray cluster, whose nodes share the file system of the run folders."""

    def __init__(self, words: Sequence[str], log: Path, *, gpus: float) -> None:
        import ray  # type: ignore[import-not-found, unused-ignore]

        place = ray.remote(num_cpus=1, num_gpus=gpus)(LocalProcess)
        self._ray, self._actor = ray, place.remote(list(words), log.resolve())

    def poll(self) -> int | None:
        found: int | None = self._ray.get(self._actor.poll.remote())
        return found

    def stop(self) -> None:
        self._ray.get(self._actor.stop.remote())


def launcher(on: str, device: str | None) -> Launch:
    """What starts trials `on` local or ray. Raises ZorkiError where Ray is not installed or has no cluster."""
    if on == "local":
        return LocalProcess
    ray = ray_cluster()
    has_gpus = count_gpus(ray) > 0
    gpus = 1.0 if has_gpus and (device is None or device.startswith("cuda")) else 0.0
    return lambda words, log: RayProcess(words, log, gpus=gpus)


def last_words(log: Path) -> str:
    """The end of what a process printed: the message of its error."""
    text = log.read_bytes()[-4000:].decode("utf-8", errors="replace") if log.exists() else ""
    return "\n".join(text.strip().splitlines()[-5:])


def is_diverged(words: str) -> bool:
    """Whether a training ended since its loss ran away: a result of its settings, and no fault of the data."""
    return "training has run away" in words or "the loss is" in words


def read_values(rows: Sequence[dict[str, Any]], monitor: str) -> list[tuple[int, float]]:
    """(epoch, monitor) of the rows of epochs.csv."""
    column = f"val/{monitor}"
    return [(int(row["epoch"]), float(row[column])) for row in rows if isinstance(row.get(column), int | float)]
