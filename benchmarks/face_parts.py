"""Faces with four named parts, some of them hidden, for localization: made of the 68 facial keypoints.

    python benchmarks/face_parts.py DATA/pose-facial-keypoints faces
    zorki train localizer_squeezenet1_0 faces --weights squeezenet1_0.pth

Images are cropped to the face and as much again. Boxes stand around the points of each eye, the nose and the mouth, a
fifth larger. A quarter of the parts, drawn by a
seed, is painted over with one color and has no box then; one is left in every image. Left and right are the person's.

What is written are images and COCO's JSON in folders train, val and test: test is the data's own, val a tenth of the
persons of its train.
"""

from __future__ import annotations

import argparse
import csv
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PARTS = {"right eye": range(36, 42), "left eye": range(42, 48), "nose": range(27, 36), "mouth": range(48, 68)}
FILES = {"train": "training_frames_keypoints.csv", "test": "test_frames_keypoints.csv"}
HIDDEN = 0.25  # share of the parts
COVERED = 0.5  # a part of which so much is painted over, as another's neighbor, is hidden as well
MARGIN = 0.1  # of a box's longer side, on each of its sides
AROUND = 0.5  # likewise of the face


def rows(data: Path) -> Iterator[tuple[str, Path, np.ndarray]]:
    """(split, image, points (68, 2) in pixels) of each image; a tenth of the persons of train is val."""
    for split, name in FILES.items():
        with next(data.rglob(name)).open(newline="", encoding="utf-8") as file:
            for row in list(csv.reader(file))[1:]:
                person = row[0].rpartition("_")[0]
                held = split == "train" and zlib.crc32(person.encode()) % 10 == 0
                image = next(data.rglob(row[0]))
                yield "val" if held else split, image, np.array(row[1:], dtype=np.float64).reshape(68, 2)


def face_of(pixels: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The image cropped to the face, and the points in it."""
    left, top, right, bottom = box_of(points, pixels.shape[1], pixels.shape[0], AROUND)
    return pixels[top:bottom, left:right].copy(), points - [left, top]


def box_of(points: np.ndarray, width: int, height: int, around: float = MARGIN) -> np.ndarray:
    """Around the points, with a margin, within the image: xyxy in whole pixels."""
    low, high = points.min(0), points.max(0)
    margin = around * (high - low).max()
    edges = np.concatenate([np.floor(low - margin), np.ceil(high + margin)])
    return np.clip(edges, 0, [width, height, width, height]).astype(int)


def covered(box: np.ndarray, patch: np.ndarray) -> float:
    """The share of a box that a patch covers."""
    low, high = np.maximum(box[:2], patch[:2]), np.minimum(box[2:], patch[2:])
    return float(np.prod((high - low).clip(0)) / max(1, np.prod(box[2:] - box[:2])))


def hide(pixels: np.ndarray, boxes: dict[str, np.ndarray], random: np.random.Generator) -> dict[str, np.ndarray]:
    """Paints over some parts, in place, and returns the boxes of the others."""
    names = [name for name in boxes if random.random() < HIDDEN]
    patches = [boxes[name] for name in names]
    seen = {
        name: box for name, box in boxes.items() if max((covered(box, one) for one in patches), default=0) < COVERED
    }
    if not seen:
        return boxes
    for left, top, right, bottom in patches:
        pixels[top:bottom, left:right] = random.integers(0, 256, 3)
    return seen


def annotations(seen: dict[str, np.ndarray], image_id: int, first: int) -> list[dict[str, Any]]:
    """COCO's entries of one image."""
    names = list(PARTS)
    return [
        {
            "id": first + place,
            "image_id": image_id,
            "category_id": names.index(name) + 1,
            "bbox": [int(left), int(top), int(right - left), int(bottom - top)],
            "area": int((right - left) * (bottom - top)),
            "iscrowd": 0,
        }
        for place, (name, (left, top, right, bottom)) in enumerate(seen.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="the facial keypoints: images, and a CSV file a split")
    parser.add_argument("out", type=Path, help="new folder")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    categories = [{"id": number, "name": name} for number, name in enumerate(PARTS, 1)]
    files: dict[str, dict[str, list[Any]]] = {}
    for split, path, points in rows(options.data):
        found = files.setdefault(split, {"images": [], "annotations": [], "categories": categories})
        pixels, points = face_of(np.array(Image.open(path).convert("RGB")), points)
        height, width = pixels.shape[:2]
        seen = hide(pixels, {name: box_of(points[part], width, height) for name, part in PARTS.items()}, random)
        folder = options.out / split
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{path.stem}.png"
        Image.fromarray(pixels).save(folder / name)
        number = len(found["images"]) + 1
        found["images"].append({"id": number, "file_name": name, "width": width, "height": height})
        found["annotations"] += annotations(seen, number, len(found["annotations"]) + 1)
    for split, content in files.items():
        (options.out / split / "_annotations.coco.json").write_text(json.dumps(content), encoding="utf-8")
        print(
            f"{split}: {len(content['images'])} images, {len(content['annotations'])} of "
            f"{len(content['images']) * len(PARTS)} parts are seen"
        )


if __name__ == "__main__":
    main()
