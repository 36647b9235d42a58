"""Networks for films against their papers, and torchvision's."""

from itertools import pairwise

import pytest
import torch

from zorki import registry
from zorki.engine.export.onnx_file import export_onnx
from zorki.types import ClassInfo, FrameAndFlow, Label
from zorki.weights.weight_map import renamed


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_c3d_is_its_papers():
    """Convolutions 3 x 3 x 3, fc6 on 512 x 1 x 4 x 4, two layers of 4096: counted from figure 3."""
    with torch.device("meta"):
        model = registry.build("c3d", 487, {})
    filters = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    convolutions = sum(a * b * 27 + b for a, b in pairwise(filters))
    hidden = 8192 * 4096 + 4096 + 4096 * 4096 + 4096
    assert parameters(model) == convolutions + hidden + 4096 * 487 + 487
    maps = model.trunk(torch.empty((1, 3, 16, 112, 112), device="meta"))
    assert maps.shape == (1, 512, 1, 4, 4)


@pytest.mark.parametrize(
    ("name", "count"), [("r3d_18", 33_371_472), ("mc3_18", 11_695_440), ("r2plus1d_18", 31_505_325)]
)
def test_resnets_are_torchvisions(name, count):
    from torchvision.models import video

    published = getattr(video, name)(weights=None).eval()
    model = registry.build(name, 400, {"image_size": 32, "frames": 4}).eval()
    assert parameters(model) == count == parameters(published)
    named = {renamed(key, model.weight_map.prefixes): value for key, value in published.state_dict().items()}
    own = {key for key in model.state_dict() if not key.startswith("normalize.")}
    assert set(named) == own
    model.load_state_dict(named, strict=False)
    clips = torch.randint(0, 256, (1, 4, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        frames = model.normalize(clips[0]).transpose(0, 1)[None]
        torch.testing.assert_close(model(clips).clips[:, 0], published(frames), atol=1e-4, rtol=1e-4)


def test_x3d_is_its_papers():
    """3.8 million weights (table 4), and the spatial sizes of table 1."""
    with torch.device("meta"):
        model = registry.build("x3d_xs", 400, {})
    assert parameters(model) == 3_794_274, "as PyTorchVideo's"
    x = torch.empty((1, 3, 4, 160, 160), device="meta")
    shapes = []
    for stage in model.trunk:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(24, 4, 80, 80), (24, 4, 40, 40), (48, 4, 20, 20), (96, 4, 10, 10), (192, 4, 5, 5)]


def published_name(name):
    """What PyTorchVideo calls one of ours, written from its list of names."""
    stem = {
        "trunk.0.0.": "blocks.0.conv.conv_t.",
        "trunk.0.1.": "blocks.0.conv.conv_xy.",
        "trunk.0.2.": "blocks.0.norm.",
    }
    for ours, theirs in stem.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    if name.startswith("head.proj."):
        return f"blocks.5.{name.removeprefix('head.')}"
    if name.startswith("head."):
        return f"blocks.5.pool.{name.removeprefix('head.')}"
    _, stage, block, rest = name.split(".", 3)
    shortcut = {"shortcut.0.": "branch1_conv.", "shortcut.1.": "branch1_norm."}
    for ours, theirs in shortcut.items():
        if rest.startswith(ours):
            return f"blocks.{stage}.res_blocks.{block}.{theirs}{rest.removeprefix(ours)}"
    return f"blocks.{stage}.res_blocks.{block}.branch2.{rest}"


def test_pytorchvideos_names_are_x3ds():
    with torch.device("meta"):
        model = registry.build("x3d_xs", 400, {})
    own = [name for name in model.state_dict() if not name.startswith("normalize.")]
    assert [model.weight_map.rename(published_name(name), model) for name in own] == own
    assert (
        published_name("trunk.1.0.norm_b.1.block.0.weight") == "blocks.1.res_blocks.0.branch2.norm_b.1.block.0.weight"
    )


def test_weights_of_images_serve_both_streams():
    model = registry.build("two_stream_resnet18", 3, {"image_size": 32, "frames": 4})
    published = {"conv1.weight": torch.rand(64, 3, 7, 7), "bn1.weight": torch.rand(64)}
    given = model.weight_map.adapt(published, "a.pth", model)
    own = {model.weight_map.rename(name, model): value for name, value in given.items()}
    assert set(own) == {f"{stream}.{name}" for stream in ("backbone", "flow_backbone") for name in published}
    flow = own["flow_backbone.conv1.weight"]
    assert flow.shape == model.flow_backbone.conv1.weight.shape == (64, 6, 7, 7)
    assert torch.allclose(flow[:, 2], published["conv1.weight"].mean(1))


def test_two_streams_are_averaged():
    model = registry.build("two_stream_squeezenet", 3, {"image_size": 32, "frames": 3}).eval()
    inputs = FrameAndFlow(
        torch.randint(0, 256, (2, 2, 3, 32, 32), dtype=torch.uint8),
        torch.randint(0, 256, (2, 2, 4, 32, 32), dtype=torch.uint8),
    )
    with torch.no_grad():
        outputs = model(inputs)
    mean = (outputs.spatial.softmax(2) + outputs.temporal.softmax(2)) / 2
    assert torch.allclose(outputs.clips.exp(), mean, atol=1e-5)
    losses = model.loss(outputs, [Label(0), Label(2)])
    assert set(losses) == {"spatial", "temporal"}
    assert len(model.backbone_stages()) == len(model.backbone.stages())


def test_a_volume_is_exported_as_it_is(tmp_path):
    """Of frames whose maps ONNX Runtime would pool to another size behind the last row."""
    onnxruntime = pytest.importorskip("onnxruntime")
    model = registry.build("c3d_small", 3, {"image_size": 112, "frames": 4, "width": 2, "hidden": 8}).eval()
    torch.nn.init.normal_(model.head.fc8.weight)
    path = export_onnx(model, tmp_path / "model.onnx", 112, 112, ClassInfo(("a", "b", "c")))
    clip = torch.randint(0, 256, (1, 4, 3, 112, 112), dtype=torch.uint8)
    with torch.no_grad():
        expected = model(clip).clips[:, 0].softmax(1)
    found = onnxruntime.InferenceSession(str(path)).run(None, {"images": clip.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_the_last_pooling_of_c3d_is_padded_as_its_papers(side):
    pool = registry.build("c3d_small", 3, {}).trunk[-1][-2:]
    maps = torch.randn(1, 2, 1, side, side).relu()
    assert torch.equal(pool(maps), torch.nn.MaxPool3d(2, 2, padding=(0, 1, 1), ceil_mode=True)(maps))
