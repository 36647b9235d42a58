"""Something wrong with the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Defect:
    """Something wrong with the data: where, what, and what was done about it.

    A `note` is worth knowing, and nothing was left out or changed for it.
    """

    path: Path
    reason: str
    line: int | None = None
    note: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: the path as a string, and the line, which is None where the file as a whole is meant."""
        return {"path": str(self.path), "line": self.line, "reason": self.reason, "note": self.note}

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line is not None else str(self.path)
        return f"{place}: {self.reason}"
