"""How outputs of exported graphs become predictions, one file a kind: the `decode` of models once more, in numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zorki.errors import WeightsError
from zorki.exported.decoding.box_masks import decode_box_masks
from zorki.exported.decoding.boxes import decode_boxes
from zorki.exported.decoding.cams import decode_cams
from zorki.exported.decoding.class_maps import decode_class_maps
from zorki.exported.decoding.embeddings import decode_embeddings
from zorki.exported.decoding.labels import decode_labels

if TYPE_CHECKING:
    from pathlib import Path

    from zorki.data.images import Array
    from zorki.types import Placement

Decoder = Callable[["Mapping[str, Array]", "Sequence[Placement]"], list[Any]]

_KINDS: Mapping[str, Callable[..., list[Any]]] = {
    "label": decode_labels,
    "boxes": decode_boxes,
    "class_map": decode_class_maps,
    "box_masks": decode_box_masks,
    "embedding": decode_embeddings,
    "cam": decode_cams,
}


def decoder(decoding: Mapping[str, Any], file: Path) -> Decoder:
    """What makes predictions, of arrays and in pixels of the images, of the outputs of a file's graph.

    Args:
        decoding: what the file says: its "kind", and numbers for it.
        file: for messages.

    Raises:
        WeightsError: the kind is not known.
    """
    parameters = dict(decoding)
    kind = parameters.pop("kind", None)
    if kind not in _KINDS:
        raise WeightsError(
            f"{file}: its outputs are of kind {kind!r}, and this zorki reads {', '.join(_KINDS)}; predict with "
            "the run itself, or install a newer zorki"
        )
    decode = _KINDS[kind]
    return lambda outputs, placements: decode(outputs, placements, **parameters)
