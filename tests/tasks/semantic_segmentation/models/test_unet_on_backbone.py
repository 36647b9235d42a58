from pathlib import Path

import pytest
import torch
from segmenter_fields import by_gradient, by_rules

from zorki import registry
from zorki.errors import RecipeError
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.layers.initialize import without_values
from zorki.tasks.semantic_segmentation.models.unet_on_backbone import BackboneUNet, unet_on_backbone
from zorki.weights import Weights, load_into


def test_parameters_of_the_usual_structure():
    """ResNet-18 without its classifier has 11,176,512; for the decoder see its own test; then 16 -> K by 3x3."""
    with without_values():
        model = unet_on_backbone(11, backbone="resnet18")
    assert sum(p.numel() for p in model.backbone.parameters()) == 11_176_512
    assert sum(p.numel() for p in model.parameters()) == 11_176_512 + 3_151_552 + 9 * 16 * 11 + 11 == 14_329_659


def own_of(model):
    """The names of the backbone's values, but for counts of batches."""
    return {key for key in model.state_dict() if key.startswith("backbone.") and "num_batches" not in key}


@pytest.mark.parametrize("name", ["resnet18", "squeezenet", "mobilenet_v3_large"])
def test_published_weights_of_the_backbone_fit(name):
    import torchvision

    published = {"squeezenet": "squeezenet1_0"}.get(name, name)
    state = getattr(torchvision.models, published)(weights=None).state_dict()
    model = registry.build(f"unet_{name}", 4)
    assert registry.find(f"unet_{name}").weights["imagenet"].startswith("torchvision:")
    match = load_into(model, Weights(state, {}, Path("published.pth")), model.weight_map)
    assert own_of(model) <= set(match.matched)
    first = next(iter(state.values()))
    assert torch.equal(next(iter(model.backbone.state_dict().values())), first)


def test_published_weights_of_timm_fit():
    import timm

    state = timm.create_model("resnet10t", pretrained=False).state_dict()
    model = registry.build("unet_timm:resnet10t", 4)
    assert registry.find("unet_timm:resnet10t").weights == {"imagenet": "timm:resnet10t"}
    match = load_into(model, Weights(state, {}, Path("published.pth")), model.weight_map)
    assert own_of(model) <= set(match.matched)


def test_odd_sizes_are_continued_by_the_mean_color_and_cut_back():
    torch.manual_seed(0)
    model = unet_on_backbone(3, backbone="resnet18").eval()
    pixels = torch.randn(1, 3, 50, 70)
    padded = torch.zeros(1, 3, 64, 96)
    padded[:, :, :50, :70] = pixels
    with torch.no_grad():
        assert torch.allclose(model.maps(pixels)[0], model.maps(padded)[0][:, :, :50, :70], atol=1e-5)


@pytest.mark.parametrize("finest", [2, 4])
def test_the_decoder_may_stop_early(finest):
    torch.manual_seed(0)
    model = unet_on_backbone(3, backbone="resnet18", finest=finest).eval()
    pixels = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        logits = model.maps(pixels)[0]
        assert logits.shape == (1, 3, 64 // finest, 96 // finest)
        cut = model.maps(pixels[:, :, :50, :70])[0]
        assert cut.shape == (1, 3, 50, 70), "cut to the image behind enlarging, so that it lies on it"
    assert sum(p.numel() for p in model.decoder.parameters()) < sum(
        p.numel() for p in unet_on_backbone(3, backbone="resnet18").decoder.parameters()
    )


def test_squeezenets_maps_halve_exactly():
    """Without a padding its first convolution would make 29 of 64, and the maps would lie beside the image."""
    for name, strides in (("squeezenet", (2, 4, 8, 16)), ("squeezenet1_1", (2, 4, 8, 16))):
        model = registry.build(f"unet_{name}", 2).eval()
        with torch.no_grad():
            maps = model.backbone(torch.zeros(1, 3, 64, 96))
        assert [m.shape[2:] for m in maps] == [(64 // s, 96 // s) for s in strides]


class Half(ResNet):
    """ResNet-18 down to stride 4."""

    strides = (2, 4)

    def __init__(self):
        super().__init__(18)
        self.layer2 = self.layer3 = self.layer4 = torch.nn.Identity()
        self.channels = (64, 64)

    def forward(self, x):
        return super().forward(x)[:2]


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear", "transposed"])
def test_receptive_fields_by_rules_and_by_gradients(upsampling):
    """On a small one that can be walked pixel by pixel."""
    backbone = Half()
    settings = {"preprocess": unet_on_backbone(1, backbone="resnet18").preprocess}
    decoder = {"widths": (4, 2), "upsampling": upsampling}
    model = BackboneUNet(backbone, num_classes=1, decoder=decoder, settings=settings)
    assert by_rules(model, 160, 160) == by_gradient(model, 160, 160, 4)


@pytest.mark.parametrize(
    ("name", "span", "extremes"),
    [("unet_resnet18", (-311, 281), (1, 30)), ("unet_squeezenet", (-109, 123), (1, 14))],
)
def test_real_ones_see_what_the_rules_say(name, span, extremes):
    """On a strip; the pixels that see furthest up and down, counted from a multiple of the deepest stride."""
    model = registry.build(name, 1)
    assert by_rules(model, 1344, 32)[0] == by_gradient(model, 1344, 32, extremes)[0] == span


def test_unknown_backbones_are_refused():
    with pytest.raises(RecipeError, match="Did you mean resnet18"):
        registry.find("unet_resnet81")
    with pytest.raises(RecipeError, match="finest is 32"):
        unet_on_backbone(2, backbone="resnet18", finest=32)
