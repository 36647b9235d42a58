"""`--conf`, `--iou`, `--max-det`, `--classes`, `--tile`, `--overlap`, ...: what verbs share that predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Tile = Annotated[
    int | None,
    Parameter(help="Predict large images by tiles of this side, in pixels, such as that of the training images."),
]
Overlap = Annotated[
    int | None,
    Parameter(help="Overlap of neighboring tiles, in pixels; empty: an eighth of the tile, or what the network needs."),
]
BoxesFrom = Annotated[
    Path | None,
    Parameter(help="A detector's run, whose boxes tell a network for joints where to look; empty: the data's boxes."),
]
Smooth = Annotated[
    str | None,
    Parameter(help="In videos, filter joints over time: one-euro, or one-euro:min_cutoff=1,beta=5 (in hertz)."),
]
Conf = Annotated[float | None, Parameter(help="Minimum score (confidence), 0 to 1; empty: the network's own.")]
Iou = Annotated[
    float | None, Parameter(help="IoU threshold of non-maximum suppression, 0 to 1; empty: the network's own.")
]
MaxDet = Annotated[int | None, Parameter(help="Maximum number of predictions per image; empty: the network's own.")]
Classes = Annotated[
    list[str] | None,
    Parameter(help="These classes only, by name or label: person,dog; empty: all.", negative=""),
]
Options = Annotated[
    dict[str, str] | None, Parameter(help="Arguments of the model's builder, in place of those of the training.")
]
Track = Annotated[
    bool, Parameter(help="Give objects of videos and cameras ids that stay the same: ByteTrack.", negative="")
]
Tracker = Annotated[
    dict[str, str] | None,
    Parameter(help="Thresholds of --track, such as --tracker.max_lost 2, the seconds that an object may be hidden."),
]
Embed = Annotated[
    Path | None, Parameter(help="A run that embeds images, by which --track knows objects again that were hidden.")
]
CountLine = Annotated[
    list[str] | None,
    Parameter(
        help="Count tracked objects that cross this line, x1,y1,x2,y2 in pixels; several times.",
        negative="",
        allow_leading_hyphen=True,
    ),
]
CountZone = Annotated[
    list[str] | None,
    Parameter(
        help="Count tracked objects that enter and leave this polygon, x,y,x,y,x,y,...",
        negative="",
        allow_leading_hyphen=True,
    ),
]
