"""The instance segmentation part of a run's report: average precision, counts, label maps, classes, errors."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict

from zorki.contracts import Section
from zorki.draw.agreement import agreement
from zorki.draw.blocks import columns, figure, table
from zorki.metrics.coco_ap import MAX_DETECTIONS
from zorki.tasks.detection import report as detection
from zorki.tasks.instance_segmentation.metrics.scores import InstanceResult

NAMES = {
    "pq": "panoptic quality, PQ = SQ · RQ",
    "sq": "segmentation quality, SQ: mean IoU of the objects found",
    "rq": "recognition quality, RQ: F1 of finding them",
    "bowl_ap50": "TP / (TP + FP + FN), IoU .50",
    "bowl_ap": "the same, mean over IoU .50 to .95",
    "sbd": "symmetric best Dice",
}
"""What each score of label maps is, for a person."""

COUNTS = {
    "dic": "predicted less annotated, mean",
    "abs_dic": "the same without its sign, mean",
    "worst_dic": "predicted less annotated, worst image",
}
"""What each difference in count is, for a person."""


def sections(result: InstanceResult, threshold_split: str | None = None) -> list[Section]:
    """The sections of one result; none where no image was evaluated.

    `threshold_split` is where the score was found from which detections are in a map; None: on the images evaluated.
    """
    found = detection.sections(result.masks, result.tables().get("per_class"))
    if len(found) < 2:  # nothing to find
        return found
    first, *rest = found
    boxes = [{"score": detection.NAMES[name], "value": value} for name, value in asdict(result.boxes).items()]
    html = first.html + table(boxes, caption="Of boxes")
    note = "IoU is that of masks. " + first.note
    if (most := max(result.counts.ground_truth)) > MAX_DETECTIONS[-1]:
        note += f" COCO reads {MAX_DETECTIONS[-1]} detections of an image and class; one image has {most} objects."
    scores = asdict(result.panoptic) | asdict(result.maps)
    return [
        dataclasses.replace(first, title="Average precision of masks", html=html, note=note),
        Section("Counts", _counts(result), _counts_note(result)),
        Section(
            "Label maps",
            table([{"score": text, "value": scores[name]} for name, text in NAMES.items()]),
            "All detections of an image laid into one label map, the best on top, as the Data Science Bowl, the leaf "
            "challenges and panoptic segmentation want them: detections that score "
            f"{result.map_threshold:.3f} or more, which is best on {threshold_split or 'these images'}.",
        ),
        *rest,
    ]


def _counts(result: InstanceResult) -> str:
    counts, scores = result.counts, asdict(result.maps)
    points = list(zip(counts.ground_truth, counts.predicted, strict=True))
    plot = agreement(points, title="Objects an image", x_label="annotated", y_label="predicted")
    return columns(table([{"score": text, "value": scores[name]} for name, text in COUNTS.items()]), figure(plot))


def _counts_note(result: InstanceResult) -> str:
    annotated, predicted = result.counts.ground_truth, result.counts.predicted
    exact = sum(a == b for a, b in zip(annotated, predicted, strict=True))
    return (
        f"{sum(predicted)} objects predicted and {sum(annotated)} annotated in {result.count} images; the numbers are "
        f"equal in {exact} of them. On the line both are equal; larger points are several images."
    )
