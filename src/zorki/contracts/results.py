"""What evaluation found, and a part of a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zorki.contracts.metric import MetricResult
from zorki.types import Defect


@dataclass
class Section:
    """A part of a report: a title, HTML that needs no network, and one line that says how to read it."""

    title: str
    html: str
    note: str = ""


@dataclass
class Results:
    """What evaluation found on one split."""

    split: str
    count: int
    metrics: MetricResult
    losses: dict[str, float]
    baseline: dict[str, int | float] | None = None  # the scalars of the best prediction that looks at no image
    comparisons: dict[str, dict[str, int | float]] = field(default_factory=dict)  # of simpler models, by their names
    comparison_missing: str = ""  # why a simpler model that there should be has no scores, a line; else empty
    worst: list[tuple[int, Any]] = field(default_factory=list)  # (index in the dataset, prediction), most wrong first
    samples: list[tuple[int, Any]] = field(default_factory=list)  # a few, in the dataset's order
    defects: list[Defect] = field(default_factory=list)
    unit: str = "images"  # what is counted

    def total_loss(self) -> dict[str, float]:
        """The sum of the losses as "loss"; nothing where none is, as of videos that are followed."""
        return {"loss": sum(self.losses.values())} if self.losses else {}
