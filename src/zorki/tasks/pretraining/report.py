"""The pretraining part of a run's report: what features hold, and how they lie."""

from __future__ import annotations

from zorki.contracts import Section
from zorki.draw.blocks import definition_list, figure
from zorki.draw.figures import bars
from zorki.tasks.pretraining.metric import RepresentationResult


def sections(result: RepresentationResult) -> list[Section]:
    """The sections of one result."""
    found = []
    if result.knn is not None and result.linear_probe is not None:
        values = {f"{result.neighbors} nearest neighbors": result.knn, "linear probe": result.linear_probe}
        drawn = figure(bars({"accuracy": values}, title="Accuracy on frozen features", maximum=1))
        note = (
            f"By the labels of {result.reference:,} training images of {result.classes} classes, which nothing but "
            "this evaluation has seen."
        )
        found.append(Section("Classes", drawn, note))
    facts: dict[str, object] = {}
    if result.alignment is not None:
        facts["alignment"] = f"{result.alignment:.3f}: two views of an image lie so far apart, squared; 0 is together"
    if result.uniformity is not None and result.effective_rank is not None and result.spread is not None:
        facts["uniformity"] = f"{result.uniformity:.3f}: 0 is all images in one point, -4 is spread over the sphere"
        facts["effective rank"] = f"{result.effective_rank:.1f} of {result.dim} directions are in use"
        facts["spread"] = f"{result.spread:.3f}: distance from the mean; 1 is all around, 0 is collapsed"
    if facts:
        found.append(Section("Features", definition_list(facts), "How features of length 1 lie; no label is asked."))
    return found
