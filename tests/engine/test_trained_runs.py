"""A run predicts as it was trained: one model of every family, trained with no size said, saved, and opened."""

import dataclasses
import json

import pytest
import torch
from tiny_backbone import tiny_squeezenet

from zorki import registry
from zorki.data.scenes.dataset import scene
from zorki.engine.device import laid_out, on_device
from zorki.engine.evaluation.evaluate import evaluate
from zorki.engine.run.folder import RESULTS, result_json
from zorki.engine.run.open import load
from zorki.engine.training import train as training
from zorki.files import write_json
from zorki.nn.layers.initialize import without_values

# Of every method the smallest network; options keep the work small.
FAMILIES = {
    "alexnet": {"hidden": "16"}, "cifar_resnet20": {}, "googlenet": {}, "lenet5": {}, "mobilenet_v3_small": {},
    "resnet18": {}, "squeezenet1_1": {}, "timm:mobilenetv3_small_050": {}, "vgg11": {"hidden": "16"}, "vit_tiny_16": {},
    "detr_squeezenet": {}, "fast_rcnn_squeezenet": {}, "faster_rcnn_squeezenet_fpn": {}, "fcos_squeezenet": {},
    "rcnn_squeezenet": {}, "retinanet_squeezenet": {}, "sppnet_squeezenet": {}, "ssd_squeezenet": {},
    "yolo1_squeezenet": {}, "yolo3_squeezenet": {},
    "deeplabv3_squeezenet": {}, "fc_densenet56": {"image_size": "64"}, "fcn32s_squeezenet": {},
    "full_resolution": {"width": "4"},
    "pspnet_squeezenet": {}, "segnet_basic": {"width": "8"}, "sliding_window_small": {"step": "32", "count": "8"},
    "unet": {"width": "4"}, "unet_squeezenet": {},
    "border_unet_squeezenet": {}, "deep_coloring_squeezenet": {}, "deep_watershed_squeezenet": {},
    "mask_rcnn_squeezenet_fpn": {"max_boxes": "20"},
}  # fmt: skip
UPRIGHT, LANDSCAPE = "72x48", "48x72"
# Of every kind of preprocessing one on landscape images too.
RUNS = [(name, UPRIGHT) for name in FAMILIES] + [
    (name, LANDSCAPE) for name in ("cifar_resnet20", "lenet5", "ssd_squeezenet", "unet_squeezenet", "rcnn_squeezenet")
]


@pytest.fixture(autouse=True)
def _small_backbone(monkeypatch):
    tiny_squeezenet(monkeypatch)  # networks do not differ by their backbones here


@pytest.fixture(autouse=True)
def regions_without_a_search(monkeypatch, tmp_path):
    """Selective search takes long, and OpenCV: regions are by chance."""

    def made(image, mode="fast", seed=0):
        generator = torch.Generator().manual_seed(int(image.sum()))
        corners = torch.rand((8, 2, 2), generator=generator) * torch.tensor([image.shape[2], image.shape[1]])
        return torch.cat([corners.amin(1), corners.amax(1) + 10], 1).to(torch.int16)

    monkeypatch.setattr("zorki.data.preprocess.proposal_cache.selective_search", made)
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "cache"))


def pictured(model):
    """What becomes of an upright and of a landscape image: inputs, raw outputs and predictions, as plain values."""
    images = [scene(7, 0, size=(60, 44)).image, scene(7, 1, size=(44, 60)).image]
    was = model.training
    with torch.inference_mode():
        inputs, placements = model.eval().preprocess(images)
        outputs = model(laid_out(inputs, model))
        found = [*tensors(inputs), *tensors(outputs), *tensors(model.decode(outputs, placements))]
    model.train(was)
    return [tensor.clone() for tensor in found]


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if dataclasses.is_dataclass(value):
        return [t for f in dataclasses.fields(value) for t in tensors(getattr(value, f.name))]
    return [t for item in value for t in tensors(item)] if isinstance(value, list | tuple) else []


@pytest.mark.parametrize(("name", "size"), RUNS, ids=lambda value: str(value))
def test_a_run_opens_as_it_was_trained(name, size, tmp_path, monkeypatch):
    options = FAMILIES[name]
    trained = {}
    real = training._keep_best

    def keep_best(plan, model, facts):
        trained["pictured"], trained["preprocess"] = pictured(model), model.preprocess
        real(plan, model, facts)

    monkeypatch.setattr(training, "_keep_best", keep_best)
    count = 30 if registry.find(name).task.name == "classification" else 10
    settings = {"epochs": 1, "batch_size": 2, "limit": 4, "limit_val": 0, "workers": 0, "quiet": True}
    run = training.train(name, f"scenes:{count}@{size}", options=options, out=str(tmp_path), **settings)
    opened = load(run.folder)
    with without_values():
        own = registry.build(name, len(run.class_names), options).preprocess
    assert opened.model.preprocess == trained["preprocess"] == own
    assert opened.recipe.image_size is None
    again = pictured(on_device(opened.model, "cpu"))
    assert len(again) == len(trained["pictured"]) > 1
    assert all(torch.equal(a, b) for a, b in zip(again, trained["pictured"], strict=True))
    known = json.loads((run.folder / RESULTS).read_text())
    for split in ("val", "test"):
        (result,) = evaluate(opened, split=split, workers=0)
        write_json(tmp_path / "again.json", result_json(result))
        again = json.loads((tmp_path / "again.json").read_text())
        assert {**again, "split_count": result.count} == known[split], "a training says how large the split was"
