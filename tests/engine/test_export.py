"""ONNX Runtime predicts what `decode` returns, for every detector of one stage, and for classifiers."""

import functools
import importlib.util
import json

import pytest
import torch
from torch import nn

from zorki import registry
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.engine.export import export_onnx
from zorki.errors import ZorkiError
from zorki.tasks.detection.networks.detector import ExportedDetector, NmsCandidates
from zorki.types import ClassInfo, Padded, Placement

HEIGHT, WIDTH = 96, 128
NUM_CLASSES = 3
INFO = ClassInfo(("a", "b", "c"))
DETECTORS = {
    "ssd_squeezenet": {},
    "retinanet_squeezenet": {"channels": 32, "depth": 1},
    "fcos_squeezenet": {"channels": 32, "depth": 1},
    "yolo1_squeezenet": {},
    "yolo3_squeezenet": {},
    "detr_squeezenet": {"width": 32, "layers": 1, "queries": 20},
    "two_stage_detr_squeezenet": {"width": 32, "layers": 1, "queries": 20},
}


def lively(name, **options):
    """A detector whose predictions differ from place to place, as a trained one's do."""
    torch.manual_seed(0)
    model = registry.build(name, NUM_CLASSES, {"image_size": WIDTH, **DETECTORS.get(name, {}), **options}).eval()
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


def decoded(model, image):
    placement = Placement(HEIGHT, WIDTH, input_height=HEIGHT, input_width=WIDTH)
    with torch.no_grad():
        return model.decode(model(image), [placement])[0]


def session(path):
    runtime = pytest.importorskip("onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    return runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A detector of that name and its file, written once: `exported("fcos_squeezenet")`."""

    @functools.cache
    def pair(name):
        model = lively(name)
        return model, export_onnx(model, tmp_path_factory.mktemp(name) / "model.onnx", HEIGHT, WIDTH, INFO)

    return pair


@pytest.mark.parametrize("name", DETECTORS)
def test_onnx_predicts_as_decode(name, exported):
    model, path = exported(name)
    run = session(path)
    named = [given.name for given in run.get_inputs()]
    whole = torch.tensor([[0, 0, WIDTH, HEIGHT]])
    for image in make_images(2).split(1):
        expected = decoded(model, image)
        xyxy, scores, labels = (torch.from_numpy(x) for x in run.run(None, fed(named, image, whole)))
        assert len(expected) == len(xyxy) == len(scores) == len(labels) > 5
        assert len(expected.scores.unique()) > 5
        torch.testing.assert_close(scores, expected.scores, atol=1e-4, rtol=0)
        torch.testing.assert_close(xyxy, expected.xyxy, atol=1e-3, rtol=0)
        assert torch.equal(labels, expected.labels)


def fed(named, images, valid):
    given = {"images": images.numpy(), "valid": valid.numpy()}
    return {name: given[name] for name in named}


def test_a_file_is_told_where_the_image_lies(exported):
    """Two images of the same pixels: gray edges are the image's in one, and canvas in the other."""
    model, path = exported("detr_squeezenet")
    image = make_images()[0, :, :60]
    image[:, :10] = image[:, -10:] = torch.tensor(model.preprocess.canvas, dtype=torch.uint8)[:, None, None]
    inputs, placements = model.preprocess([image, make_images()[0]])
    bare = Padded(inputs.images[:1], torch.tensor([[0, 28, WIDTH, 68]]))
    inputs = Padded(inputs.images[:1], inputs.valid[:1])
    assert inputs.valid.tolist() == [[0, 18, WIDTH, 78]]
    run = session(path)
    assert [(one.name, one.shape, one.type) for one in run.get_inputs()] == [
        ("images", [1, 3, HEIGHT, WIDTH], "tensor(uint8)"),
        ("valid", [1, 4], "tensor(int64)"),
    ]
    found = []
    for given in (inputs, bare):
        left, top, right, bottom = given.valid[0].tolist()
        where = Placement(bottom - top, right - left, top=top, left=left, input_height=HEIGHT, input_width=WIDTH)
        with torch.no_grad():
            (expected,) = model.decode(model(given), [where])
        xyxy, scores, labels = (
            torch.from_numpy(x) for x in run.run(None, {"images": given.images.numpy(), "valid": given.valid.numpy()})
        )
        torch.testing.assert_close(scores, expected.scores, atol=1e-4, rtol=0)
        torch.testing.assert_close(xyxy - torch.tensor([0.0, top, 0, top]), expected.xyxy, atol=1e-3, rtol=0)
        assert torch.equal(labels, expected.labels)
        found.append(scores)
    assert not torch.allclose(found[0], found[1], atol=1e-3), "the same pixels, another image"
    assert placements[0].frame == (0, 18, WIDTH, 78)


def test_a_file_says_what_it_takes(exported):
    model, path = exported("yolo1_squeezenet")
    run = session(path)
    (taken,) = run.get_inputs()
    assert (taken.name, taken.shape, taken.type) == ("images", [1, 3, HEIGHT, WIDTH], "tensor(uint8)")
    assert [given.name for given in run.get_outputs()] == ["xyxy", "scores", "labels"]
    metadata = run.get_modelmeta().custom_metadata_map
    assert preprocess_from_json(json.loads(metadata["zorki.preprocess"])) == model.preprocess
    assert metadata["zorki.num_classes"] == str(NUM_CLASSES)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]


def test_classes_do_not_suppress_each_other():
    class Fixed(nn.Module):
        min_score, max_iou, max_boxes = 0.1, 0.5, 3

        def forward(self, inputs):
            return inputs

        def candidates(self, outputs):
            here, there, outside = [-5.0, -5, 20, 20], [30.0, 30, 40, 40], [-9.0, -9, -5, -5]
            return NmsCandidates(
                torch.tensor([[here, here, here, there, there, outside]]),
                torch.tensor([[0.5, 0.9, 0.8, 0.3, 0.05, 1.0]]),
                torch.tensor([[0, 0, 1, 1, 2, 2]]),
            )

    exported = ExportedDetector.__new__(ExportedDetector)
    nn.Module.__init__(exported)
    exported.model = Fixed()
    xyxy, scores, labels = exported(make_images())
    assert scores.tolist() == pytest.approx([0.9, 0.8, 0.3])
    assert labels.tolist() == [0, 1, 1]
    assert xyxy[:, 0].tolist() == [0, 0, 30]


def test_two_stages_are_refused(tmp_path):
    with torch.device("meta"):
        model = registry.build("faster_rcnn_squeezenet", NUM_CLASSES)
    with pytest.raises(ZorkiError, match="FasterRcnn has two stages"):
        export_onnx(model, tmp_path / "model.onnx", HEIGHT, WIDTH, INFO)
    assert not list(tmp_path.iterdir())


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
    run = opening.TrainedModel(tmp_path, "yolo1_squeezenet", Detection(), INFO, Recipe(), {}, model)
    monkeypatch.setattr(opening, "open_run", lambda *_: run)
    main(["export", "runs/x", "--out", str(tmp_path / "deep" / "own.onnx")])
    assert model.training, "the detector stays as it was"
    assert 'takes "images", uint8 (1, 3, 64, 64)\n' in capsys.readouterr().out
    opened = session(tmp_path / "deep" / "own.onnx")
    assert opened.get_inputs()[0].shape == [1, 3, 64, 64]
    assert json.loads(opened.get_modelmeta().custom_metadata_map["zorki.class_names"]) == ["a", "b", "c"]
    xyxy, scores, labels = opened.run(None, {"images": image.numpy()})
    assert (xyxy.shape, scores.shape, labels.shape) == ((0, 4), (0,), (0,)), "nothing scores above the best"
    for flags, size in {("--height", "0"): "0x0", ("--height", "64", "--width", "0"): "64x0"}.items():
        with pytest.raises(SystemExit):
            main(["export", "runs/x", "--out", str(tmp_path / "none.onnx"), *flags])
        assert f"at least 1x1 pixels, but was asked for {size}" in capsys.readouterr().err
    from zorki.data.preprocess.letterbox_with_proposals import LetterboxWithProposals

    model.preprocess = LetterboxWithProposals(64)
    with pytest.raises(SystemExit):
        main(["export", "runs/x", "--out", str(tmp_path / "none.onnx")])
    assert "regions that are searched" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.rglob("*.onnx")] == ["own.onnx"]


def test_classifiers_give_scores(tmp_path):
    torch.manual_seed(0)
    model = registry.build("lenet5", NUM_CLASSES, {"image_size": 32}).eval()
    path = export_onnx(model, tmp_path / "lenet.onnx", 32, 32, INFO)
    (image, *_), _ = model.preprocess([make_images()[0]])
    with torch.no_grad():
        (expected,) = model.decode(model(image[None]), [Placement(HEIGHT, WIDTH)])
    (scores,) = session(path).run(None, {"images": image[None].numpy()})
    torch.testing.assert_close(torch.from_numpy(scores)[0], expected.scores, atol=1e-5, rtol=0)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    with pytest.raises(ZorkiError, match=r"needs onnxscript: install .*zorki\[export\]"):
        export_onnx(lively("yolo1_squeezenet"), tmp_path / "model.onnx", HEIGHT, WIDTH, INFO)


def test_models_without_a_graph_are_refused(tmp_path):
    with torch.device("meta"):
        model = registry.build("border_unet_squeezenet", NUM_CLASSES)
    with pytest.raises(ZorkiError, match="BorderUNet on SqueezeNet has no form as ONNX"):
        export_onnx(model, tmp_path / "model.onnx", HEIGHT, WIDTH, INFO)
