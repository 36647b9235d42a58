"""JPEG files decoded at a part of their size against whole ones: seconds of decoding and resizing, and pixels after.

Photos are waves with noise, written at quality 85. Both ways take turns, one thread; the ratio is that of the medians
of processor time. Pixels are those of the network's input, in levels of 255.

python benchmarks/reduced_jpeg.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zorki.data.images import read_image
from zorki.data.preprocess.resize_crop import ResizeCrop

ROUNDS = 9
PHOTOS = {"24 megapixels": (4000, 6000), "2 megapixels": (1152, 1728), "0.2 megapixels": (375, 500)}


def write_photo(path: Path, height: int, width: int) -> None:
    rows, columns = np.linspace(0, 60, height)[:, None], np.linspace(0, 90, width)[None]
    waves = np.stack([np.sin(rows * a + columns * b) for a, b in ((1.7, 1.1), (0.6, -1.9), (2.3, 0.4))], -1)
    noise = np.random.default_rng(0).normal(0, 8, waves.shape)
    Image.fromarray((128 + 90 * waves + noise).clip(0, 255).astype(np.uint8)).save(path, quality=85)


def timed(path: Path, preprocess: ResizeCrop) -> tuple[float, Tensor]:
    started = time.process_time()
    inputs, _ = preprocess([read_image(path, shorter_side=preprocess.decoded_side)])
    return time.process_time() - started, inputs


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, size in PHOTOS.items():
            path = Path(folder, f"{size[0]}.jpg")
            write_photo(path, *size)
            for preprocess in (ResizeCrop(32), ResizeCrop(224, 0.875)):
                pairs = [(timed(path, preprocess), timed(path, preprocess.reduced())) for _ in range(ROUNDS)]
                whole, reduced = (statistics.median(pair[way][0] for pair in pairs) for way in (0, 1))
                difference = (pairs[0][0][1].int() - pairs[0][1][1].int()).abs()
                print(
                    f"{name:<16}{preprocess.size:>4}: whole {whole * 1e3:7.1f} ms, reduced {reduced * 1e3:6.1f} ms, "
                    f"{whole / reduced:5.1f} times; pixels differ by {int(difference.max())} at most, "
                    f"{float(difference.float().mean()):.2f} in the mean",
                    flush=True,
                )


if __name__ == "__main__":
    main()
