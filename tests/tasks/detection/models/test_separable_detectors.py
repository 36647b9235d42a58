"""What detectors with depthwise-separable necks and heads keep alike."""

import pytest
import torch
from tiny_backbone import tiny_squeezenet

from zorki import registry
from zorki.introspection.ledger import ledger
from zorki.nn.layers.initialize import without_values
from zorki.types import Boxes

METHODS = ["ssd", "fcos", "yolo3"]
OPTIONS = {"fcos": {"channels": 32, "depth": 2}, "yolo3": {"widths": (8, 16, 32)}}
TARGETS = [
    Boxes(torch.tensor([[8.0, 6, 40, 30], [50, 20, 80, 60]]), torch.tensor([0, 2])),
    Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
]


@pytest.fixture(autouse=True)
def _small_backbone(monkeypatch):
    tiny_squeezenet(monkeypatch)


def built(method, **options):
    torch.manual_seed(0)
    settings = {"image_size": 96, "separable": True, **OPTIONS.get(method, {}), **options}
    return registry.build(f"{method}_squeezenet", 3, settings)


def make_images(*sizes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes]


def multiply_adds(name, **options):
    with without_values():
        model = registry.build(name, 80, {"image_size": 320, **options}).eval()
    return ledger(model, torch.empty(1, 3, 320, 320, dtype=torch.uint8, device="meta")).macs


@pytest.mark.parametrize("method", METHODS)
def test_presets_stay_below_a_giga_multiply_add_and_what_was_full_can_be_had(method):
    name = f"{method}_mobilenet_v3_small"
    small, full = multiply_adds(name), multiply_adds(name, separable=False)
    assert small < 5e8
    assert full > 1.5 * small


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [1, 2])
def test_every_parameter_gets_a_gradient_from_one_image_too(method, count):
    model = built(method).train()
    inputs, _ = model.preprocess(make_images((70, 96), (70, 96))[:count])
    loss = torch.stack(list(model.loss(model(inputs), TARGETS[:count]).values())).sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("method", METHODS)
def test_all_wide_convolutions_behind_the_backbone_are_depthwise(method):
    model = built(method)
    wide = [
        layer
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Conv2d) and not name.startswith("backbone.") and layer.kernel_size != (1, 1)
    ]
    assert wide
    assert all(layer.groups == layer.in_channels for layer in wide)


def test_levels_share_convolutions_and_have_norms_of_their_own():
    model = built("fcos")
    maps = [torch.randn(2, 32, 6, 6), torch.full((2, 32, 3, 3), 5.0) + torch.randn(2, 32, 3, 3)]
    tower = model.class_tower
    tower.norms = tower.norms[:2]
    tower.train().levels(maps)
    means = [norms[0].running_mean for norms in tower.norms]
    assert not torch.allclose(*means, atol=0.1)
    alone = tower.eval().levels(maps)
    tower.norms = torch.nn.ModuleList(reversed(list(tower.norms)))
    torch.testing.assert_close(tower.levels(maps[::-1]), alone[::-1])
