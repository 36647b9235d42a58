"""The tracking part of a run's report: curves and sequences."""

from __future__ import annotations

from zorki.contracts import Section
from zorki.draw.blocks import columns, figure, table
from zorki.draw.figures import curves
from zorki.tasks.tracking.metric import TrackingResult

MAX_ROWS = 100  # sequences in the table


def sections(result: TrackingResult) -> list[Section]:
    """The sections of one result; none where no object was tracked."""
    if not result.count:
        return []
    success = [(place / 20, share) for place, share in enumerate(result.success)]
    precision = [(float(pixels), share) for pixels, share in enumerate(result.precision)]
    drawn = columns(
        figure(curves({"success": success}, title="Success", x_label="IoU above", y_label="share of frames")),
        figure(
            curves({"precision": precision}, title="Precision", x_label="pixels at most", y_label="share of frames")
        ),
    )
    return [
        Section("Tracks", drawn, "OTB's curves: the share of frames by the overlap, and by the distance of centers."),
        Section("Sequences", table(result.tables()["per_sequence"][:MAX_ROWS]), "In the order of the dataset."),
    ]
