"""The instance segmentation part of a run's report: average precision, counts, maps of objects, classes, errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from zorki.contracts import Section
from zorki.draw.agreement import agreement
from zorki.draw.blocks import columns, figure, table
from zorki.metrics.coco_ap import MOST
from zorki.tasks.detection import report as detection
from zorki.tasks.instance_segmentation.metrics.scores import OF_BOXES

NAMES = {
    "pq": "panoptic quality, PQ = SQ · RQ",
    "sq": "overlap of the objects found, SQ",
    "rq": "F1 of finding them, RQ",
    "bowl_ap50": "right / (right + wrong + missed), overlap .50",
    "bowl_ap": "the same, mean over overlaps .50 to .95",
    "sbd": "symmetric best Dice",
}
"""What each figure of maps is, for a person."""

COUNTS = {
    "dic": "answered less true, mean",
    "abs_dic": "the same without its sign, mean",
    "worst_dic": "answered less true, worst image",
}
"""What each figure of counts is, for a person."""


def sections(figures: Mapping[str, Any], class_names: Sequence[str]) -> list[Section]:
    """Sections for one result of `InstanceMetric.compute`; none where nothing was counted."""
    plain = {name.removeprefix("mask_"): value for name, value in figures.items()}
    found = detection.sections(plain, class_names)
    if len(found) < 2:  # nothing to find
        return found
    first, *rest = found
    boxes = [{"figure": detection.NAMES[name], "value": figures[f"box_{name}"]} for name in OF_BOXES]
    html = first.html + table(boxes, caption="Of boxes")
    note = "Overlaps are those of masks. " + first.note
    if (most := max(figures["counts"]["truth"])) > MOST[-1]:
        note += f" COCO reads {MOST[-1]} answers of an image and class; one image has {most} objects."
    return [
        dataclasses.replace(first, title="Average precision of masks", html=html, note=note),
        Section("Counts", _counts(figures), _counts_note(figures)),
        Section(
            "Maps of objects",
            table([{"figure": text, "value": figures[name]} for name, text in NAMES.items()]),
            "All answers of an image laid into one map, the best on top, as the Data Science Bowl, the benchmark of "
            "leaves and panoptic segmentation want them: answers that score "
            f"{figures['map_threshold']:.3f} or more.",
        ),
        *rest,
    ]


def _counts(figures: Mapping[str, Any]) -> str:
    counts = figures["counts"]
    points = list(zip(counts["truth"], counts["answered"], strict=True))
    plot = agreement(points, title="Objects an image", x_label="objects", y_label="answers")
    rows = [{"figure": text, "value": figures[name]} for name, text in COUNTS.items()]
    return columns(table(rows), figure(plot))


def _counts_note(figures: Mapping[str, Any]) -> str:
    counts = figures["counts"]
    exact = sum(a == b for a, b in zip(counts["truth"], counts["answered"], strict=True))
    return (
        f"{sum(counts['answered'])} answers for {sum(counts['truth'])} objects in {figures['count']} images, and in "
        f"{exact} of them as many as there are. On the line both are equal; larger points are several images."
    )
