"""The perceptual hash of `zorki duplicates`: bits by which copies differ from their images, and pairs of others.

python benchmarks/duplicates.py FOLDER [FOLDER ...]

Of at most 300 images of each folder; the copies are those of the first 100.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from zorki.data.annotations.listing import is_image, walk_files

MOST, COPIED, BITS = 300, 100, (2, 4, 6, 8, 10)


def jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the side": lambda image: image.resize((max(8, image.width // 2), max(8, image.height // 2))),
    "JPEG of quality 40": jpeg,
    "brighter by 15 % and 8": lambda image: image.point(lambda value: min(255, int(value * 1.15 + 8))),
    "3 % cropped from each side": lambda image: image.crop(
        (int(0.03 * image.width), int(0.03 * image.height), int(0.97 * image.width), int(0.97 * image.height))
    ),
}


def hashed(image: Image.Image) -> np.uint64:
    pixels = np.ascontiguousarray(np.array(image.convert("RGB"))[..., ::-1])
    return cv2.img_hash.pHash(pixels).view(np.uint64)[0, 0]


def main() -> None:
    for folder in map(Path, sys.argv[1:]):
        names = [name for name in walk_files(folder) if is_image(name)]
        names = names[:: max(1, len(names) // MOST)][:MOST]
        images = [Image.open(folder / name).convert("RGB") for name in names]
        hashes = np.array([hashed(image) for image in images])
        bits = np.bitwise_count(hashes[:, None] ^ hashes[None])[np.triu_indices(len(hashes), 1)]
        print(f"{folder}: {len(images)} images, pairs up to", {most: int((bits <= most).sum()) for most in BITS})
        for name, copy in COPIES.items():
            own = [
                int(np.bitwise_count(a ^ hashed(copy(image))))
                for a, image in zip(hashes, images[:COPIED], strict=False)
            ]
            print(f"  {name}: share of copies up to", {most: float(np.mean(np.array(own) <= most)) for most in BITS})


if __name__ == "__main__":
    main()
