"""Annotations as Label Studio's results, in percent of the image: what an import of tasks, or a prediction, holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.data.formats.label_studio.brush import brush_of
from zorki.ops.polygons import outline

if TYPE_CHECKING:
    from torch import Tensor

Result = dict[str, Any]
Array = np.ndarray[Any, np.dtype[Any]]

_DECIMALS = 9  # of percents: enough to fill the same pixels of an image of 100,000 a side

_POINT = 0.5  # percent of the image: how large a key point is drawn

RECTANGLES, POLYGONS, BRUSHES, KEYPOINTS = "label", "polygon", "brush", "keypoint"
"""Names of the controls in the labeling configuration: see `config`."""


def box_results(
    xyxy: Sequence[Sequence[float]], names: Sequence[str], size: tuple[int, int], scores: Sequence[float] | None = None
) -> list[Result]:
    """Boxes in pixels as rectangles.

    Args:
        names: the class of each.
        size: (height, width) of the image, in pixels.
        scores: 0..1, of predictions.

    >>> box_results([[10, 20, 30, 40]], ["cat"], (100, 200))[0]["value"]
    {'x': 5.0, 'y': 20.0, 'width': 10.0, 'height': 20.0, 'rotation': 0, 'rectanglelabels': ['cat']}
    """
    height, width = size
    found = []
    for place, ((left, top, right, bottom), name) in enumerate(zip(xyxy, names, strict=True)):
        value = {
            "x": _percent(left, width),
            "y": _percent(top, height),
            "width": _percent(right - left, width),
            "height": _percent(bottom - top, height),
            "rotation": 0,
            "rectanglelabels": [name],
        }
        score = None if scores is None else float(scores[place])
        found.append(_result("rectanglelabels", RECTANGLES, f"r{place + 1}", value, size, score))
    return found


def mask_results(masks: Tensor, names: Sequence[str], scores: Sequence[float] | None = None) -> list[Result]:
    """Masks (N, H, W), bool, as polygons along the edges of pixels; those with holes or several parts as brushes.

    Both keep every pixel. `names` are the classes, `scores` 0..1, of predictions.
    """
    size = (int(masks.shape[1]), int(masks.shape[2]))
    found = []
    for place, (mask, name) in enumerate(zip(masks, names, strict=True)):
        parts = outline(mask)
        score = None if scores is None else float(scores[place])
        if len(parts) == 1 and len(parts[0]) == 1:
            points = [[_percent(x, size[1]), _percent(y, size[0])] for x, y in parts[0][0].tolist()]
            value: dict[str, Any] = {"points": points, "closed": True, "polygonlabels": [name]}
            found.append(_result("polygonlabels", POLYGONS, f"r{place + 1}", value, size, score))
        else:
            value = {"format": "rle", "rle": brush_of(mask.numpy()), "brushlabels": [name]}
            found.append(_result("brushlabels", BRUSHES, f"r{place + 1}", value, size, score))
    return found


def keypoint_results(
    points: Sequence[Sequence[Sequence[float]]],
    labeled: Sequence[Sequence[bool]],
    joints: Sequence[str],
    parents: Sequence[str],
    size: tuple[int, int],
) -> list[Result]:
    """Labeled joints in pixels as key points, children of their objects' regions.

    Args:
        points: x and y of each joint of each object.
        labeled: which of them are known; the others are left out.
        joints: their names.
        parents: the ids of the objects' regions.
        size: (height, width) of the image, in pixels.
    """
    height, width = size
    found = []
    for parent, places, row in zip(parents, points, labeled, strict=True):
        for number, (joint, (x, y), is_known) in enumerate(zip(joints, places, row, strict=True)):
            if is_known:
                value = {
                    "x": _percent(x, width), "y": _percent(y, height), "width": _POINT, "keypointlabels": [joint],
                }  # fmt: skip
                one = _result("keypointlabels", KEYPOINTS, f"{parent}k{number + 1}", value, size, None)
                found.append(one | {"parentID": parent})
    return found


def config(names: Mapping[str, Sequence[str]]) -> str:
    """The labeling configuration (XML) of a project whose results have these controls, each with its labels."""
    from xml.sax.saxutils import quoteattr

    tags = {
        RECTANGLES: "RectangleLabels", POLYGONS: "PolygonLabels", BRUSHES: "BrushLabels", KEYPOINTS: "KeyPointLabels",
    }  # fmt: skip
    controls = "".join(
        f'  <{tags[kind]} name="{kind}" toName="image">\n'
        + "".join(f"    <Label value={quoteattr(name)}/>\n" for name in labels)
        + f"  </{tags[kind]}>\n"
        for kind, labels in names.items()
    )
    return f'<View>\n  <Image name="image" value="$image"/>\n{controls}</View>\n'


def _percent(value: float, side: int) -> float:
    return round(100 * value / side, _DECIMALS)


def _result(
    kind: str, control: str, key: str, value: dict[str, Any], size: tuple[int, int], score: float | None
) -> Result:
    result: Result = {
        "id": key, "type": kind, "from_name": control, "to_name": "image", "original_width": size[1],
        "original_height": size[0], "image_rotation": 0, "value": value,
    }  # fmt: skip
    return result if score is None else result | {"score": score}
