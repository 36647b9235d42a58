"""Published COCO heads for the classes that exist: 91 numbers stand for 80 classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

NUMBERS = 91  # 0 to 90; the published networks have an output for each
UNUSED = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)


def accept_coco_slots(
    layer: nn.Conv2d | nn.Linear,
    num_classes: int,
    *,
    nothing: Literal["none", "first", "last"] = "none",
    values: int = 1,
) -> None:
    """Lets a layer for 80 classes take published weights for each of COCO's 91 numbers, and 90 alike.

    Rows of numbers that no class has are left out on loading, so labels run 0..79 in COCO's order. Weights of other
    shapes, and layers for another count of classes, are not touched.

    Args:
        layer: gives, for each of any number of anchors, for each slot, `values` numbers.
        num_classes: K, without the slot for nothing.
        nothing: where the slot for "no object" is. As the first it is COCO's number 0; as the last it is one more.
        values: 1 for classes, 4 for boxes of each class.
    """
    used = [number for number in range(NUMBERS) if number not in UNUSED]
    slots_used = {80: used, 90: list(range(1, NUMBERS))}.get(num_classes)
    if slots_used is None:
        return
    slots = NUMBERS + 1 if nothing == "last" else NUMBERS
    slots_used = {"none": slots_used, "first": [0, *slots_used], "last": [*slots_used, NUMBERS]}[nothing]
    layer.register_load_state_dict_pre_hook(partial(_pick, slots=slots, slots_used=slots_used, values=values))


def _pick(
    layer: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any, slots: int, slots_used: list[int], values: int
) -> None:
    for name in ("weight", "bias"):
        given, own = state.get(prefix + name), getattr(layer, name)
        if given is None or given.shape == own.shape or len(given) * len(slots_used) != len(own) * slots:
            continue
        rows = given.unflatten(0, (-1, slots, values))[:, slots_used]
        state[prefix + name] = rows.flatten(0, 2)


_PUBLISHED_OUTPUTS = ("head.classification_head.cls_logits.weight", "roi_heads.box_predictor.cls_score.weight")


def predicts_coco_ids(tensors: Mapping[str, Tensor]) -> bool:
    """Whether weights, by their names, are those of a detector of torchvision's for COCO's 91 numbers."""
    if not any(name.startswith("backbone.body.") for name in tensors):
        return False
    return any(name in tensors and len(tensors[name]) % NUMBERS == 0 for name in _PUBLISHED_OUTPUTS)
