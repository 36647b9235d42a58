"""`--tile`, `--overlap` and `--options`, which the verbs have in common that answer images."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Tile = Annotated[
    int | None, Parameter(help="Images of any size, by tiles of so many pixels a side; the training images' side.")
]
Overlap = Annotated[
    int | None, Parameter(help="Pixels that neighboring tiles share; empty: an eighth of the tile, or what is needed.")
]
Options = Annotated[
    dict[str, str] | None, Parameter(help="Arguments of the model's builder, other than those of the training.")
]
