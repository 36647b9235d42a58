"""The retrieval part of a run's report: scores of the ranking, and the DET curve."""

from __future__ import annotations

from zorki.contracts import Section
from zorki.draw.blocks import figure
from zorki.draw.figures import bars, curves
from zorki.tasks.retrieval.metric import COLLAPSED, RetrievalResult


def sections(result: RetrievalResult) -> list[Section]:
    """The sections of one result; none where nothing could be asked."""
    found = [Section("Collapse", "", f"{COLLAPSED.capitalize()}.")] if result.collapsed else []
    if result.queries:
        values = {
            "Recall@1": result.recall_at_1 or 0.0,
            "Recall@5": result.recall_at_5 or 0.0,
            "Recall@10": result.recall_at_10 or 0.0,
            "mAP": result.map or 0.0,
            "R-precision": result.r_precision or 0.0,
            "MAP@R": result.map_at_r or 0.0,
        }
        note = f"{result.queries} queries of {result.classes} classes, each against all other images of the split."
        if result.lone_queries:
            note += f" {result.lone_queries} images are the only one of their class, and ask nothing."
        found.append(Section("Nearest neighbors", figure(bars({"share": values}, title="Retrieval", maximum=1)), note))
    if result.det_curve:
        # The curve is drawn over the false accept rate; the points that accept nothing have no place there.
        points = [(row.false_accept_rate, row.false_reject_rate) for row in reversed(result.det_curve)]
        drawn = curves({"false reject rate": points}, title="DET curve", x_label="false accept rate")
        note = "Are two images of one class? Each threshold accepts some wrong pairs, and rejects some right ones."
        found.append(Section("Verification", figure(drawn), note))
    return found
