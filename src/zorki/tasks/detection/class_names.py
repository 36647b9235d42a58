"""Names of classes for weights that tell only how many there are."""

from __future__ import annotations

COCO = 80


def coco_names(count: int) -> list[str] | None:
    """COCO's names for 80 classes, for its 90 numbers, and for 91 with a slot 0 in front; None for other counts.

    Ten of COCO's ninety numbers were never used; they are called "unused 12" and so on.
    """
    if count not in (COCO, 90, 91):
        return None
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    # Slot 0 is the background there; numbers without objects are "N/A".
    numbered = list(FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"])
    if count == COCO:
        return [name for name in numbered[1:] if name != "N/A"]
    names = [
        "unused 0",
        *(name if name != "N/A" else f"unused {number}" for number, name in enumerate(numbered[1:], 1)),
    ]
    return names if count == len(names) else names[1:]
