"""ONNX Runtime predicts what `decode` returns."""

import json

import pytest
import torch
from tiny_segmenter import tiny
from torch import nn

from zorki.data.preprocess.saved import preprocess_from_json
from zorki.engine.export.onnx_file import export_onnx
from zorki.types import ClassInfo, Placement

HEIGHT, WIDTH = 64, 96
NUM_CLASSES = 3
INFO = ClassInfo(("a", "b", "c"))


def lively(model):
    """Predictions that differ from place to place, as a trained network's do; score layers may start at 0."""
    torch.manual_seed(1)
    with torch.no_grad():
        for layer in model.modules():
            if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                continue
            if not layer.weight.any():
                nn.init.normal_(layer.weight, std=0.1)
            if layer.bias is not None:
                layer.bias.add_(torch.randn_like(layer.bias) * 0.1)
    return model.eval()


def make_image(seed=5):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, HEIGHT // 8, WIDTH // 8), generator=generator) * 255
    return nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic").clamp(0, 255).byte()


def session(path):
    runtime = pytest.importorskip("onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    return runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def assert_same(model, path):
    run, taken = session(path), torch.cat([make_image(), make_image(6), make_image(7)])
    (logits,) = (torch.from_numpy(x) for x in run.run(None, {"images": taken.numpy()}))
    placement = Placement(HEIGHT, WIDTH, input_height=HEIGHT, input_width=WIDTH)
    with torch.no_grad():
        expected = model.probabilities(model(taken), [placement] * 3)
    torch.testing.assert_close(logits.softmax(1), torch.stack(expected), atol=1e-4, rtol=0)
    assert logits.shape == (3, NUM_CLASSES, HEIGHT, WIDTH)
    assert float(logits.std((2, 3)).max()) > 1e-3, "scores that are not all alike"


def test_onnx_predicts_as_decode_and_says_what_it_takes(tmp_path):
    model = lively(tiny())
    model.train()
    path = export_onnx(model, tmp_path / "deep" / "model.onnx", HEIGHT, WIDTH, INFO)
    assert model.training, "the network stays as it was"
    assert_same(model.eval(), path)
    run = session(path)
    (taken,) = run.get_inputs()
    assert (taken.name, taken.shape, taken.type) == ("images", ["batch", 3, HEIGHT, WIDTH], "tensor(uint8)")
    assert [given.name for given in run.get_outputs()] == ["logits"]
    metadata = run.get_modelmeta().custom_metadata_map
    assert preprocess_from_json(json.loads(metadata["zorki.preprocess"])) == model.preprocess
    assert json.loads(metadata["zorki.class_names"]) == ["a", "b", "c"]
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]
