"""Small datasets in folders, drawn here: classes that can be told apart, and boxes that can be moved about."""

import json

import numpy as np
from PIL import Image


def pattern(label, number, size=(24, 24)):
    """An image of a class: stripes across or along, with noise, so that neighbors tell the class."""
    rng = np.random.default_rng(1000 * label + number)
    rows, columns = np.mgrid[: size[0], : size[1]]
    stripes = (rows if label == 0 else columns) // 3 % 2 * 120 + 60
    return (stripes[..., None] + rng.integers(-40, 40, (*size, 3))).astype(np.uint8)


def class_folders(root, counts, names=("across", "along")):
    """Folders SPLIT/CLASS/N.png; `counts` are of each class, by split."""
    number = 0
    for split, own in counts.items():
        for label, count in enumerate(own):
            for _ in range(count):
                path = root / split / names[label] / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pattern(label, number)).save(path)
                number += 1
    return root


def coco(root, boxes_of, count=12, size=(48, 64), names=("light", "dark")):
    """COCO's JSON of images with boxes: `boxes_of(number)` gives (x0, y0, x1, y1, label) of an image."""
    root.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(count):
        rng = np.random.default_rng(number)
        pixels = rng.integers(100, 140, (*size, 3)).astype(np.uint8)
        for x0, y0, x1, y1, label in boxes_of(number):
            pixels[int(y0) : int(y1), int(x0) : int(x1)] = rng.integers(220, 250) if label == 0 else rng.integers(5, 40)
            box = {"id": len(annotations) + 1, "image_id": number + 1, "category_id": label + 1, "iscrowd": 0}
            annotations.append({**box, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)})
        Image.fromarray(pixels).save(root / f"{number}.png")
        images.append({"id": number + 1, "file_name": f"{number}.png", "width": size[1], "height": size[0]})
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(names)]
    (root / "boxes.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return root


def two_boxes(number):
    x, y = 3 + number % 7, 4 + number % 5
    return [(x, y, x + 16, y + 14, 0), (x + 24, y + 10, x + 44, y + 26, 1)]
