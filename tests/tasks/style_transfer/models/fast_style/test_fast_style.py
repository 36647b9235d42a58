"""The network for one style: its shape, its losses, what is learned, ONNX of any size."""

import json

import pytest
import torch

from zorki import registry
from zorki.data.strokes import paint_strokes
from zorki.engine.export.onnx_file import export_onnx
from zorki.engine.run.open import load
from zorki.engine.training.initial_weights import _frozen_random
from zorki.engine.training.train import train
from zorki.errors import RecipeError
from zorki.tasks.style_transfer.models.fast_style.residual_network import ResidualTransform
from zorki.types import ClassInfo
from zorki.types.stylization import StyleImage

OPTIONS = {"width": 4, "content_layers": "relu1", "style_layers": "relu1,fire2"}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return registry.build("fast_style_squeezenet", 1, OPTIONS)


def make_images(*sizes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes]


def test_the_papers_network_has_its_shapes():
    """Table 1 of the supplementary material: 336 padded, 84 at a quarter, 64 behind the blocks."""
    network = ResidualTransform(norm="batch", nearest=False).to("meta")
    x = torch.zeros((1, 3, 256, 256), device="meta")
    padded = torch.zeros((1, 3, 336, 336), device="meta")
    assert network.down(padded).shape == (1, 128, 84, 84)
    assert network.blocks(network.down(padded)).shape == (1, 128, 64, 64)
    assert network(x).shape == x.shape
    convolutions = sum(p.numel() for p in network.parameters() if p.ndim == 4)
    assert convolutions == 2 * 3 * 32 * 81 + 2 * (32 * 64 + 64 * 128) * 9 + 10 * 128 * 128 * 9


@pytest.mark.parametrize("size", [(41, 64), (50, 43)])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_any_size_comes_back(size, norm):
    network = ResidualTransform(norm=norm, width=4).eval()
    with torch.inference_mode():
        pixels = network(torch.rand(1, 3, *size) * 255)
    assert pixels.shape[2:] == size
    assert 0 <= float(pixels.min()) <= float(pixels.max()) <= 255


def test_too_small_images_and_unknown_norms_are_refused(model):
    inputs, _ = model.preprocess(make_images((30, 60)))
    with pytest.raises(RecipeError, match="an image of 30x60 pixels is too small: expected at least 41"):
        model(inputs)
    with pytest.raises(RecipeError, match="norm is 'layer'"):
        ResidualTransform(norm="layer")


def test_images_of_a_batch_are_answered_as_one_by_one(model):
    model.eval()
    images = make_images((48, 64), (70, 45))
    with torch.inference_mode():
        inputs, placements = model.preprocess(images)
        together = model.decode(model(inputs), placements)
        for image, answer in zip(images, together, strict=True):
            one, placement = model.preprocess([image])
            alone = model.decode(model(one), placement)[0]
            assert answer.image.shape == image.shape
            assert int((answer.image.int() - alone.image.int()).abs().max()) <= 1


def test_large_images_come_back_in_their_own_size():
    model = registry.build("fast_style_squeezenet", 1, OPTIONS | {"image_size": 64}).eval()
    inputs, placements = model.preprocess(make_images((100, 128)))
    assert inputs.images.shape[2:] == (50, 64)
    with torch.inference_mode():
        assert model.decode(model(inputs), placements)[0].image.shape == (3, 100, 128)


def test_losses_begin_at_their_weights_and_fall(model):
    contents = torch.stack(make_images((48, 48), (48, 48)))
    settings = {"size": 64, "strength": 0.6, "smoothness": 0.1}
    model.take_style([StyleImage(paint_strokes(64))], contents, **settings)
    unchanged = model(contents)
    unchanged.images = contents.float()
    with torch.no_grad():
        losses = model.loss(unchanged, [])
    assert float(losses["content"]) == pytest.approx(0.0, abs=1e-6)
    assert float(losses["style"]) == pytest.approx(0.6, rel=1e-4)
    assert float(losses["smoothness"]) == pytest.approx(0.1, rel=1e-4)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 5e-3)
    totals = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = torch.stack(list(model.loss(model(contents), []).values())).sum()
        loss.backward()
        optimizer.step()
        totals.append(float(loss.detach()))
    assert totals[-1] < 0.9 * totals[0]
    assert all(p.grad is None for p in model.perceptual.parameters())


def test_trained_saved_opened_exported(tmp_path):
    run = train(
        "fast_style_squeezenet", "scenes:30@48", style="scenes:strokes", train_size=48, style_size=64, epochs=1,
        batch_size=4, limit=4, limit_val=2, workers=0, device="cpu", precision="32", out=str(tmp_path), quiet=True,
        options={name: str(value) for name, value in OPTIONS.items()},
    )  # fmt: skip
    again = load(run.folder)
    assert float(again.model.grams["relu1"].abs().sum()) > 0
    assert torch.equal(again.model.scales, run.model.scales)
    results = json.loads((run.folder / "results.json").read_text())
    assert set(results["test"]["losses"]) == {"content", "style", "smoothness"}
    pytest.importorskip("onnxscript")
    path = export_onnx(again.model, tmp_path / "style.onnx", 64, 64, ClassInfo(("image",)))
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in ((64, 64), (50, 93)):
        (image,) = make_images(size)
        (found,) = session.run(None, {"images": image[None].numpy()})
        with torch.inference_mode():
            eager = again.model(image[None]).images.round()
        assert found.shape == (1, 3, *size)
        assert int((torch.from_numpy(found).int() - eager.int()).abs().max()) <= 1


def test_a_style_is_needed(tmp_path):
    with pytest.raises(RecipeError, match="no style is given: say --style IMAGE"):
        train("fast_style_squeezenet", "scenes:30@48", out=str(tmp_path), quiet=True, device="cpu", batch_size=2)


def test_what_the_style_fills_does_not_count_as_random(model):
    filled = {name for name, _ in model.named_parameters() if name.startswith("perceptual.")}
    assert not _frozen_random(model, "nothing", filled)
    assert _frozen_random(model, "nothing", set()), "features without weights do"
