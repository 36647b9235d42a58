"""Images a second a core: zorki's loader beside a plain torchvision-v2 and PIL DataLoader that does the same work.

    python benchmarks/loader.py [--data FOLDER] [--json FILE] [--count 160] [--repeats 5]

FOLDER holds one folder of images a class; without it, textured photos (500 x 375, JPEG of quality 90) are made. Both
loaders have one worker process of one thread and take turns, an epoch each; medians are printed. The plain loader
jitters colors of tensors or of PIL images, whichever was quicker.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms import v2

from zorki.data import jpeg
from zorki.data.formats.readers import read_labels
from zorki.data.loading.loader import Loader, Pipeline
from zorki.data.loading.samplers import ShuffledSampler
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.transforms.augment import Augment
from zorki.types import Sample

BATCH = 32


@dataclass
class Case:
    """One kind of work, done by both; the plain loader may do it in several ways."""

    name: str
    folder: Path
    plain: dict[str, Callable[[Image.Image], torch.Tensor]]
    augment: Augment | None
    preprocess: ResizeCrop


class PlainFolder(TorchDataset[tuple[torch.Tensor, int]]):
    """What a stranger writes: PIL opens, torchvision transforms."""

    def __init__(self, paths: list[Path], transform: Callable[[Image.Image], torch.Tensor]) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("RGB")), 0


class Apply:
    """A picklable augmentation of samples."""

    def __init__(self, augment: Augment) -> None:
        self.augment = augment

    def __call__(self, sample: Sample[Any], generator: torch.Generator) -> Sample[Any]:
        return replace(sample, image=self.augment(sample.image, generator))


def photo(height: int, width: int, seed: int) -> Image.Image:
    """A textured image: noise of all scales, as strong on each as in photos, where power falls with frequency."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros((1, 3, height, width))
    for octave in range(8):
        cells = 2 ** (octave + 1)
        noise = torch.randn((1, 3, cells, cells), generator=generator) / 1.7**octave
        total += torch.nn.functional.interpolate(noise, (height, width), mode="bicubic")
    levels = (128 + 55 * total[0]).clamp(0, 255).to(torch.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.permute(1, 2, 0).numpy()))


def make_images(root: Path, count: int) -> tuple[Path, Path]:
    """A folder of photos, and one of ten times as many 32 x 32 PNG files, each of two classes."""
    photos, small = root / "photos", root / "small"
    for folder, suffix, size, number in ((photos, "jpg", (375, 500), count), (small, "png", (32, 32), 10 * count)):
        for index in range(number):
            path = folder / "ab"[index % 2] / f"{index}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            photo(*size, seed=index).save(path, quality=90)  # PNG has no quality, and ignores it
    return photos, small


def cases(photos: Path, small: Path | None) -> list[Case]:
    """The work that is compared."""
    jitter = v2.ColorJitter(0.4, 0.4, 0.4, 0.1)
    crop, flip, tensor = v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(), v2.PILToTensor()
    plain_crop = {"PIL": v2.Compose([crop, flip, tensor]), "tensor": v2.Compose([tensor, crop, flip])}
    plain_color = {
        "PIL": v2.Compose([crop, flip, jitter, tensor]),
        "tensor": v2.Compose([tensor, crop, flip, jitter]),
        "PIL, then tensor": v2.Compose([crop, flip, tensor, jitter]),
    }
    resize, center = v2.Resize(256, antialias=True), v2.CenterCrop(224)
    plain_center = {"PIL": v2.Compose([resize, center, tensor]), "tensor": v2.Compose([tensor, resize, center])}
    colors: dict[str, Any] = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
    found = [
        Case("photos: resize, center crop", photos, plain_center, None, ResizeCrop(224, 224 / 256)),
        Case(
            "photos: crop, flip",
            photos,
            plain_crop,
            Augment(random_crop=0.08, hflip=0.5, image_size=224),
            ResizeCrop(224),
        ),
        Case(
            "photos: crop, flip, colors",
            photos,
            plain_color,
            Augment(random_crop=0.08, hflip=0.5, image_size=224, **colors),
            ResizeCrop(224),
        ),
    ]
    if small is not None:
        shift = v2.RandomCrop(32, padding=4)
        plain_shift = {"PIL": v2.Compose([shift, flip, tensor]), "tensor": v2.Compose([tensor, shift, flip])}
        found.append(
            Case("32 x 32: shift, flip", small, plain_shift, Augment(translate=4 / 32, hflip=0.5), ResizeCrop(32))
        )
    return found


def loaders(case: Case, workers: int) -> dict[str, Iterable[Any]]:
    """Ours under "zorki", and each way of the plain one."""
    dataset = read_labels(case.folder)
    indices = list(range(len(dataset)))
    paths = [dataset.path(index) for index in indices]
    augment = None if case.augment is None else Apply(case.augment)
    made: dict[str, Iterable[Any]] = {
        "zorki": Loader(
            Pipeline(dataset, case.preprocess, augment),
            indices,
            batch_size=BATCH,
            sampler=ShuffledSampler(len(indices)),
            workers=workers,
        )
    }
    for name, transform in case.plain.items():
        made[name] = DataLoader(
            PlainFolder(paths, transform),
            batch_size=BATCH,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
    return made


def epoch_seconds(loader: Iterable[Any]) -> float:
    """How long one pass takes."""
    start = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - start


def measure(case: Case, repeats: int) -> dict[str, Any]:
    """Images a second of both; one epoch first to start the workers and to warm the file cache."""
    both = loaders(case, workers=1)
    for loader in both.values():
        epoch_seconds(loader)
    seconds: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(repeats):
        for name, loader in both.items():
            seconds[name].append(epoch_seconds(loader))
    count = len(read_labels(case.folder))
    rates = {name: count / statistics.median(values) for name, values in seconds.items()}
    ways = {name: rate for name, rate in rates.items() if name != "zorki"}
    way = max(ways, key=lambda name: ways[name])
    return {
        "case": case.name,
        "zorki": round(rates["zorki"]),
        "plain": round(ways[way]),
        "plain_way": way,
        "plain_ways": {name: round(rate) for name, rate in ways.items()},
        "ratio": round(rates["zorki"] / ways[way], 2),
        "seconds": {name: [round(value, 4) for value in values] for name, values in seconds.items()},
    }


def decoder_rates(folder: Path, repeats: int) -> dict[str, float]:
    """JPEG files a second, decoded to RGB arrays: the decoder of `read_image`, Pillow's, and torchvision's operator.

    The last is deprecated, and was in use before. All take turns over the same files in memory, one thread.
    """
    files = [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))[:96]]
    ways: dict[str, Callable[[bytes], Any]] = {"Pillow": lambda data: np.asarray(Image.open(io.BytesIO(data)))}
    if (fast := jpeg._opencv()) is not None:
        ways["OpenCV"] = fast
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            from torchvision.io import decode_jpeg

            decode_jpeg(torch.frombuffer(bytearray(files[0]), dtype=torch.uint8))
            ways["torchvision"] = lambda data: decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        except (ImportError, RuntimeError):
            print("torchvision has no decoder here")
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, decode in ways.items():
                start = time.perf_counter()
                for data in files:
                    decode(data)
                seconds[name].append(time.perf_counter() - start)
    return {name: len(files) / statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Measures, prints a table, and writes the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of images, one folder a class")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--count", type=int, default=160, help="images to make where no --data is given")
    parser.add_argument("--repeats", type=int, default=5, help="epochs each")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        photos, small = (arguments.data, None) if arguments.data else make_images(Path(folder), arguments.count)
        print(f"{'images a second, one worker':<34}{'zorki':>8}{'plain':>8}{'ratio':>7}  plain, quickest way")
        rates = decoder_rates(photos, arguments.repeats)
        results = []
        for case in cases(photos, small):
            results.append(measure(case, arguments.repeats))
            row = results[-1]
            print(f"{row['case']:<34}{row['zorki']:>8}{row['plain']:>8}{row['ratio']:>7.2f}  {row['plain_way']}")
    print(f"decoding alone, images a second: {', '.join(f'{name} {rate:.0f}' for name, rate in rates.items())}")
    print(f"in use: {jpeg.decoder_name()}")
    if arguments.json:
        versions = {name: metadata.version(name) for name in ("torch", "torchvision", "pillow")}
        arguments.json.write_text(
            json.dumps({"versions": versions, "decoders": rates, "results": results}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
