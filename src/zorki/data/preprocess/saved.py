"""Preprocessing from the JSON that is saved beside the weights."""

from __future__ import annotations

import dataclasses
from typing import Any

from zorki.contracts import Preprocess
from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.flow.clips_with_flow import ClipsWithFlow
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.letterbox_with_proposals import LetterboxWithProposals
from zorki.data.preprocess.pad import Pad
from zorki.data.preprocess.pretraining.patch_pairs import RandomPatches
from zorki.data.preprocess.pretraining.random_views import RandomViews
from zorki.data.preprocess.region_crops import RegionCrops
from zorki.data.preprocess.resize import Resize
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.data.preprocess.tracking.pairs import ExemplarSearchPairs
from zorki.data.preprocess.views import Views
from zorki.errors import RecipeError, did_you_mean

_PLAIN = (ResizeCrop, Pad, Letterbox, ShortestEdge, Resize, LetterboxWithProposals, Views, Clips, RegionCrops)
_KINDS = {kind.__name__: kind for kind in (*_PLAIN, ExemplarSearchPairs, RandomViews, RandomPatches, ClipsWithFlow)}
# Types of fields, as they are annotated, and what a value of them is in JSON.
_NUMBERS: dict[Any, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}
_FORMER_KINDS = {"Fit": "ResizeCrop", "Span": "ShortestEdge", "Stretch": "Resize", "Propose": "LetterboxWithProposals"}


def preprocess_from_json(values: dict[str, Any]) -> Preprocess:
    """The inverse of `to_json`. Raises RecipeError where the kind or a field is unknown.

    >>> preprocess_from_json(ResizeCrop(224, 0.875).to_json())
    ResizeCrop(size=224, crop_share=0.875)
    """
    kinds: dict[Any, Any] = _KINDS
    kind = values.get("kind")
    kind = _FORMER_KINDS.get(kind, kind) if isinstance(kind, str) else kind
    fields = {name: value for name, value in values.items() if name != "kind"}
    if not isinstance(kind, str) or kind not in kinds:
        raise RecipeError(
            f"preprocessing of kind {kind!r} is not known; expected one of {', '.join(kinds)}."
            + did_you_mean(str(kind), kinds)
        )
    names = [f.name for f in dataclasses.fields(kinds[kind])]
    unknown = [name for name in fields if name not in names]
    needed = [f.name for f in dataclasses.fields(kinds[kind]) if f.default is dataclasses.MISSING]
    if unknown or not set(needed) <= set(fields):
        raise RecipeError(f"{kind} takes {', '.join(names)} ({' and '.join(needed)} at least), but was given {fields}")
    for f in dataclasses.fields(kinds[kind]):
        value = fields.get(f.name, f.default)
        if f.type in _NUMBERS and (
            not isinstance(value, _NUMBERS[f.type]) or isinstance(value, bool) != (f.type == "bool")
        ):
            raise RecipeError(f"{kind}: {f.name} is {value!r:.40}; expected {f.type}")
    # Of kinds that hold another, for each view or frame.
    parts = {n: preprocess_from_json(v) if isinstance(v, dict) and "kind" in v else v for n, v in fields.items()}
    return kinds[kind](**parts)  # type: ignore[no-any-return]
