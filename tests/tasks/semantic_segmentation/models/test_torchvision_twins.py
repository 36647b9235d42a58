"""DeepLabV3 and FCN: torchvision's predictions for torchvision's weights."""

from pathlib import Path

import pytest
import segmenter_laws as laws
import torch
from torch import nn

from zorki import registry
from zorki.weights import load_into, published
from zorki.weights.read import Weights

TWINS = {
    "deeplabv3_resnet50": 21,
    "deeplabv3_resnet101": 3,
    "deeplabv3_mobilenet_v3_large": 5,
    "fcn_resnet50": 4,
    "fcn_resnet101": 3,
}


def torchvisions(name, num_classes):
    from torchvision.models import segmentation

    return getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=True)


@pytest.mark.parametrize("name", ["deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large", "fcn_resnet50"])
def test_equal_weights_give_equal_predictions(name):
    torch.manual_seed(0)
    num_classes = TWINS[name]
    network = torchvisions(name, num_classes)
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 64, 64))  # measures the norms: else the predictions hardly differ
        for head in (network.classifier, network.aux_classifier):
            nn.init.normal_(head[-1].weight, std=1.0)
    network.eval()
    model = registry.build(name, num_classes)
    state = {key: value for key, value in network.state_dict().items() if "num_batches" not in key}
    match = load_into(model, Weights(state, {}, Path("twin.pth")), model.weight_map)
    assert not match.mismatched
    assert match.unused == []
    assert [key for key in match.new if not key.startswith("normalize.")] == []
    inputs = torch.stack(laws.make_images(1, 65, 97))
    with torch.no_grad():
        pixels = model.normalize(inputs)
        wanted = network(pixels)
        got = model.eval()(inputs)
        assert float(wanted["out"].std()) > 0.1
        assert torch.allclose(got.main, wanted["out"], atol=1e-4)
        # What training reads, without what training changes.
        side = model.auxiliary_head(model.backbone(pixels)[model.auxiliary_tap])
        side = nn.functional.interpolate(side, (65, 97), mode="bilinear", align_corners=False)
        assert torch.allclose(side, wanted["aux"], atol=1e-4)


@pytest.mark.parametrize("name", TWINS)
def test_parameters_are_torchvisions(name):
    with torch.device("meta"):
        model, network = registry.build(name, 21), torchvisions(name, 21)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in network.parameters())
    model.weight_map.rename("classifier.4.weight", model)
    own = set(dict(model.named_parameters()))
    assert {model.weight_map.rename(key, model) for key in dict(network.named_parameters())} == own


@pytest.mark.parametrize("name", TWINS)
def test_published_weights_are_known_with_their_classes(name):
    words = {one.word: one for one in published(registry.find(name).weights)}
    assert set(words) == {"coco", "imagenet"}
    assert words["coco"].url.startswith("https://download.pytorch.org/models/" + name)


@pytest.mark.parametrize("name", ["fcn_resnet50", "deeplabv3_mobilenet_v3_large"])
def test_imagenet_weights_fill_the_backbone(name):
    from torchvision import models

    with torch.device("meta"):
        network = models.resnet50() if "resnet" in name else models.mobilenet_v3_large()
        model = registry.build(name, 21)
    names = {model.weight_map.rename(key, model) for key in dict(network.named_parameters())}
    assert {key for key in dict(model.named_parameters()) if key.startswith("backbone.")} <= names


@pytest.mark.parametrize("name", ["deeplabv3_mobilenet_v3_large"])
def test_a_twin_learns_and_predicts_in_original_pixels(name):
    model = laws.built(name, shorter=40, longest=80)
    laws.check_gradients(model)
    laws.check_original_pixels(model)
    laws.check_learning(laws.built(name, shorter=40, longest=80), count=3)
