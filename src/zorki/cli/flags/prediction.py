"""`--conf`, `--iou`, `--max-det`, `--classes`, `--tile`, `--overlap`, `--options`: what verbs share that predict."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Tile = Annotated[
    int | None, Parameter(help="Images of any size, by tiles of so many pixels a side; the training images' side.")
]
Overlap = Annotated[
    int | None, Parameter(help="Pixels that neighboring tiles share; empty: an eighth of the tile, or what is needed.")
]
Conf = Annotated[float | None, Parameter(help="Minimum score (confidence), 0 to 1; empty: the network's own.")]
Iou = Annotated[
    float | None, Parameter(help="IoU threshold of non-maximum suppression, 0 to 1; empty: the network's own.")
]
MaxDet = Annotated[int | None, Parameter(help="Predictions an image at most, the best; empty: the network's own.")]
Classes = Annotated[
    list[str] | None,
    Parameter(help="Names or labels of the classes that are wanted: person,dog; empty: all.", negative=""),
]
Options = Annotated[
    dict[str, str] | None, Parameter(help="Arguments of the model's builder, other than those of the training.")
]
