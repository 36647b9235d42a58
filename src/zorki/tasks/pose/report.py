"""The pose part of a run's report: average precision, errors, and joints one by one."""

from __future__ import annotations

from typing import Any

from zorki.contracts import Section
from zorki.draw.blocks import columns, figure, notice, table
from zorki.draw.figures import bars
from zorki.tasks.pose.metric import PoseResult

MAX_BARS = 40  # joints; above, the table alone tells

NAMES = {
    "oks_ap": "AP, OKS .50 to .95",
    "oks_ap50": "AP at OKS .50",
    "oks_ap75": "AP at OKS .75",
    "oks_ap_medium": "AP, 32² to 96² pixels",
    "oks_ap_large": "AP, above 96² pixels",
    "oks_ar": "recall, OKS .50 to .95",
    "nme_outer_eye_corners": "mean error / outer eye corners",
    "nme_box_side": "mean error / root of the box's area",
    "pck05_box_longer_side": "joints within 5 % of the box's longer side",
    "pck20_box_longer_side": "joints within 20 % of the box's longer side",
    "pckh50_head_segment": "joints within half a head segment",
    "pdj20_torso": "joints within 20 % of the torso",
    "pcp50_strict": "limbs, both ends within half their length",
    "pcp50_loose": "limbs, ends within half their length in the mean",
}
"""What each score is, for a person."""


def sections(result: PoseResult) -> list[Section]:
    """The sections of one result; none where no image was evaluated."""
    if not result.count:
        return []
    if not result.objects:
        none = notice(f"The {result.count} images hold no object with a labeled joint.", kind="note")
        return [Section("Joints", none)]
    values = result.to_json()
    rows: list[dict[str, Any]] = [
        {"score": text, "value": values[name]} for name, text in NAMES.items() if values[name] is not None
    ]
    half = (len(rows) + 1) // 2
    missed = f" {result.missed} of {result.objects} objects were not found." if result.missed else ""
    return [
        Section(
            "Scores of joints",
            columns(table(rows[:half]), table(rows[half:])),
            f"OKS goes by the sigmas {result.oks_sigmas_reason}, which stand with the joints below; by others it is "
            f"another measure.{missed}",
        ),
        Section("Joints", _joints(result), "Which joints are hard: far from the body, and often hidden."),
    ]


def _joints(result: PoseResult) -> str:
    parts = [table(result.tables()["per_joint"])]
    if len(result.per_joint) <= MAX_BARS:
        errors = {row.joint: row.nme_box_side or 0.0 for row in result.per_joint}
        parts.append(figure(bars({"error": errors}, title="Mean error in shares of the box's side")))
    return "".join(parts)
