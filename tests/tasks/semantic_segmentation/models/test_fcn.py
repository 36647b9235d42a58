"""FCN: the paper's numbers, the classifier inside, skips that start as nothing, and predictions where they belong."""

import copy

import pytest
import segmenter_laws as laws
import torch
from torch import nn

from zorki import registry
from zorki.errors import RecipeError
from zorki.introspection.ledger import ledger
from zorki.introspection.receptive_field import receptive_field_by_gradient
from zorki.tasks.semantic_segmentation.models.fcn_on_backbone import fcn
from zorki.weights import load_into, read_weights, save_weights

SMALL = ["fcn32s_squeezenet", "fcn16s_squeezenet", "fcn8s_squeezenet"]
OTHERS = [
    "fcn8s_resnet18", "fcn16s_mobilenet_v3_small", "fcn8s_timm:convnext_atto", "fcn8s_vgg11", "fcn32s_darknet53",
]  # fmt: skip
WIDE = ["fcn8s_vgg16", "fcn16s_alexnet", "fcn32s_alexnet"]


def meta(name, num_classes=21, **options):
    with torch.device("meta"):
        return registry.build(name, num_classes, options)


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_fcn8s_on_vgg16_has_134_million_parameters():
    """Table 1; by pencil: VGG-16's convolutions, fc6 and fc7, and per class what scores and upsamples."""
    body = 14_714_688 + (25_088 + 1) * 4096 + (4096 + 1) * 4096
    scores = 21 * (4096 + 512 + 256 + 3)
    assert count(meta("fcn8s_vgg16")) == body + scores + 2 * 21 * 21 * 4 * 4
    assert count(meta("fcn32s_vgg16")) == body + 21 * 4097
    assert round((body + scores) / 1e6) == 134
    assert round(count(meta("fcn32s_alexnet")) / 1e6) == 57  # Table 1


def test_it_predicts_at_32_16_and_8_pixels():
    for stride in (32, 16, 8):
        model = meta(f"fcn{stride}s_vgg16")
        scores = model._scores(torch.empty(1, 3, 96, 160, device="meta"))
        assert scores[-1].shape == (1, 21, 96 // stride, 160 // stride)


@pytest.mark.parametrize("name", [*SMALL, *OTHERS, *WIDE])
def test_logits_have_the_inputs_size(name):
    model = laws.built(name, **({"hidden": 32} if name in WIDE else {}))
    laws.check_odd_sizes(model, least=max(33, model.backbone.min_size))


@pytest.mark.parametrize("name", [*SMALL, *OTHERS[:3], "fcn16s_alexnet"])
def test_every_parameter_gets_a_gradient(name):
    laws.check_gradients(laws.built(name, **({"hidden": 32} if name in WIDE else {})))


@pytest.mark.parametrize("name", [*SMALL, "fcn8s_resnet18"])
def test_the_loss_falls_on_one_repeated_batch(name):
    laws.check_learning(laws.built(name))


@pytest.mark.parametrize("name", ["fcn32s_squeezenet", "fcn8s_squeezenet"])
def test_predictions_in_original_pixels_and_together_as_alone(name):
    model = laws.wake(laws.built(name))
    laws.check_together(model)
    laws.check_original_pixels(model)


def test_an_untrained_network_knows_nothing():
    model = laws.built("fcn8s_squeezenet")
    inputs, targets = laws.lesson(model, 2)
    assert float(laws.total_loss(model, inputs, targets).detach()) == pytest.approx(model.expected_loss(), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "classifier", "side"), [("fcn32s_vgg16", "vgg11", 224), ("fcn32s_alexnet", "alexnet_torchvision", 224)]
)
def test_the_hidden_layers_of_a_classifier_become_kernels(name, classifier, side, tmp_path):
    """In the middle of the map they predict what the classifier predicts for the whole image."""
    torch.manual_seed(0)
    narrow = registry.build(classifier, 5, {"hidden": 24}).eval()
    save_weights(tmp_path / "classifier.safetensors", narrow, {})
    model = registry.build(name, 3, {"hidden": 24}).eval()
    if name == "fcn32s_vgg16":
        model.backbone = copy.deepcopy(narrow.backbone)  # VGG-11 takes a tenth of VGG-16's time
    match = load_into(model, read_weights(tmp_path / "classifier.safetensors"), model.weight_map)
    assert {"head.fc6.weight", "head.fc7.bias", "backbone.features.0.weight"} <= set(match.matched)
    assert match.new == ["score.weight", "score.bias"]
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = model.backbone(pixels)[-1]
        grid = features.shape[-1]
        hidden = model.head(features)[0, :, grid // 2, grid // 2]
        wanted = narrow.head.classifier[:-1](narrow.head.pool(features).flatten(1))[0]
    assert grid == (7 if "vgg" in name else 6)
    assert float(hidden.std()) > 0
    assert torch.allclose(hidden, wanted, atol=1e-4)


@pytest.mark.parametrize(("name", "numbers"), [("fcn8s_vgg16", (0, 3)), ("fcn16s_alexnet", (1, 4))])
def test_published_names_and_shapes_of_hidden_layers_fit(name, numbers):
    """torchvision's `classifier.N` are the very values of fc6 and fc7."""
    model = laws.built(name, hidden=8)
    wide = model.head.fc6.weight[0].numel()
    first, second = torch.randn(8, wide), torch.randn(8, 8)
    published = {f"classifier.{numbers[0]}.weight": first, f"classifier.{numbers[1]}.weight": second}
    adapted = model.weight_map.adapt(published, "any.pth", model)
    for (given, value), old, layer in zip(adapted.items(), (first, second), ("fc6", "fc7"), strict=True):
        own = model.get_parameter(f"head.{layer}.weight")
        assert model.weight_map.rename(given, model) == f"head.{layer}.weight"
        assert value.shape == own.shape
        assert torch.equal(value.flatten(1), old)
    other = model.weight_map.adapt({f"classifier.{numbers[0]}.weight": first[:, :-1]}, "any.pth", model)
    assert next(iter(other.values())).shape == (8, wide - 1), "what does not fit stays, and is told as it came"
    with torch.device("meta"):
        import torchvision

        shapes = torchvision.models.vgg16() if "vgg" in name else torchvision.models.alexnet()
    full = meta(name)
    for key, value in full.weight_map.adapt(dict(shapes.named_parameters()), "any.pth", full).items():
        if not key.startswith("classifier.6"):
            assert full.get_parameter(full.weight_map.rename(key, full)).shape == value.shape


def test_a_finer_version_starts_as_the_coarser_one():
    """Skips add nothing yet. Upsampling by 2 and 16 is upsampling by 32, but where it cuts the corner at a center."""
    coarse, fine = laws.wake(laws.built("fcn32s_squeezenet")).eval(), laws.built("fcn16s_squeezenet").eval()
    match = load_into_twin(fine, coarse)
    assert sorted(match) == ["skips.0.bias", "skips.0.weight", "up.0.layer.convolution.weight"]
    inputs = torch.stack(laws.make_images(1, 192, 192))
    with torch.no_grad():
        wanted, got = coarse(inputs).main, fine(inputs).main
    # Of 32 pixels between two centers, the 8 next to each are those of another slope.
    place = (torch.arange(192) + coarse.last.offset + 0.5) / 32 - 0.5  # in the coarse map
    between = (place.frac() > 0.28) & (place.frac() < 0.72) & (place > 1) & (place < 4)
    assert int(between.sum()) > 30
    mesh = between[:, None] & between
    assert float(wanted.std()) > 1e-3
    assert torch.allclose(got[..., mesh], wanted[..., mesh], atol=0.02 * float(wanted.std()))


def load_into_twin(model, other):
    """Names that the other's weights lack."""
    own = dict(model.state_dict())
    given = {name: value for name, value in other.state_dict().items() if name in own}
    model.load_state_dict(given, strict=False)
    return [name for name, _ in model.named_parameters() if name not in given]


@pytest.mark.parametrize("name", [*SMALL, "fcn16s_vgg11", "fcn32s_alexnet", "fcn16s_resnet18"])
def test_the_prediction_at_a_pixel_is_centered_on_that_pixel(name):
    """With plain interpolation it would be a cell's half away: 16 pixels at a stride of 32."""
    model = laws.built(name, **({"hidden": 8} if "alexnet" in name else {}))
    side, at = (288, (144, 149)) if "vgg" in name else (416, (192, 201))
    found = laws.center_of_sight(model, side, at)
    for middle, pixel in zip(found, at, strict=True):
        assert middle == pytest.approx(pixel + 0.5, abs=1.0)


class Logits(nn.Module):
    """The network as gradients want it: pixels to a map."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        return self.model.maps(pixels)[0]


def test_what_a_prediction_sees_by_formula_is_what_gradients_reach():
    """The formula tells the smallest interval that moves along and holds what every pixel sees; few see all of it."""
    model = laws.built("fcn16s_squeezenet").eval()
    told = ledger(model, torch.empty(1, 3, 448, 448, dtype=torch.uint8)).receptive_field
    sizes = []
    for row in (200, 207, 214, 221):
        (top, bottom), (left, right) = receptive_field_by_gradient(Logits(model), (3, 448, 448), (row, 210))
        assert 0 < top < bottom < 448, "inside the image, or it tells less"
        sizes.append((bottom - top, right - left))
    most = max(height for height, _ in sizes)
    assert most <= told[0] == told[1] <= most + 32  # a cell of the coarsest map


def test_upsampling_is_an_argument():
    for way in ("bilinear", "nearest", "pixel_shuffle", "transposed"):
        model = laws.built("fcn8s_squeezenet", upsampling=way)
        laws.check_odd_sizes(model)
    with pytest.raises(RecipeError, match="cannot be upsampled by 'unpool'"):
        laws.built("fcn8s_squeezenet", upsampling="unpool")
    with pytest.raises(RecipeError, match="is not known"):
        laws.built("fcn8s_squeezenet", upsampling="magic")


def test_what_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match="strides of 32, 16 and 8; 4 is none"):
        fcn(3, backbone="resnet18", stride=4)
    with pytest.raises(RecipeError, match="darknet24 ends at 64"):
        laws.built("fcn8s_darknet24")
    with pytest.raises(RecipeError, match="no backbone is named 'resnet81'"):
        laws.built("fcn8s_resnet81")
