"""Predictions as Label Studio imports them: drafts that a person corrects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from zorki.data.images import Array
from zorki.engine.prediction.rows import Row, count_rows, row
from zorki.errors import ZorkiError
from zorki.types import Label, Mask, Rows

_SIZES = (3, 4, 8, 16)  # bits of the four kinds of run lengths, as Label Studio's own encoder chooses them


def to_label_studio(
    annotation: Any,
    names: Sequence[str],
    height: int,
    width: int,
    image: str,
    *,
    version: str = "zorki",
    from_name: str = "label",
    to_name: str = "image",
) -> dict[str, Any]:
    """A task with one prediction: {"data": {"image": ...}, "predictions": [{"model_version", "score", "result"}]}.

    Boxes are "rectanglelabels", in percent of the image; masks "brushlabels", as run lengths of their pixels, so that
    holes and parts stay; the label of an image is "choices"; poses are "keypointlabels", a region a visible place.

    Args:
        image: the address under which Label Studio finds the image.
        version: of the model, which Label Studio shows beside its predictions.
        from_name, to_name: names of the tag of labels and of the image in the labeling configuration.

    Raises:
        ZorkiError: Label Studio has nothing for predictions of this kind.
    """
    if not isinstance(annotation, Label | Mask | Rows):
        raise ZorkiError(f"Label Studio has no region for {type(annotation).__name__}; see to_json()")
    most = 1 if isinstance(annotation, Label) else count_rows(annotation)  # of a classification the prediction alone
    rows = [row(annotation, place, names) for place in range(min(most, count_rows(annotation)))]
    frame = {
        "from_name": from_name,
        "to_name": to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    regions = list(chain.from_iterable(_regions(one, height, width) for one in rows))
    results = []
    for number, (one, region) in enumerate(regions):
        # A region's id lasts: the same image, predicted again, gets the same ones.
        mark = hashlib.sha256(f"{image} {number}".encode()).hexdigest()[:10]
        score = {} if one.score is None else {"score": round(one.score, 6)}
        results.append({"id": mark, **frame, **region, **score})
    scores = [one.score for one in rows if one.score is not None]
    score = {"score": round(sum(scores) / len(scores), 6)} if scores else {}
    prediction = {"model_version": version, **score, "result": results}
    return {"data": {to_name: image}, "predictions": [prediction]}


def _regions(one: Row, height: int, width: int) -> list[tuple[Row, dict[str, Any]]]:
    words = [one.name] if one.name else []
    if one.mask is not None:
        value = {"format": "rle", "rle": brush_rle(one.mask), "brushlabels": words}
        return [(one, {"type": "brushlabels", "value": value})]
    if one.points is not None:
        seen = one.points if one.visible is None else one.points[one.visible]
        return [(one, _keypoint(point, words, height, width)) for point in seen.tolist()]
    if one.box is not None:
        left, top, right, bottom = one.box
        place: dict[str, Any] = {
            "x": 100 * left / width,
            "y": 100 * top / height,
            "width": 100 * (right - left) / width,
            "height": 100 * (bottom - top) / height,
            "rotation": 0,
            "rectanglelabels": words,
        }
        return [(one, {"type": "rectanglelabels", "value": place})]
    return [(one, {"type": "choices", "value": {"choices": words}})]


def _keypoint(point: Sequence[float], words: list[str], height: int, width: int) -> dict[str, Any]:
    x, y = point
    value = {"x": 100 * x / width, "y": 100 * y / height, "width": 0.5, "keypointlabels": words}
    return {"type": "keypointlabels", "value": value}


def brush_rle(mask: Array) -> list[int]:
    """Label Studio's run lengths of a bool mask (H, W), as bytes; four values of 0 or 255 a pixel, for RGBA.

    The format is that of thi.ng's rle-pack: the count of values in 32 bits, the size of a value less 1 in 5, the
    sizes of the four kinds of run lengths less 1 in 4 each; then for every run a 1, its kind, its length less 1, and
    its value. Equal to the bytes of label-studio-sdk 2.1.2, but for a last byte of zeros that it sometimes adds.
    """
    flat = mask.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=~flat[:1])) if len(flat) else np.zeros(0, np.int64)
    lengths = np.diff(starts, append=len(flat)) * 4
    bits = [f"{len(flat) * 4:032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in _SIZES)]
    for value, length in zip(flat[starts].tolist(), lengths.tolist(), strict=True):
        for piece in [2**16] * ((length - 1) // 2**16) + [(length - 1) % 2**16 + 1]:
            kind = next(place for place, size in enumerate(_SIZES) if piece <= 2**size)
            bits.append(f"1{kind:02b}{piece - 1:0{_SIZES[kind]}b}{255 if value else 0:08b}")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))
