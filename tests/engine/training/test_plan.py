"""What is told before a run begins."""

import numpy as np
from PIL import Image

from zorki.engine.training.plan import new_plan

rng = np.random.default_rng(0)


def test_copies_in_two_splits_are_told_before_training(tmp_path):
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            path = tmp_path / f"data/{split}/{name}/1.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    (tmp_path / "data/val/cat/1.png").write_bytes((tmp_path / "data/train/cat/1.png").read_bytes())
    lines = []
    settings = {"batch_size": 2, "epochs": 1, "workers": 0, "out": str(tmp_path / "runs")}
    new_plan("lenet5", str(tmp_path / "data"), None, settings, None, lines.append)
    assert sum("1 image of train lies in val too, byte for byte" in line for line in lines) == 1
