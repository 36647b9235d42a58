"""What a check found, and what it had no time for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zorki.engine.checks.catalog import Severity, find

MAX_FILES = 20  # of a finding that are told
CLEAN, FOUND = 0, 1  # exit codes


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        id, name, severity: of the check, see `zorki.engine.checks.catalog`.
        reason: what was found, in numbers.
        remedy: what to do.
        files: paths of the samples, some of them where there are many.
        count: of the samples, or boxes, or layers.
    """

    id: str
    name: str
    severity: Severity
    reason: str
    remedy: str
    files: tuple[str, ...] = ()
    count: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "id": self.id, "name": self.name, "severity": self.severity, "reason": self.reason,
            "remedy": self.remedy, "files": list(self.files), "count": self.count,
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.id} {self.name} ({self.severity}): {self.reason}"


@dataclass
class CheckReport:
    """What was found, and what was looked at.

    Attributes:
        subject: what was checked, in words.
        findings: errors before warnings before notes.
        checked: ids of the checks that were made.
        unchecked: ids of those that were wanted and not made: they do not apply, or `left_out` says why.
        left_out: what there was no time for, or what does not apply, one sentence each.
        facts: numbers worth knowing, by what they are called.
        seconds: that it took.
    """

    subject: str
    findings: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0: clean, but for notes; 1: something was found."""
        return FOUND if any(one.severity != "note" for one in self.findings) else CLEAN

    @property
    def verdict(self) -> str:
        """One line: how many of what."""
        counts = {kind: sum(one.severity == kind for one in self.findings) for kind in ("error", "warning", "note")}
        told = [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items() if count]
        made = f"{len(self.checked)} check{'' if len(self.checked) == 1 else 's'} in {self.seconds:.0f} s"
        where = " in what there was time and data for" if self.left_out and not told else ""
        word = "clean" if self.exit_code == CLEAN else "found"
        return f"{word}: {', '.join(told) or 'nothing found'}{where}; {made}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: keys are snake_case and stable."""
        return {
            "subject": self.subject, "exit_code": self.exit_code, "seconds": round(self.seconds, 2),
            "findings": [one.to_json() for one in self.findings], "checked": self.checked,
            "unchecked": self.unchecked, "left_out": self.left_out, "facts": self.facts,
        }  # fmt: skip


@dataclass
class Inspection:
    """A check that is going on: which checks are wanted, how much time is left, and what was found so far."""

    chosen: frozenset[str]
    report: CheckReport
    budget: float  # seconds
    root: Path = Path()
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.budget - (self.clock() - self._began)

    def wants(self, *ids: str) -> bool:
        """Whether any of these is looked for; those that are count as checked from now on."""
        own = [id for id in ids if id in self.chosen]
        self.report.checked += [id for id in own if id not in self.report.checked]
        return bool(own)

    def pass_over(self, *ids: str) -> None:
        """Takes back that these were checked: there was nothing that they apply to."""
        self.report.checked = [id for id in self.report.checked if id not in ids]

    def has_time(self, what: str, share: float = 1.0) -> bool:
        """Whether less than this share of the budget is used; else `what` is told as left out."""
        if self.left > (1 - share) * self.budget:
            return True
        self.leave_out(f"{what}: no time was left of {self.budget:.0f} s")
        return False

    def leave_out(self, what: str) -> None:
        """Tells what was not looked at, and why."""
        if what not in self.report.left_out:
            self.report.left_out.append(what)

    def add(self, id: str, reason: str, files: Sequence[Path | str] = (), count: int | None = None) -> None:
        """Takes in a finding, where it is looked for."""
        if id not in self.chosen:
            return
        check = find(id)
        names = tuple(self._name(path) for path in files)
        told = names[:MAX_FILES]
        own = count if count is not None else len(names) or None
        self.report.findings.append(Finding(id, check.name, check.severity, reason, check.remedy, told, own))

    def _name(self, path: Path | str) -> str:
        path = Path(path) if isinstance(path, str) else path
        below = path != self.root and path.is_relative_to(self.root)
        return path.relative_to(self.root).as_posix() if below else str(path)

    def finish(self) -> CheckReport:
        """The report: errors first, in the order of ids."""
        order = {"error": 0, "warning": 1, "note": 2}
        self.report.findings.sort(key=lambda one: (order[one.severity], one.id))
        self.report.checked.sort()
        self.report.unchecked = sorted(self.chosen - set(self.report.checked))
        self.report.seconds = self.clock() - self._began
        return self.report
