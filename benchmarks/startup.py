"""How long the command line takes to answer, beside the import of torch; and a run's first prediction.

python benchmarks/startup.py --repeats 5
python benchmarks/startup.py --repeats 5 --data
python benchmarks/startup.py --repeats 5 --models resnet18 ssd_squeezenet unet_squeezenet mask_rcnn_squeezenet_fpn

With --data, verbs that run no network are timed: `show`, `convert` and `evaluate --predictions`, on 30 images of
128 x 96 with their boxes in COCO's format. With --models, one small run of each is trained first (or taken from
--runs), then opened and asked for one image: a whole process, over `import torch, torchvision` alone; with --exported
also its file for ONNX Runtime, over `zorki predict RUN`. Everything takes
its turn in each repetition, so that a busy machine slows all of them; ratios are medians of the ratios within a
repetition. Processor seconds stand beside seconds by the clock: other jobs lengthen those less.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TORCH, BOTH = "import torch", "import torch, torchvision"
COMMANDS = {
    "zorki --help": ["-m", "zorki", "--help"],
    "zorki train --help": ["-m", "zorki", "train", "--help"],
    "import zorki": ["-c", "import zorki"],
    TORCH: ["-c", TORCH],
}
NEW = "NEW"  # in a command: a name that nothing has
_numbers = itertools.count()
PREDICT = "import sys, zorki\n(result,) = zorki.load(sys.argv[1]).predict(sys.argv[2])"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", action="store_true", help="time the verbs that run no network")
    parser.add_argument("--models", nargs="*", default=[], help="train a small run of each, and time its prediction")
    parser.add_argument("--exported", action="store_true", help="with one of --models: its exported file beside it")
    parser.add_argument("--runs", type=Path, help="folder of the runs, kept; empty: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        commands, reference = dict(COMMANDS), TORCH
        if options.models:
            runs = (options.runs or Path(scratch)).resolve()
            commands, reference = _predictions(options.models, runs, Path(scratch)), BOTH
            if options.exported:
                reference = f"zorki predict, {options.models[0]}"
                commands = {reference: commands[reference], **_exported(options.models[0], runs, commands[reference])}
        elif options.data:
            commands = _verbs(Path(scratch))
        for command in commands.values():  # once unmeasured: bytecode is written, files are read
            _seconds(command, scratch)
        times = [
            {name: _seconds(command, scratch) for name, command in commands.items()} for _ in range(options.repeats)
        ]
    for name in commands:
        wall, cpu = (statistics.median(one[name][kind] for one in times) for kind in (0, 1))
        shares = [statistics.median(one[name][kind] / one[reference][kind] for one in times) for kind in (0, 1)]
        print(
            f"{name:40} {wall * 1e3:7.0f} ms {shares[0]:7.3f} of {reference}; "
            f"processor {cpu * 1e3:7.0f} ms {shares[1]:7.3f}"
        )


def _predictions(models: list[str], runs: Path, scratch: Path) -> dict[str, list[str]]:
    from zorki.data.scenes.dataset import SceneClassification

    SceneClassification(30, size=(96, 96)).write_folders(scratch / "images")
    image = str(next((scratch / "images").rglob("*.png")))
    commands = {BOTH: ["-c", BOTH]}
    for name in models:
        folder = runs / f"startup-{name}"
        if not folder.exists():
            _train(name, folder)
        commands[f"predict, {name}"] = ["-c", PREDICT, str(folder), image]
        commands[f"zorki predict, {name}"] = ["-m", "zorki", "predict", str(folder), image]
    return commands


def _exported(name: str, runs: Path, of_run: list[str]) -> dict[str, list[str]]:
    """The same image through the run's exported file."""
    file = runs / f"startup-{name}.onnx"
    if not file.exists():
        words = ["zorki", "export", str(runs / f"startup-{name}"), "--out", str(file)]
        subprocess.run([sys.executable, "-m", *words], check=True, stdout=subprocess.DEVNULL)
    return {f"zorki predict, {name}.onnx": ["-m", "zorki", "predict", str(file), of_run[-1]]}


def _verbs(scratch: Path) -> dict[str, list[str]]:
    from zorki.data.images import write_image
    from zorki.data.scenes.boxes import SceneDetection

    scenes = SceneDetection(30, size=(96, 128))
    images, ground_truth = [], []
    for number in range(30):
        sample = scenes[number]
        write_image(scratch / "cells" / f"{number}.png", sample.image)
        images.append({"id": number + 1, "file_name": f"{number}.png", "width": 128, "height": 96})
        for (left, top, right, bottom), label in zip(
            sample.target.xyxy.tolist(), sample.target.labels.tolist(), strict=True
        ):
            box, area = [left, top, right - left, bottom - top], (right - left) * (bottom - top)
            ground_truth.append(
                {"image_id": number + 1, "category_id": label + 1, "bbox": box, "area": area, "iscrowd": 0}
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(scenes.class_names, 1)]
    annotations = [{"id": number, **one} for number, one in enumerate(ground_truth, 1)]
    page = {"images": images, "categories": categories, "annotations": annotations}
    (scratch / "cells" / "instances.json").write_text(json.dumps(page))
    (scratch / "found.json").write_text(json.dumps([{**one, "score": 0.5} for one in ground_truth]))
    verbs = {
        "zorki show": ["show", "cells", "--out", NEW + ".png"],
        "zorki convert": ["convert", "cells", "--to", "yolo", "--out", NEW],
        "zorki evaluate --predictions": ["evaluate", "--predictions", "found.json", "cells/instances.json"],
    }
    return {TORCH: ["-c", TORCH], **{name: ["-m", "zorki", *words] for name, words in verbs.items()}}


def _train(name: str, folder: Path) -> None:
    words = ["zorki", "train", name, "scenes:40@96", "--epochs", "1", "--device", "cpu", "--precision", "32"]
    words += ["--out", str(folder.parent), "--name", folder.name]
    subprocess.run([sys.executable, "-m", *words], check=True, stdout=subprocess.DEVNULL)


def _seconds(words: list[str], folder: str) -> tuple[float, float]:
    """By the clock, and of the processor; what the command writes goes into the folder."""
    # Installed packages are compiled once; so is the tree that is measured.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    words = [word.replace(NEW, f"new-{next(_numbers)}") for word in words]
    begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env=environment, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


if __name__ == "__main__":
    main()
