"""PSPNet: the paper's variants and numbers, the pyramid by a slow twin."""

import pytest
import segmenter_laws as laws
import torch
from torch import nn
from torch.nn import functional

from zorki import registry
from zorki.errors import RecipeError
from zorki.tasks.semantic_segmentation.models.pspnet import PyramidPooling

SMALL = ["pspnet_squeezenet", "pspnet_resnet18"]
OTHERS = ["pspnet_mobilenet_v3_small", "pspnet_timm:resnet10t", "pspnet_vgg11"]


def count(module):
    return sum(p.numel() for p in module.parameters())


def meta(name, num_classes=150, **options):
    with torch.device("meta"):
        return registry.build(name, num_classes, options)


def test_parameters_of_pspnet50_by_pencil():
    """ADE20K's 150 classes: 46.7 million are published for networks of this shape, without the auxiliary head."""
    model = meta("pspnet_resnet50")
    resnet = 23_508_032
    pyramid = 4 * (2048 * 512 + 2 * 512)
    last = (4096 * 512 * 9 + 2 * 512) + (512 + 1) * 150
    side = (1024 * 256 * 9 + 2 * 256) + (256 + 1) * 150
    assert count(model) == resnet + pyramid + last + side
    assert count(model) - count(model.auxiliary_head) == 46_658_774


@pytest.mark.parametrize("name", ["pspnet_squeezenet", "deeplabv3_squeezenet"])
def test_images_narrower_than_the_pools(name):
    torch.manual_seed(0)
    model = registry.build(name, 3, {"image_size": 64})
    inputs, placements = model.preprocess([torch.randint(0, 256, (3, 2, 100), dtype=torch.uint8)])
    assert inputs.shape[2] < model.backbone.min_size
    assert model.eval().decode(model(inputs), placements)[0].classes.shape == (2, 100)
    outputs = model.train()(torch.cat([inputs, inputs]))
    assert [logits.shape for logits in (outputs.main, *outputs.auxiliary)] == 2 * [(2, 3, *inputs.shape[2:])]


def test_the_last_map_is_an_eighth_and_keeps_its_channels():
    model = meta("pspnet_resnet50")
    maps = model.backbone(torch.empty(1, 3, 473, 473, device="meta"))
    assert maps[-1].shape == (1, 2048, 60, 60)
    assert model.head[0](maps[-1]).shape == (1, 4096, 60, 60)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("reduce", [True, False])
def test_the_pyramid_is_what_its_metric_shows(pooling, reduce):
    """A slow twin: each bin from its floor to its ceiling, one by one."""
    torch.manual_seed(0)
    pyramid = PyramidPooling(8, (1, 3), pooling=pooling, reduce=reduce).eval()
    x = torch.rand(1, 8, 7, 10)
    parts = [x]
    for level, bins in zip(pyramid.levels, (1, 3), strict=True):
        pooled = torch.zeros(1, 8, bins, bins)
        for i in range(bins):
            for j in range(bins):
                rows = slice(i * 7 // bins, -(-(i + 1) * 7 // bins))
                columns = slice(j * 10 // bins, -(-(j + 1) * 10 // bins))
                cell = x[:, :, rows, columns].flatten(2)
                pooled[:, :, i, j] = cell.mean(2) if pooling == "average" else cell.amax(2)
        if reduce:
            weight, norm = level[1].weight[:, :, 0, 0], level[2]
            pooled = torch.einsum("oc,bcij->boij", weight, pooled) / (1 + norm.eps) ** 0.5
            pooled = pooled.relu()
        parts.append(functional.interpolate(pooled, (7, 10), mode="bilinear", align_corners=False))
    with torch.no_grad():
        assert torch.allclose(pyramid(x), torch.cat(parts, 1), atol=1e-5)
    assert pyramid.channels == (8 + 2 * 4 if reduce else 3 * 8)


def test_without_bins_it_is_the_same_network_without_its_pyramid():
    with_, without = meta("pspnet_resnet18"), meta("pspnet_resnet18", bins="()")
    assert isinstance(without.head[0], PyramidPooling)
    assert not without.head[0].levels
    assert [type(part) for part in with_.head] == [type(part) for part in without.head]
    gone = {name for name, _ in with_.named_parameters()} - {name for name, _ in without.named_parameters()}
    assert gone
    assert all(name.startswith("head.0.levels.") for name in gone)
    x = torch.rand(2, 4, 5, 5)
    assert torch.equal(PyramidPooling(4, ())(x), x)


@pytest.mark.parametrize("name", [*SMALL, *OTHERS])
def test_logits_have_the_inputs_size(name):
    laws.check_odd_sizes(laws.built(name))


@pytest.mark.parametrize(
    "options", [{}, {"bins": ()}, {"pooling": "max"}, {"reduce": False, "bins": (1,)}, {"output_stride": 16}]
)
def test_every_parameter_gets_a_gradient(options):
    laws.check_gradients(laws.built("pspnet_squeezenet", **options))


@pytest.mark.parametrize("name", ["pspnet_resnet18", *OTHERS])
def test_every_parameter_gets_a_gradient_on_other_backbones(name):
    laws.check_gradients(laws.built(name))


@pytest.mark.parametrize("name", SMALL)
def test_the_loss_falls_on_one_repeated_batch(name):
    laws.check_learning(laws.built(name))


@pytest.mark.parametrize("name", SMALL)
def test_predictions_in_original_pixels_and_together_as_alone(name):
    model = laws.built(name)
    laws.check_together(model)
    laws.check_original_pixels(model)


def test_the_auxiliary_loss_counts_two_fifths_and_only_in_training():
    model = laws.built("pspnet_resnet18").train()
    inputs, targets = laws.lesson(model, 2)
    outputs = model(inputs)
    assert [side.shape for side in outputs.auxiliary] == [outputs.main.shape]
    losses = model.loss(outputs, targets)
    (side,) = outputs.auxiliary
    alone = model.loss(type(outputs)(side), targets)["cross_entropy"]
    assert float(losses["auxiliary"].detach()) == pytest.approx(0.4 * float(alone.detach()), rel=1e-5)
    assert model.eval()(inputs).auxiliary == []
    assert laws.built("pspnet_timm:resnet10t", auxiliary=0.0).auxiliary_head is None


def test_a_batch_of_one_image_trains():
    """The pool to one bin leaves batch norm a single number a channel."""
    model = laws.built("pspnet_resnet18").train()
    inputs, targets = laws.lesson(model, 1)
    loss = laws.total_loss(model, inputs, targets)
    loss.backward()
    assert bool(loss.isfinite())


@pytest.mark.parametrize("name", SMALL)
def test_the_prediction_at_a_pixel_is_centered_on_that_pixel(name):
    """Without the pyramid, whose bins see everything."""
    found = laws.center_of_sight(laws.built(name, bins=()), 256, (128, 131))
    assert found == (pytest.approx(128.5, abs=1.0), pytest.approx(131.5, abs=1.0))


def test_what_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match=r"cannot pool by 'maximum'\. Did you mean max\? There are: average, max"):
        laws.built("pspnet_squeezenet", pooling="maximum")
    with pytest.raises(RecipeError, match=r"whole numbers of at least 1 \(1,2,3,6\); got \(1, 0\)"):
        laws.built("pspnet_squeezenet", bins="1,0")
    with pytest.raises(RecipeError, match=r"pspnet_squeezenet's bins is 'one'; expected something like \(1, 2, 3, 6\)"):
        laws.built("pspnet_squeezenet", bins="one")
    with pytest.raises(RecipeError, match="an output stride of 32"):
        laws.built("pspnet_squeezenet", output_stride=32)
    assert isinstance(laws.built("pspnet_squeezenet", bins="6").head[0].levels[0][0], nn.AdaptiveAvgPool2d)
