"""What the settings of the engine do to a run."""

import json

import pytest
import torch

from zorki.engine.api import load, resume, train
from zorki.engine.run import logs
from zorki.errors import RecipeError, WeightsError, ZorkiError
from zorki.weights import read_weights

DATA = "scenes:120@32"
PLAIN = {"epochs": 1, "batch_size": 16, "workers": 0, "quiet": True, "log_every": 1, "out": "runs"}


def weights(run):
    return read_weights(run.folder / "best.safetensors").tensors


def test_two_batches_accumulated_are_one_of_twice_the_size():
    """84 training images: five steps of 16 joined by twos against steps of 32; the schedule is flat."""
    settings = {**PLAIN, "scheduler": "constant", "lr": 0.02, "limit": 64, "momentum": 0.0, "nesterov": False}
    once = train("lenet5", DATA, **{**settings, "batch_size": 32})
    joined = train("lenet5", DATA, **settings, grad_accum=2)
    a, b = weights(once), weights(joined)
    for name in a:
        assert torch.allclose(a[name], b[name], atol=1e-5), name


def test_clipping_bounds_the_step():
    settings = {**PLAIN, "scheduler": "constant", "lr": 1.0, "limit": 16, "momentum": 0.0, "nesterov": False,
                "weight_decay": 0.0}  # fmt: skip
    before = train("lenet5", DATA, **{**settings, "lr": 1e-12})
    after = train("lenet5", DATA, **settings, clip_grad=0.01)
    a, b = weights(before), weights(after)
    moved = torch.sqrt(sum(((a[name] - b[name]) ** 2).sum() for name in a if not name.startswith("normalize")))
    assert float(moved) == pytest.approx(0.01, rel=0.02)


def test_early_stopping_ends_after_so_many_stale_epochs():
    run = train("lenet5", DATA, **{**PLAIN, "epochs": 9}, lr=1e-9, patience=2)
    assert len(logs.read(run.folder / logs.EPOCHS)) == 3


def test_the_best_epoch_is_kept():
    run = train("lenet5", "scenes:300@32", **{**PLAIN, "epochs": 4})
    rows = logs.read(run.folder / logs.EPOCHS)
    best = max(row["val/top1"] for row in rows)
    assert run.results["val"]["metrics"]["top1"] == pytest.approx(best, abs=0.03)
    kept = read_weights(run.folder / "best.safetensors").metadata
    assert int(kept["epoch"]) == max(
        range(len(rows)), key=lambda place: (rows[place]["val/top1"], -rows[place]["val/loss"], place)
    )


def test_the_moving_average_is_what_is_evaluated_and_kept():
    fast = train("lenet5", DATA, **PLAIN, limit=48, ema=0.0)
    plain = train("lenet5", DATA, **PLAIN, limit=48)
    slow = train("lenet5", DATA, **PLAIN, limit=48, ema=0.999)
    name = (
        "head.output.weight"
        if "head.output.weight" in weights(plain)
        else next(n for n in weights(plain) if "head" in n)
    )
    assert torch.allclose(weights(fast)[name], weights(plain)[name])
    assert not torch.allclose(weights(slow)[name], weights(plain)[name])


@pytest.mark.parametrize("kind", ["mean_std", "mean", "mean_image"])
def test_pixel_statistics_are_saved_with_the_weights(kind):
    run = train("lenet5", DATA, **PLAIN, normalize=kind)
    again = load(run.folder)
    shape = tuple(again.model.normalize.mean.shape)
    assert shape == ((1, 32, 32) if kind == "mean_image" else (1, 1, 1))
    a, b = again.evaluate(split="test").metrics.to_json(), run.evaluate(split="test").metrics.to_json()
    assert a["confusion_matrix"] == b["confusion_matrix"]
    assert a["log_loss"] == pytest.approx(b["log_loss"], rel=1e-6)  # layouts in memory may differ


def test_all_but_the_last_stages_stay_as_they_were():
    first = train("cifar_resnet20", DATA, **PLAIN)
    second = train("cifar_resnet20", DATA, **PLAIN, weights=str(first.folder), freeze="-1", lr=0.05)
    a, b = weights(first), weights(second)
    changed = {name.split(".")[1] for name in a if name.startswith("backbone.") and not torch.equal(a[name], b[name])}
    assert changed == {"layer3"}


def test_class_weights_and_balanced_sampling_run():
    run = train(
        "lenet5", DATA, **PLAIN, class_weights=True, class_balanced=True, label_smoothing=0.1, optimizer="adamw"
    )
    assert run.results["val"]["count"] == 18


def test_what_was_said_is_never_overridden():
    run = train("cifar_resnet20", DATA, **PLAIN, lr=0.007, translate=0.0, random_crop=1.0, precision="32")
    about = json.loads((run.folder / "run.json").read_text())
    for name, value in {"lr": 0.007, "translate": 0.0, "random_crop": 1.0, "precision": "32"}.items():
        assert about["recipe"][name] == value
        assert name not in {choice["name"] for choice in about["choices"]}


def test_a_name_that_is_taken_and_data_that_changed(tmp_path):
    from zorki.data.scenes.dataset import SceneClassification

    SceneClassification(200, size=(32, 32)).write_folders(tmp_path / "data")
    run = train("lenet5", str(tmp_path / "data"), **PLAIN, name="first")
    with pytest.raises(WeightsError, match="is there already"):
        train("lenet5", str(tmp_path / "data"), **PLAIN, name="first")
    next((tmp_path / "data" / "train" / "disc").glob("*.png")).unlink()
    with pytest.raises(WeightsError, match="Put the data back"):
        resume(run.folder, quiet=True)


def test_frozen_whole_networks_and_missing_loggers_are_refused():
    with pytest.raises(ZorkiError, match=r"pip install 'zorki\[track\]'"):
        train("lenet5", DATA, **PLAIN, wandb="project")
    with pytest.raises(RecipeError, match="stages"):
        train("lenet5", DATA, **PLAIN, freeze="-99")


def test_training_on_train_and_val_holds_nothing_out_but_the_test_images():
    both = train("lenet5", "scenes:60@32", epochs=1, train_on="trainval", quiet=True)
    alone = train("lenet5", "scenes:60@32", epochs=1, quiet=True)
    assert both.about["train_count"] == alone.about["train_count"] + alone.about["counts"]["val"]
    assert "val" not in both.about["counts"]
    assert both.about["counts"]["test"] == alone.about["counts"]["test"]


# Batch norm over maps of one pixel: a batch of one image has a single value.
SINGLE = {**PLAIN, "image_size": 4, "epochs": 1}


def test_a_last_batch_of_one_joins_the_one_before():
    run = train("cifar_resnet20", DATA, **{**SINGLE, "batch_size": 8}, limit=9)
    assert [row["step"] for row in logs.read(run.folder / logs.STEPS)] == [1]


def test_batches_that_cannot_train_are_refused_before_a_folder_is_made(tmp_path):
    with pytest.raises(RecipeError, match="batch_size is 1, and the network has batch norm over single values"):
        train("cifar_resnet20", DATA, **{**SINGLE, "out": str(tmp_path / "new"), "batch_size": 1})
    assert not (tmp_path / "new").exists()
    larger = train("cifar_resnet20", DATA, **{**SINGLE, "image_size": 32, "batch_size": 1}, limit=3)
    assert len(logs.read(larger.folder / logs.STEPS)) == 3, "over maps of several pixels one image is enough"


class Squares(torch.utils.data.Dataset):
    """Bright squares, or nothing."""

    classes = ("square",)

    def __init__(self, count, objects):
        self.count, self.objects = count, objects

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = torch.zeros(3, 64, 64, dtype=torch.uint8)
        image[:, 8:40, 8:40] = 250
        boxes = torch.tensor([[8.0, 8, 40, 40]])[: self.objects]
        return image, {"boxes": boxes, "labels": torch.zeros(self.objects, dtype=torch.int64)}


def test_validation_without_objects_keeps_the_last_weights_and_says_so(tmp_path, capsys):
    data = {"train": Squares(4, 1), "val": Squares(2, 0)}
    settings = {"epochs": 3, "patience": 1, "batch_size": 4, "image_size": 64, "workers": 0, "out": str(tmp_path)}
    run = train("yolo1_squeezenet", data, **settings, scheduler="plateau", device="cpu")
    told = capsys.readouterr().out
    assert told.index("its 2 images show no ground truth: the last weights are kept") < told.index("epoch   1/3")
    assert "predictions count from" not in told, "no score can be the best"
    assert len(logs.read(run.folder / logs.EPOCHS)) == 3
    assert read_weights(run.folder / "best.safetensors").metadata["epoch"] == "2"
