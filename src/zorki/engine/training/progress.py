"""What a person sees while training: a bar with the loss and the remaining time, and a line an epoch."""

from __future__ import annotations

import sys
import time
from typing import Any

from zorki.output import printable, say

REFRESH = 0.2  # seconds between redraws


class Progress:
    """A bar on a terminal; elsewhere just a line an epoch, so that log files stay readable."""

    def __init__(
        self, epochs: int, monitor: str, *, unit: str = "image", active: bool = True, bar: bool | None = None
    ) -> None:
        self.epochs, self.monitor, self.active = epochs, monitor, active
        self.unit = "clip" if unit == "clip" else "image"  # of videos, images are learned from
        self.bar_wanted = sys.stdout.isatty() if bar is None else bar
        self.losses: dict[str, float] = {}
        self._bar: Any = None
        self._task: Any = None
        self._drawn = 0.0

    def step(self, epoch: int, done: int, steps: int) -> None:
        """Moves the bar; cheap enough for every step."""
        if not (self.active and self.bar_wanted):
            return
        now = time.monotonic()
        if now - self._drawn < REFRESH and done < steps:
            return
        self._drawn = now
        if self._bar is None:
            self._open(epoch, steps)
        text = "  ".join(f"{name} {value:.4f}" for name, value in self.losses.items())
        self._bar.update(
            self._task,
            completed=epoch * steps + done,
            description=f"epoch {epoch + 1}/{self.epochs}",
            losses=text,
            refresh=True,
        )

    def _open(self, epoch: int, steps: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[losses]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            transient=True,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", total=self.epochs * steps, completed=epoch * steps, losses="")
        self._bar.start()

    def epoch(self, row: dict[str, Any], epochs: int) -> None:
        """One line of what the epoch brought."""
        if not self.active:
            return
        parts = [f"epoch {row['epoch'] + 1:>3}/{epochs}", f"loss {row['train/loss']:.4f}"]
        if "val/loss" in row:
            parts.append(f"val loss {row['val/loss']:.4f}")
        if f"val/{self.monitor}" in row:
            parts.append(f"val {self.monitor} {row[f'val/{self.monitor}']:.4f}")
        parts.append(f"{row['images_per_second']:.0f} {self.unit}s/s")
        parts.append(f"{row['seconds']:.0f} s")
        self.say("  ".join(parts))

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is not None:
            self._bar.console.print(printable(text), highlight=False, markup=False)
        elif self.active:
            say(text, flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
