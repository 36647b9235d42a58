"""What is told before a run begins, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from zorki import registry
from zorki.engine.training.checks import check_stages
from zorki.engine.training.plan import draft_plan, new_plan
from zorki.errors import RecipeError
from zorki.recipe import Recipe

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
    draft = draft_plan("lenet5", str(tmp_path / "data"), None, settings, None, lambda line: None)
    assert not (tmp_path / "runs").exists(), "a draft writes nothing"
    plan = new_plan("lenet5", str(tmp_path / "data"), None, settings, None, lines.append)
    assert (draft.recipe, draft.about, set(draft.explicit)) == (plan.recipe, {}, set(settings))
    assert set(plan.about["explicit"]) == set(settings)
    assert (plan.folder / "run.json").exists()
    assert sum("1 image of train lies in val too, byte for byte" in line for line in lines) == 1


def test_stages_that_could_not_be_trained_are_refused_before_anything_is_made():
    cascade = registry.build("deep_pose_squeezenet", 2, {"image_size": 32, "stages": 3, "patch_size": 8})
    check_stages(cascade, Recipe(epochs=4))
    check_stages(cascade, Recipe(epochs=None))
    with pytest.raises(RecipeError, match="epochs is 1, of which one of the 3 stages would get none"):
        check_stages(cascade, Recipe(epochs=1))
    with pytest.raises(RecipeError, match=r"DeepPose of 3 stages, .* is trained on one device; set devices to 1"):
        check_stages(cascade, Recipe(epochs=4, devices="2"))
    check_stages(registry.build("deep_pose_squeezenet", 2, {"image_size": 32}), Recipe(epochs=1, devices="2"))
