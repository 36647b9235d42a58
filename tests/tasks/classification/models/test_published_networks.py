"""Our networks against torchvision's with the same weights, and against the parameter counts of papers."""

import math

import pytest
import torch
from torch import nn
from torchvision import models as torchvision

from zorki import registry
from zorki.data.preprocess.pad import Pad
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.errors import RecipeError

STATISTICS = {"normalize.mean", "normalize.std"}


def fill(network: nn.Module) -> nn.Module:
    """Real weights for a network from the meta device, drawn quickly: 130 million Gaussians take seconds."""
    network = network.to_empty(device="cpu")
    some = torch.randn(10007, generator=torch.Generator().manual_seed(0))
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            values = some.repeat(tensor.numel() // len(some) + 1)[: tensor.numel()].view(tensor.shape)
            if tensor.ndim > 1:
                tensor.copy_(values * math.sqrt(2 / max(1, tensor[0].numel())))
            else:
                tensor.copy_(values.abs() + 0.5 if "var" in name or "weight" in name else 0.1 * values)
        else:
            tensor.zero_()
    return network.eval()


PAIRS = [
    ("resnet18", "resnet18", 64),
    ("resnet50", "resnet50", 64),
    ("squeezenet1_0", "squeezenet1_0", 64),
    ("squeezenet1_1", "squeezenet1_1", 65),
    ("vgg11", "vgg11", 40),
    ("alexnet_torchvision", "alexnet", 96),
    ("mobilenet_v3_small", "mobilenet_v3_small", 64),
    ("mobilenet_v3_large", "mobilenet_v3_large", 64),
    ("googlenet", "googlenet", 64),
    ("vit_b_32", "vit_b_32", 224),
]


@pytest.mark.parametrize(("ours", "theirs", "size"), PAIRS)
def test_logits_are_torchvision_s_for_the_same_weights(ours, theirs, size):
    settings = {"init_weights": False} if theirs == "googlenet" else {}
    with torch.device("meta"):
        reference = getattr(torchvision, theirs)(weights=None, num_classes=7, **settings)
        model = registry.find(ours).build(7).eval()
    fill(reference)
    weights = {model.weight_map.rename(name, model): value for name, value in reference.state_dict().items()}
    assert set(model.state_dict()) - set(weights) == STATISTICS
    weights["normalize.mean"], weights["normalize.std"] = torch.full((3, 1, 1), 0.4), torch.full((3, 1, 1), 0.2)
    model.load_state_dict(weights, assign=True)  # strict: nothing is left over
    x = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    with torch.inference_mode():
        expected = reference(model.normalize(x))
        assert torch.allclose(model(x).main, expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 1e-3  # weights that let a signal through: else all would be equal


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("vgg16", "vgg16"), ("vgg16_bn", "vgg16_bn"), ("vgg19", "vgg19"), ("vgg13", "vgg13"), ("vit_l_16", "vit_l_16")],
)
def test_every_published_weight_has_its_place(ours, theirs):
    with torch.device("meta"):
        reference = getattr(torchvision, theirs)(weights=None)
        model = registry.find(ours).build(1000)
    shapes = {model.weight_map.rename(name, model): value.shape for name, value in reference.state_dict().items()}
    own = {name: value.shape for name, value in model.state_dict().items() if name not in STATISTICS}
    assert shapes == own


def test_older_names_of_vit_weights():
    with torch.device("meta"):
        model = registry.find("vit_b_32").build(10)
    old = "encoder.layers.encoder_layer_11.mlp.linear_2.bias"
    assert model.weight_map.rename(old, model) == "backbone.blocks.11.mlp.3.bias"
    assert model.weight_map.rename(old, model) in model.state_dict()


def test_names_of_the_cifar_weights_that_are_published():
    model = registry.find("cifar_resnet20").build(10)
    for name, ours in {
        "conv1.weight": "backbone.conv1.weight",
        "layer3.2.bn2.running_var": "backbone.layer3.2.bn2.running_var",
        "linear.bias": "head.fc.bias",
    }.items():
        assert model.weight_map.rename(name, model) == ours
        assert ours in model.state_dict()


COUNTS = {
    # of the papers
    "vgg16": 138_357_544,
    # torchvision's documentation
    "alexnet_torchvision": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg_b": 133_047_848,
    "vgg19": 143_667_240,
    "vgg16_bn": 138_365_992,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "mobilenet_v3_small": 2_542_856,
    "mobilenet_v3_large": 5_483_032,
    "vit_b_16": 86_567_656,
    "vit_b_32": 88_224_232,
    "vit_l_16": 304_326_632,
    # 96 (3 11 11 + 1) + 256 (48 25 + 1) + 384 (256 9 + 1) + 384 (192 9 + 1) + 256 (192 9 + 1)
    # + 4096 (256 36 + 1) + 4096 (4096 + 1) + 1000 (4096 + 1): "60 million" in the paper
    "alexnet": 60_965_224,
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters(name):
    with torch.device("meta"):
        model = registry.find(name).build(1000)
    assert sum(parameter.numel() for parameter in model.parameters()) == COUNTS[name]


@pytest.mark.parametrize(
    ("name", "classes", "count"),
    [
        ("cifar_resnet20", 10, 269_722),  # 0.27M, table 6
        ("cifar_resnet32", 10, 464_154),  # 0.46M
        ("cifar_resnet44", 10, 658_586),  # 0.66M
        ("cifar_resnet56", 10, 853_018),  # 0.85M
        ("cifar_resnet110", 10, 1_727_962),  # 1.7M
        ("lenet5", 10, 60_850),  # the paper's 60,000 and our 850 of the output layer
        ("vit_tiny_16", 1000, 5_717_416),  # DeiT-Ti: "5M", 5,717,416 in its authors' code
        ("bit_resnet50x1", 1000, 25_549_352),  # as timm's
    ],
)
def test_parameters_of_other_networks(name, classes, count):
    with torch.device("meta"):
        model = registry.find(name).build(classes)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_googlenet_s_auxiliary_heads_are_torchvision_s():
    with torch.device("meta"):
        reference = torchvision.googlenet(weights=None, init_weights=False, aux_logits=True)
        model = registry.find("googlenet").build(1000)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == sum(parameter.numel() for parameter in reference.parameters()) == 13_004_888
    assert count - sum(parameter.numel() for parameter in model.auxiliary.parameters()) == 6_624_904
    outputs = model.train()(torch.empty(2, 3, 96, 96, dtype=torch.uint8, device="meta"))
    assert [one.shape for one in (outputs.main, *outputs.auxiliary)] == [(2, 1000)] * 3


def test_googlenet_takes_minus_one_to_one():
    model = registry.find("googlenet").build(2)
    black_white = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    assert model.normalize(black_white).flatten().tolist() == pytest.approx([-1] * 3 + [1] * 3)


@pytest.mark.parametrize(
    ("name", "preprocess"),
    [
        ("resnet18", ResizeCrop(224, 0.875)),
        ("alexnet", ResizeCrop(227, 0.875)),
        ("cifar_resnet20", ResizeCrop(32)),
        ("lenet5", Pad(32)),
        ("bit_resnet50x1", ResizeCrop(448)),
        ("timm:vit_tiny_patch16_224", ResizeCrop(224, 0.9)),
    ],
)
def test_preprocess(name, preprocess):
    with torch.device("meta"):
        assert registry.find(name).build(5).preprocess == preprocess


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [
        ("lenet5", 29, 3),
        ("alexnet", 70, 1),
        ("alexnet_torchvision", 63, 4),
        ("vgg_c", 45, 1),
        ("googlenet", 33, 1),
        ("resnet34", 51, 2),
        ("cifar_resnet32", 27, 1),
        ("squeezenet1_0", 29, 1),
        ("mobilenet_v3_small", 39, 1),
        ("vit_tiny_16", 48, 1),
        ("vit_b_16", 96, 1),
        ("bit_resnet50x1", 61, 1),
        ("timm:convnext_atto", 47, 1),
    ],
)
def test_odd_sizes_and_channel_counts(name, size, channels):
    with torch.device("meta"):
        model = registry.find(name).build(5, image_size=size, in_channels=channels).eval()
        came = 3 if channels == 1 else channels  # RGB serves a network of one channel
        inputs = torch.empty(2, came, size, size, dtype=torch.uint8)
        assert model(inputs).main.shape == (2, 5)
    assert model.preprocess.size == size


@pytest.mark.parametrize(
    ("name", "size", "least"),
    [("lenet5", 15, 16), ("alexnet", 66, 67), ("vgg11", 31, 32), ("squeezenet1_0", 20, 21), ("resnet18", 0, 1)],
)
def test_too_small_a_size_is_refused(name, size, least):
    with torch.device("meta"), pytest.raises(RecipeError, match=f"least size is {least}"):
        registry.find(name).build(5, image_size=size)


def test_a_part_of_a_patch_is_refused():
    with torch.device("meta"), pytest.raises(RecipeError, match="no multiple"):
        registry.find("vit_b_16").build(5, image_size=100)


def test_timm_s_networks_are_found_by_name():
    entry = registry.find("timm:convnext_atto")
    assert entry.name == "timm:convnext_atto"
    assert entry.weights == {"imagenet": "timm:convnext_atto"}
    assert set(entry.options()) == {"image_size", "in_channels", "dropout"}
    assert "convnext_atto" in entry.summary
    with pytest.raises(RecipeError, match=r"Did you mean .*resnet18"):
        registry.find("timm:resnet19")


def test_published_weights_exist_where_we_say():
    from timm.models import is_model_pretrained

    for entry in registry.entries(task="classification"):
        for source in entry.weights.values():
            kind, _, name = source.partition(":")
            if kind == "torchvision":
                assert torchvision.get_weight(name).url.startswith("https://")
            else:
                assert kind == "timm"
                assert is_model_pretrained(name)


def test_every_builder_says_what_it_is():
    names = {entry.name for entry in registry.entries(task="classification")}
    assert {"lenet5", "vgg_c", "googlenet", "resnet152", "cifar_resnet110", "bit_resnet50x3", "vit_tiny_16"} <= names
    for entry in registry.entries(task="classification"):
        assert entry.summary.endswith((".", ":", ",")) or entry.summary, entry.name
        assert {"image_size", "in_channels"} <= set(entry.options()), entry.name


def test_dropout_reaches_the_network():
    for name in ("resnet18", "vgg11", "squeezenet1_0", "mobilenet_v3_small", "vit_tiny_16", "googlenet"):
        with torch.device("meta"):
            model = registry.find(name).build(5, dropout=0.37)
        assert any(isinstance(layer, nn.Dropout) and layer.p == 0.37 for layer in model.modules()), name
