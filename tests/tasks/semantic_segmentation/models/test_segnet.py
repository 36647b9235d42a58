from pathlib import Path

import torch
from segmenter_fields import by_gradient, by_rules
from torch.nn import functional

from zorki.introspection.ledger import ledger
from zorki.nn.layers.initialize import without_values
from zorki.tasks.semantic_segmentation.models.segnet import segnet_basic, segnet_vgg16
from zorki.weights import Weights, load_into


def test_parameters_of_vgg16():
    """29.45 million (Badrinarayanan et al., Table 2) with 11 classes.

    VGG's thirteen convolutions: 14,710,464 weights, and their mirror image as many, but for 3 * 64 * 9 of the first,
    which is 64 * 11 * 9 in the last. Biases of 4,224 and 11 channels, norms of 4,224 and 3,712.
    """
    with without_values():
        model = segnet_vgg16(11)
    weights = 14_710_464 + 14_710_464 - 3 * 64 * 9 + 64 * 11 * 9
    assert sum(p.numel() for p in model.parameters()) == weights + 4_224 + 11 + 2 * (4_224 + 3_712) == 29_445_643


def test_the_deepest_maps_of_segnet_basic_see_106_pixels():
    """Section 3.3."""
    with without_values():
        rows = ledger(segnet_basic(11), torch.empty(1, 3, 256, 256, dtype=torch.uint8)).rows
    deepest = [row for row in rows if row.name.startswith("backbone.")][-1]
    assert deepest.receptive_field[0] == 98, "of the last convolution, in front of the pool's 8 pixels"


def test_values_go_back_to_their_maxima():
    """Written out once more: each pool's places, and its inverse with them."""
    torch.manual_seed(0)
    model = segnet_basic(3).eval()
    x = torch.randn(1, 3, 37, 52)
    with torch.no_grad():
        down, sizes, places = x, [], []
        for stage in model.backbone_stages():
            for layer in list(stage)[:3]:
                down = layer(down)
            sizes.append(down.shape)
            down, place = functional.max_pool2d(down, 2, return_indices=True)
            places.append(place)
        for group in model.groups:
            size, place = sizes.pop(), places.pop()
            flat = torch.zeros(*size[:2], size[2] * size[3])
            flat.scatter_(2, place.flatten(2), down.flatten(2))
            down = group(flat.view(size))
        assert torch.allclose(model.maps(x)[0], model.output(down), atol=1e-5)


def test_published_weights_of_vgg_fit():
    import torchvision

    with without_values():
        state = torchvision.models.vgg16_bn(weights=None).state_dict()
    state = {key: torch.ones(v.shape, dtype=v.dtype) for key, v in state.items() if key.startswith("features")}
    model = segnet_vgg16(4)
    match = load_into(model, Weights(state, {}, Path("published.pth")), model.weight_map)
    assert {key for key in model.state_dict() if key.startswith("backbone.") and "num_batches" not in key} <= set(
        match.matched
    )


def test_receptive_fields_by_rules_and_by_gradients():
    """With nearest pixels in place of unpooling, which gradients cannot follow; both reach over the same windows."""
    model = segnet_basic(1, width=1, upsampling="nearest")
    rows = by_rules(model, 480, 32)[0]
    assert rows == by_gradient(model, 480, 32, 16)[0]
    assert rows == by_rules(segnet_basic(1, width=1), 480, 32)[0]
