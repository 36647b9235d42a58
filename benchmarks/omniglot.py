"""One-shot classification on Omniglot's small sets: the folder to train on, and the error over the 20 official runs.

    python benchmarks/omniglot.py DATA/omniglot-small --folder /tmp/omniglot
    zorki train arcface_conv4 /tmp/omniglot/images --image-size 28 ...
    python benchmarks/omniglot.py DATA/omniglot-small --folder /tmp/omniglot --runs runs/arcface_conv4-1 ...

A class of training is a character of either small set (those that are in both stand once), upright and turned by 90,
180 and 270 degrees, which make characters of their own (Santoro et al., 2016: 4.1). Strokes are white on black, since
what augmentation moves in from outside an image is black. A run of the authors has 20 characters of an alphabet that no
training image is of, with one reference each, and 20 queries; the answer is the nearest reference. The authors' own
baseline, the modified Hausdorff distance, errs at 38.8 % (Lake et al., 2015).
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ARCHIVES = ("images_background_small1.zip", "images_background_small2.zip")
RUNS = "one-shot-classification/all_runs.zip"
TURNS = (0, 90, 180, 270)
VAL_EVERY = 10


def white_on_black(image: Image.Image) -> Image.Image:
    return ImageOps.invert(image.convert("L"))


def extract(data: Path, folder: Path) -> None:
    """Images as a folder for each class, every tenth character in val, and the runs as they are."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(data / "python" / RUNS) as archive:
        archive.extractall(folder / "runs")
    for file in (folder / "runs").rglob("*.png"):
        white_on_black(Image.open(file)).save(file)
    drawings: dict[str, dict[str, Image.Image]] = {}
    for name in ARCHIVES:
        with zipfile.ZipFile(data / "python" / name) as archive:
            for member in sorted(archive.namelist()):
                if member.endswith(".png") and "__MACOSX" not in member:
                    _, alphabet, character, file = Path(member).parts
                    with archive.open(member) as stream:
                        drawings.setdefault(f"{alphabet}-{character}", {})[file] = white_on_black(Image.open(stream))
    for place, character in enumerate(sorted(drawings)):
        split = "train" if place % VAL_EVERY else "val"
        for turn in TURNS:
            target = folder / "images" / split / f"{character}-{turn}"
            target.mkdir(parents=True, exist_ok=True)
            for file, image in drawings[character].items():
                image.rotate(turn).save(target / file)


def official_runs(folder: Path) -> list[list[tuple[Path, Path]]]:
    """Of each run the pairs (query, its reference)."""
    found = []
    for place in sorted((folder / "runs").glob("run*")):
        lines = (place / "class_labels.txt").read_text().split("\n")
        pairs = [line.split() for line in lines if line.strip()]
        found.append([(folder / "runs" / query, folder / "runs" / reference) for query, reference in pairs])
    return found


def errors(vectors: dict[Path, np.ndarray], runs: list[list[tuple[Path, Path]]]) -> list[float]:
    """Of each run the share of queries whose nearest reference, by inner product, is not theirs."""
    shares = []
    for pairs in runs:
        references = np.stack([vectors[reference] for _, reference in pairs])
        queries = np.stack([vectors[query] for query, _ in pairs])
        nearest = (queries @ references.T).argmax(1)
        shares.append(float((nearest != np.arange(len(pairs))).mean()))
    return shares


def pixels(files: list[Path]) -> dict[Path, np.ndarray]:
    """The images themselves, as vectors of length 1: the baseline."""
    vectors = {file: np.asarray(Image.open(file).convert("L"), dtype=np.float32).ravel() for file in files}
    return {file: vector / np.linalg.norm(vector) for file, vector in vectors.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with omniglot's python/")
    parser.add_argument("--folder", type=Path, required=True, help="where the images are extracted to")
    parser.add_argument("--runs", nargs="*", default=[], help="trained runs to evaluate")
    options = parser.parse_args()
    if not options.folder.exists():
        extract(options.data, options.folder)
    images = options.folder / "images"
    print(f"{images}: {len(list(images.glob('*/*')))} classes, {len(list(images.glob('*/*/*')))} images")
    runs = official_runs(options.folder)
    files = sorted({file for pairs in runs for pair in pairs for file in pair})
    rows = {"pixels": pixels(files)}
    for name in options.runs:
        import zorki

        results = zorki.load(name).predict([str(file) for file in files], quiet=True)
        rows[name] = {file: result.annotation.vector.numpy() for file, result in zip(files, results, strict=True)}
    for name, vectors in rows.items():
        shares = errors(vectors, runs)
        print(f"{name:<40} error {sum(shares) / len(shares):6.1%}  worst run {max(shares):5.0%}  {len(runs)} runs")


if __name__ == "__main__":
    main()
