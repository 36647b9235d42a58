"""Networks for films against their papers, and torchvision's."""

from itertools import pairwise

import pytest
import torch

from zorki import registry
from zorki.types import FrameAndFlow, Label
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
    assert parameters(model) == 3_794_322
    x = torch.empty((1, 3, 4, 160, 160), device="meta")
    shapes = []
    for stage in model.trunk:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(24, 4, 80, 80), (24, 4, 40, 40), (48, 4, 20, 20), (96, 4, 10, 10), (192, 4, 5, 5)]


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
