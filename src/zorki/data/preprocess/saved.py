"""Preprocessing from the JSON that is saved beside the weights."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from typing import Any

from zorki.contracts import Preprocess
from zorki.errors import RecipeError, did_you_mean

# Loaded when asked for: most of them need torch, and who predicts with an exported file has none.
_KINDS = {
    "ResizeCrop": "resize_crop",
    "Pad": "pad",
    "Letterbox": "letterbox",
    "ShortestEdge": "shortest_edge",
    "Resize": "resize",
    "LetterboxWithProposals": "letterbox_with_proposals",
    "Views": "views",
    "Clips": "clips",
    "RegionCrops": "region_crops",
    "ExemplarSearchPairs": "tracking.pairs",
    "RandomViews": "pretraining.random_views",
    "RandomPatches": "pretraining.patch_pairs",
    "ClipsWithFlow": "flow.clips_with_flow",
}
# Types of fields, as they are annotated, and what a value of them is in JSON.
_NUMBERS: dict[Any, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}
_FORMER_KINDS = {"Fit": "ResizeCrop", "Span": "ShortestEdge", "Stretch": "Resize", "Propose": "LetterboxWithProposals"}
_FORMER_FIELDS = {"least_side": "min_side"}


def preprocess_from_json(values: dict[str, Any]) -> Preprocess:
    """The inverse of `to_json`. Raises RecipeError where the kind or a field is unknown.

    >>> preprocess_from_json({"kind": "ResizeCrop", "size": 224, "crop_share": 0.875})
    ResizeCrop(size=224, crop_share=0.875)
    """
    kind = values.get("kind")
    kind = _FORMER_KINDS.get(kind, kind) if isinstance(kind, str) else kind
    fields = {_FORMER_FIELDS.get(name, name): value for name, value in values.items() if name != "kind"}
    if not isinstance(kind, str) or kind not in _KINDS:
        raise RecipeError(
            f"preprocessing of kind {kind!r} is not known; expected one of {', '.join(_KINDS)}."
            + did_you_mean(str(kind), _KINDS)
        )
    made: Any = getattr(import_module(f"zorki.data.preprocess.{_KINDS[kind]}"), kind)
    names = [f.name for f in dataclasses.fields(made)]
    unknown = [name for name in fields if name not in names]
    needed = [f.name for f in dataclasses.fields(made) if f.default is dataclasses.MISSING]
    if unknown or not set(needed) <= set(fields):
        raise RecipeError(f"{kind} takes {', '.join(names)} ({' and '.join(needed)} at least), but was given {fields}")
    for f in dataclasses.fields(made):
        value = fields.get(f.name, f.default)
        if f.type in _NUMBERS and (
            not isinstance(value, _NUMBERS[f.type]) or isinstance(value, bool) != (f.type == "bool")
        ):
            raise RecipeError(f"{kind}: {f.name} is {value!r:.40}; expected {f.type}")
    # Of kinds that hold another, for each view or frame.
    parts = {n: preprocess_from_json(v) if isinstance(v, dict) and "kind" in v else v for n, v in fields.items()}
    return made(**parts)  # type: ignore[no-any-return]
