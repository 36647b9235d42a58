"""The page of a check: its verdict, what was found with images of it, and what was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zorki.contracts import Dataset, Section, Task
from zorki.draw.report import Thumbnail, columns, definition_list, image_grid, notice, page, table, write_page
from zorki.engine.checks.report import CheckReport, Finding
from zorki.errors import DataError

PAGE = "index.html"
SHOWN = 8  # images of a finding
EXAMPLES = 15  # images with their ground truth


def write_check(
    folder: Path, report: CheckReport, task: Task[Any, Any], dataset: Dataset[Any], more: Sequence[Section] = ()
) -> Path:
    """Writes the page into a folder that is there."""
    sections = [_verdict(report)]
    sections += [_section(finding, task, dataset) for finding in report.findings]
    sections += [*more, _examples(task, dataset), _looked(report)]
    facts = {"errors": _count(report, "error"), "warnings": _count(report, "warning"), "notes": _count(report, "note")}
    path = folder / PAGE
    write_page(path, page("Check", sections, subtitle=report.subject, facts=facts))
    return path


def _count(report: CheckReport, severity: str) -> str:
    return str(sum(one.severity == severity for one in report.findings))


def _verdict(report: CheckReport) -> Section:
    rows = [
        {"id": one.id, "name": one.name, "severity": one.severity, "reason": one.reason, "what to do": one.remedy}
        for one in report.findings
    ]
    html = table(rows) if rows else notice("Nothing was found.", "note")
    return Section("Verdict", html, report.verdict)


def _section(finding: Finding, task: Task[Any, Any], dataset: Dataset[Any]) -> Section:
    kinds = {"error": "error", "warning": "warning", "note": "note"}
    html = notice(f"{finding.reason}\n{finding.remedy}", kinds[finding.severity])  # type: ignore[arg-type]
    names = {_name(dataset.path(index), dataset.root): index for index in _indices(dataset)}
    shown = [names[name] for name in finding.files if name in names][:SHOWN]
    if thumbnails := _thumbnails(task, dataset, shown):
        html += image_grid(thumbnails)
    if finding.files:
        html += table([{"file": name} for name in finding.files])
    return Section(f"{finding.id} {finding.name}", html)


def _indices(dataset: Dataset[Any]) -> list[int]:
    return sorted({index for own in dataset.splits.values() for index in own})


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _thumbnails(task: Task[Any, Any], dataset: Dataset[Any], indices: Sequence[int]) -> list[Thumbnail]:
    info, found = task.data.class_info(dataset), []
    if task.unit == "video":
        return []
    for index in indices:
        try:
            sample = dataset.arrays(index)
            image = task.presentation.thumbnail(sample.image, sample.target, info)
        except DataError:
            continue
        text = task.presentation.caption(sample.target, info)
        found.append(Thumbnail(image, text, name=dataset.path(index).name))
    return found


def _examples(task: Task[Any, Any], dataset: Dataset[Any]) -> Section:
    indices = _indices(dataset)
    chosen = indices[:: max(1, len(indices) // EXAMPLES)][:EXAMPLES]
    return Section("Samples", image_grid(_thumbnails(task, dataset, chosen)), "Images with their ground truth.")


def _looked(report: CheckReport) -> Section:
    checks = {"checks": ", ".join(report.checked), "not checked": ", ".join(report.unchecked) or "none"}
    facts = definition_list({**report.facts, **checks})
    rows = [{"left out": one} for one in report.left_out]
    left_out = table(rows) if rows else notice("Nothing was left out.", "note")
    return Section("What was looked at", columns(facts, left_out))
