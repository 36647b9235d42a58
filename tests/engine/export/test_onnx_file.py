"""What an ONNX file says of itself, and what is refused."""

import importlib.util
import json

import pytest
import torch
from torch import nn

from zorki import registry
from zorki.contracts.capabilities import Selection
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.engine.export.onnx_file import export_onnx
from zorki.errors import ZorkiError
from zorki.exported.file import FORMAT, PREFIX
from zorki.tasks.detection.networks.detector import NmsCandidates, fixed_boxes
from zorki.types import ClassInfo

HEIGHT, WIDTH = 96, 128
NUM_CLASSES = 3
INFO = ClassInfo(("a", "b", "c"))


def lively(name, **options):
    """A detector whose predictions differ from place to place, as a trained one's do."""
    torch.manual_seed(0)
    model = registry.build(name, NUM_CLASSES, {"image_size": WIDTH, **options}).eval()
    with torch.no_grad():
        for path, layer in model.named_modules():
            if isinstance(layer, nn.Conv2d | nn.Linear) and not path.startswith("backbone") and layer.bias is not None:
                layer.weight.mul_(1.5)
                layer.bias.add_(torch.randn_like(layer.bias) * 0.3)
                layer.bias.clamp_(min=-2)  # not nearly sure that nothing is there
    return model


def make_images(count=1):
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand((count, 3, HEIGHT // 16, WIDTH // 16), generator=generator) * 255
    return nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic").clamp(0, 255).byte()


def session(path):
    runtime = pytest.importorskip("onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    return runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def test_a_file_says_what_it_takes_and_means(tmp_path):
    model = lively("yolo1_squeezenet").with_selection(Selection(max_iou=0.25, labels=(0, 2)))
    path = export_onnx(model, tmp_path / "model.onnx", HEIGHT, WIDTH, INFO, {"task": "detection"})
    run = session(path)
    assert [(one.name, one.shape, one.type) for one in run.get_inputs()] == [
        ("images", ["batch", 3, HEIGHT, WIDTH], "tensor(uint8)"),
        ("frames", ["batch", 4], "tensor(float)"),
    ]
    assert [given.name for given in run.get_outputs()] == ["xyxy", "scores", "labels", "count"]
    texts = run.get_modelmeta().custom_metadata_map
    found = {name.removeprefix(PREFIX): json.loads(text) for name, text in texts.items() if name.startswith(PREFIX)}
    assert preprocess_from_json(found["preprocess"]) == model.preprocess
    assert (found["format"], found["task"], found["num_classes"], found["class_names"]) == (
        FORMAT, "detection", NUM_CLASSES, ["a", "b", "c"],
    )  # fmt: skip
    assert found["decoding"] == {"kind": "boxes"}
    assert found["thresholds"] == {
        "min_score": model.min_score, "max_iou": 0.25, "max_count": model.max_boxes, "labels": [0, 2],
    }  # fmt: skip
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]
    images = make_images(3)
    frames = torch.tensor([[0.0, 0, WIDTH, HEIGHT]] * 3)
    _, _, labels, count = run.run(None, {"images": images.numpy(), "frames": frames.numpy()})
    assert set(labels[labels >= 0].tolist()) == {0, 2}
    assert (count > 5).all()


def test_a_graph_is_told_where_the_image_lies():
    """Two images of the same pixels: gray edges are the image's in one, and canvas in the other."""
    model = lively("detr_squeezenet", width=32, layers=1, queries=20)
    image = make_images()[0, :, :60]
    image[:, :10] = image[:, -10:] = torch.tensor(model.preprocess.canvas, dtype=torch.uint8)[:, None, None]
    inputs, placements = model.preprocess([image, make_images()[0]])
    assert placements[0].frame == (0, 18, WIDTH, 78)
    images = inputs.images[:1].repeat(2, 1, 1, 1)
    network = model.export_graph(HEIGHT, WIDTH).network
    with torch.no_grad():
        _, scores, _, _ = network(images, torch.tensor([placements[0].frame, (0.0, 28.0, WIDTH, 68.0)]))
    assert not torch.allclose(scores[0], scores[1], atol=1e-3), "the same pixels, another image"


def test_classes_do_not_suppress_each_other():
    here, there, outside = [-5.0, -5, 20, 20], [30.0, 30, 40, 40], [-9.0, -9, -5, -5]
    found = NmsCandidates(
        torch.tensor([[here, here, here, there, there, outside]]),
        torch.tensor([[0.5, 0.9, 0.8, 0.3, 0.05, 1.0]]),
        torch.tensor([[0, 0, 1, 1, 2, 2]]),
    )
    model = lively("yolo1_squeezenet").with_selection(Selection(0.1, 0.5, 4))
    boxes = fixed_boxes(model, found, torch.tensor([[0.0, 0, WIDTH, HEIGHT]]))
    assert boxes.scores[0].tolist() == pytest.approx([0.9, 0.8, 0.3, 0])
    assert boxes.labels[0].tolist() == [0, 1, 1, -1]
    assert boxes.xyxy[0, :, 0].tolist() == [0, 0, 30, 0]
    assert boxes.count.tolist() == [3]


def test_what_onnx_cannot_say_is_told(tmp_path, monkeypatch):
    model = lively("yolo1_squeezenet")
    monkeypatch.setattr(type(model), "candidates", lambda self, outputs: int(outputs.answers.sum()))
    with pytest.raises(ZorkiError, match="Yolo1 on SqueezeNet cannot be written as ONNX: "):
        export_onnx(model, tmp_path / "model.onnx", HEIGHT, WIDTH, INFO)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_what_a_run_knows(tmp_path, monkeypatch, capsys):
    from zorki.cli import main
    from zorki.engine.run import open as opening
    from zorki.recipe import Recipe
    from zorki.tasks.detection.task import Detection

    model = lively("yolo1_squeezenet", image_size=64)
    image = make_images()[:, :, :64, :64]
    with torch.no_grad():
        model.min_score = float(model.candidates(model(image)).scores.max()) + 1e-3
    model.train()
    run = opening.TrainedModel(tmp_path, "yolo1_squeezenet", Detection(), INFO, Recipe(), {"data": None}, model)
    monkeypatch.setattr("zorki.engine.export.export.open_all", lambda *_: [run])
    main(["export", "runs/x", "--images", "0", "--out", str(tmp_path / "deep" / "own.onnx")])
    assert model.training, "the detector stays as it was"
    assert 'takes "images", uint8 (batch, 3, 64, 64); "frames", float32 (batch, 4)\n' in capsys.readouterr().out
    opened = session(tmp_path / "deep" / "own.onnx")
    assert opened.get_inputs()[0].shape == ["batch", 3, 64, 64]
    assert json.loads(opened.get_modelmeta().custom_metadata_map["zorki.class_names"]) == ["a", "b", "c"]
    frames = torch.tensor([[0.0, 0, 64, 64]])
    *_, count = opened.run(None, {"images": image.numpy(), "frames": frames.numpy()})
    assert count.tolist() == [0], "nothing scores above the best"
    for flags, size in {("--height", "0"): "0x0", ("--height", "64", "--width", "0"): "64x0"}.items():
        with pytest.raises(SystemExit):
            main(["export", "runs/x", "--out", str(tmp_path / "none.onnx"), *flags])
        assert f"at least 1x1 pixels, but was asked for {size}" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.rglob("*.onnx")] == ["own.onnx"]


def test_missing_packages_are_named(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    with pytest.raises(ZorkiError, match=r"needs onnxscript: install .*zorki\[export\]"):
        export_onnx(lively("yolo1_squeezenet"), tmp_path / "model.onnx", HEIGHT, WIDTH, INFO)


def test_models_without_a_graph_are_refused(tmp_path):
    with torch.device("meta"):
        model = registry.build("gatys_squeezenet", 1)
    with pytest.raises(ZorkiError, match="has no form as a graph of tensors"):
        export_onnx(model, tmp_path / "model.onnx", HEIGHT, WIDTH, INFO)
