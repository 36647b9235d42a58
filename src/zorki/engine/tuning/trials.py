"""What a search found: its trials in plain values, the best of them, and whether that beats the default recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki.engine.tuning.space import Range


@dataclass(frozen=True)
class TriedRecipe:
    """One trial: its number, its run's folder, what was drawn, and how it ended.

    Attributes:
        state: complete, pruned, failed or running.
        value: the monitor on validation; None of trials that are not complete.
        values: the monitor after each epoch.
        latency: seconds for one image, where it was bounded; `feasible`: whether it keeps the bound.
        reason: why it is not complete.
    """

    number: int
    folder: Path
    params: Mapping[str, Any]
    state: str
    value: float | None
    values: Mapping[int, float]
    latency: float | None
    feasible: bool
    reason: str


@dataclass(frozen=True)
class Tuning:
    """What a search found.

    Attributes:
        folder: of the study: runs, journal, page, and recipe.yaml, the best recipe.
        importance: share of the spread of scores that each setting explains; empty of too few trials.
    """

    folder: Path
    model: str
    monitor: str
    space: Mapping[str, Range]
    trials: list[TriedRecipe]
    importance: Mapping[str, float]

    @property
    def default(self) -> TriedRecipe | None:
        """Trial 0, the default recipe."""
        return next((trial for trial in self.trials if trial.number == 0), None)

    @property
    def best(self) -> TriedRecipe | None:
        """The complete trial with the largest score of those that keep the bounds; of equal ones the first."""
        there = [trial for trial in self.trials if trial.value is not None and trial.feasible]
        return max(there, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)

    def __str__(self) -> str:
        """Whether the default recipe was beaten."""
        best, default = self.best, self.default
        counts = ", ".join(
            f"{sum(trial.state == state for trial in self.trials)} {state}"
            for state in dict.fromkeys(trial.state for trial in self.trials)
        )
        if best is None or best.value is None:
            return f"no trial keeps the bounds ({counts})"
        text = f"best: trial {best.number}, val {self.monitor} {best.value:.4f} ({counts})"
        if default is None or default.value is None:
            return text
        if best.number == 0:
            return f"{text}\nthe default recipe was not beaten"
        if not default.feasible:
            return f"{text}\nthe default recipe, {default.value:.4f}, does not keep the bounds"
        return f"{text}\nthe default recipe has {default.value:.4f}: beaten by {best.value - default.value:.4f}"
