"""Folders of runs as training leaves them, without a training."""

import json
from pathlib import Path

import torch

from zorki import registry
from zorki.engine.run.build import build
from zorki.files import write_json, write_text
from zorki.recipe import Recipe
from zorki.weights import save_weights

NAMES = ["bee", "wasp"]
HOME = "/home/ann/secret project"


def results(split, **values):
    rows = [{"class_name": "bee", "count": 40, "f1": 0.9}, {"class_name": "wasp", "count": 3, "f1": 0.2}]
    return {
        "split": split, "count": 43, "split_count": 90, "losses": {}, "defects": [],
        "metrics": {"count": 43, "top1": 0.75, "balanced_accuracy": 0.5, "macro_f1": None, "per_class": rows},
        "baseline": {"count": 43, "top1": 0.8, "balanced_accuracy": 0.5}, **values,
    }  # fmt: skip


def write_run(folder, *, weights=None, plugins=(), evaluated=("val", "test")):
    """A run of lenet5 at 28 pixels, trained on a folder of `HOME`, with weights by chance."""
    recipe = Recipe(image_size=28, epochs=3, lr=0.1, seed=7, weights=weights, out=f"{HOME}/runs", device="cpu")
    torch.manual_seed(0)
    model = build("lenet5", len(NAMES), recipe)
    entry = registry.find("lenet5")
    metadata = {
        "model": entry.name,
        "class_names": json.dumps(NAMES),
        "preprocess": json.dumps(model.preprocess.to_json()),
    }
    folder = Path(folder)
    save_weights(folder / "best.safetensors", model, metadata)
    about = {
        "model": entry.name, "task": entry.task.name, "class_names": NAMES, "class_info": {}, "format": "class_folders",
        "data": f"{HOME}/bees", "counts": {"train": 100, "val": 43, "test": 90}, "train_count": 80,
        "preprocess": model.preprocess.to_json(), "parameters": 1234, "explicit": {"lr": 0.1, "out": f"{HOME}/runs"},
        "choices": [{"name": "normalize", "value": "mean_std", "why": f"measured on {HOME}/bees/train"}],
        "recipe": recipe.to_json(), "fingerprint": "0", "plugins": list(plugins),
        "environment": {
            "command": f"{HOME}/.venv/bin/zorki train lenet5 '{HOME}/bees'", "working_folder": HOME,
            "versions": {"zorki": "0.1.0"}, "machine": {"system": "Linux"},
        },
        "repeat": f"zorki train lenet5 '{HOME}/bees' --recipe '{HOME}/runs/a/recipe.yaml'",
    }  # fmt: skip
    write_json(folder / "run.json", about)
    write_text(folder / "recipe.yaml", "lr: 0.1\n")
    write_json(folder / "results.json", {split: results(split) for split in evaluated})
    write_text(folder / "steps.csv", f"step,loss\n1,{HOME}\n")
    (folder / "last.ckpt").write_bytes(b"a checkpoint")
    return folder
