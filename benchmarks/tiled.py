"""Tiled prediction of an image that is too large to be predicted at once: peak memory, seconds, and seams.

A synthetic image of disks and squares on waves is painted band by band into a TIFF in a temporary folder, and a
network is trained on others of its kind for a minute or so. Processes of their own measure the peak memory of the
model alone, on one batch of tiles, and of predicting the image. Then an image that fits is predicted by tiles and
whole: how many pixels differ, and where.

python benchmarks/tiled.py
python benchmarks/tiled.py --model unet_resnet18 --side 20000 --tile 512 --overlap 64
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zorki import registry
from zorki.data.images import Array
from zorki.data.windows import HeldImage
from zorki.engine.evaluation.benchmark_run import peak_memory
from zorki.engine.prediction.predict import predict, predict_images
from zorki.engine.prediction.tiling import plan_tiling, predict_tiles
from zorki.engine.run.open import TrainedModel
from zorki.recipe import Recipe
from zorki.tiles import Tiles
from zorki.types import ClassInfo, Mask

CLASSES = ["ground", "red disk", "blue disk", "red square", "blue square"]
CELL = 120  # pixels; each holds one shape
BAND = 250  # rows


def paint(top: int, left: int, height: int, width: int) -> tuple[Array, Array]:
    """A part of an endless image (height, width, 3), and the class of each pixel."""
    rows, columns = np.arange(top, top + height)[:, None], np.arange(left, left + width)[None]
    chance = np.sin(rows // CELL * 12.9898 + columns // CELL * 78.233) * 43758.5453 % 1
    y, x = np.abs(rows % CELL - CELL // 2), np.abs(columns % CELL - CELL // 2)
    radius, kind = 15 + 40 * chance, (chance * 1000).astype(int) % 4
    inside = np.where(kind < 2, y * y + x * x < radius * radius, np.maximum(y, x) < radius * 0.85)
    classes = np.where(inside, kind + 1, 0)
    waves = np.stack([np.sin(rows / a + columns / b) for a, b in ((37, 61), (53, -41), (97, 29))], -1)
    shades = np.array([[120, 120, 120], [150, 105, 95], [95, 105, 150], [150, 105, 95], [95, 105, 150]])
    noise = np.random.default_rng(top * 31 + left).normal(0, 20, (height, width, 3))
    image = shades[classes] + 40 * waves + noise
    return image.clip(0, 255).astype(np.uint8), classes


def shown(top: int, left: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A square part as tensors: (3, side, side) and (side, side)."""
    image, classes = paint(top, left, side, side)
    return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(classes)


def write(path: Path, side: int) -> None:
    """The image as a TIFF in tiles, deflated, of which one band is held at a time."""
    import pyvips

    raw = path.with_suffix(".raw")
    with raw.open("wb") as file:
        for top in range(0, side, BAND):
            file.write(paint(top, 0, min(BAND, side - top), side)[0].tobytes())
    image = pyvips.Image.rawload(str(raw), side, side, 3, interpretation="srgb")
    image.tiffsave(str(path), tile=True, tile_width=256, tile_height=256, compression="deflate", bigtiff=True)
    raw.unlink()


def build(options: argparse.Namespace, size: int, weights: Path | None = None) -> Any:
    """The network for images of that side; what it is made of is the same for every side."""
    torch.manual_seed(0)
    model = registry.build(options.model, len(CLASSES), {"image_size": size})
    if weights is not None:
        model.load_state_dict(torch.load(weights, weights_only=True))
    return model.eval()


def train(options: argparse.Namespace, weights: Path, side: int = 192) -> None:
    """Some steps on parts of the image far away from those that are predicted."""
    model = build(options, side).train()
    rule = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(rule, 2e-3, options.steps)
    generator = np.random.default_rng(1)
    for step in range(options.steps):
        parts = [shown(100_000 + int(generator.integers(50_000)), step * 1000 + i * 250, side) for i in range(4)]
        inputs, _ = model.preprocess([image for image, _ in parts])
        loss = sum(model.loss(model(inputs), [Mask(classes) for _, classes in parts]).values())
        rule.zero_grad()
        loss.backward()
        rule.step()
        schedule.step()
    print(f"{options.model} trained for {options.steps} steps, loss {loss.item():.3f}", flush=True)
    torch.save(model.state_dict(), weights)


def measured(options: argparse.Namespace, part: str, folder: str) -> dict[str, float]:
    """What one part says of itself, in a process of its own."""
    words = [sys.executable, __file__, "--part", part, "--folder", folder]
    for name in ("model", "side", "tile", "overlap", "batch_size"):
        if getattr(options, name) is not None:
            words += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(said.splitlines()[-1])  # type: ignore[no-any-return]


def one_part(options: argparse.Namespace) -> None:
    """The model alone, or the whole prediction with drawing and files, in this process."""
    model = build(options, options.tile, Path(options.folder) / "weights.pt")
    predict_images(model, [shown(0, 0, options.tile)[0]] * options.batch_size)
    begun = time.perf_counter()
    if options.part == "predict":
        task = registry.find(options.model).task
        run = TrainedModel(Path("tiled"), options.model, task, ClassInfo(tuple(CLASSES)), Recipe(), {}, model)
        settings = {"tile": options.tile, "overlap": options.overlap, "batch_size": options.batch_size}
        predict(run, f"{options.folder}/large.tif", out=f"{options.folder}/out", keep=False, **settings)
    print(json.dumps({"peak": peak_memory("cpu") / 1e9, "seconds": time.perf_counter() - begun}))


def seams(options: argparse.Namespace, weights: Path) -> None:
    """Tiled and whole predictions to an image of three by three tiles: the share of pixels that differ."""
    model = build(options, options.tile, weights)
    tiling = plan_tiling([model], options.tile, options.overlap)
    assert tiling is not None
    side = 3 * options.tile - 2 * tiling.overlap
    image, ground_truth = shown(0, 0, side)
    tiles = tiling.of(side, side)
    (whole,) = predict_images(build(options, side, weights), [image])
    print(f"{side} x {side}: untiled {(whole.classes == ground_truth).float().mean():.3%} of the pixels are right")
    shared = torch.zeros(side, dtype=torch.bool)
    for share in tiles.columns[1:]:
        shared[share.start : share.start + tiling.overlap] = True
    near = shared[:, None] | shared
    for chosen in (Tiles(side, side, options.tile, 0), tiles):
        (answer,) = predict_tiles([model], HeldImage(image), chosen, batch_size=options.batch_size)
        differs = (answer.classes != whole.classes).float()
        print(
            f"tiles of {options.tile}, overlap {chosen.overlap}: "
            f"{(answer.classes == ground_truth).float().mean():.3%} are right; "
            f"{differs.mean():.3%} differ from the untiled prediction",
            end="\n" if chosen.overlap == 0 else "",
        )
        if chosen.overlap:
            print(
                f": {differs[near].mean():.3%} where tiles overlap, {differs[~near].mean():.3%} elsewhere", flush=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="unet_squeezenet")
    parser.add_argument("--side", type=int, default=10_000, help="pixels")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--overlap", type=int)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=300, help="of training")
    parser.add_argument("--part", choices=["model", "predict"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        one_part(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        weights, large = Path(folder) / "weights.pt", Path(folder) / "large.tif"
        train(options, weights)
        seams(options, weights)
        write(large, options.side)
        print(f"{options.side} x {options.side} written as TIFF, {large.stat().st_size / 1e6:.0f} MB", flush=True)
        model = measured(options, "model", folder)
        done = measured(options, "predict", folder)
        beside = done["peak"] - model["peak"]
        print(
            f"{options.model}, {options.batch_size} tiles of {options.tile} at once: the model {model['peak']:.2f} GB, "
            f"predicting {done['peak']:.2f} GB, {beside:.2f} GB beside the model's own; {done['seconds']:.0f} s"
        )


if __name__ == "__main__":
    main()
