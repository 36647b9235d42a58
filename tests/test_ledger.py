"""The ledger against the textbooks' tables, PyTorch's own counts, and gradients."""

from __future__ import annotations

import copy
import itertools
import json

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from zorki import registry
from zorki.cli.flags.json_output import PRINTED
from zorki.cli.info import info
from zorki.introspection.ledger import ledger
from zorki.introspection.receptive_field import Field, Trace, receptive_field_by_gradient
from zorki.nn.layers.initialize import without_values
from zorki.nn.layers.normalize import Normalize

# CS231n's table of VGG-16 (configuration D): output, values, weights without biases.
VGG16 = [
    ("INPUT", (3, 224, 224), 150_528, 0),
    ("CONV3-64", (64, 224, 224), 3_211_264, 1_728),
    ("CONV3-64", (64, 224, 224), 3_211_264, 36_864),
    ("POOL2", (64, 112, 112), 802_816, 0),
    ("CONV3-128", (128, 112, 112), 1_605_632, 73_728),
    ("CONV3-128", (128, 112, 112), 1_605_632, 147_456),
    ("POOL2", (128, 56, 56), 401_408, 0),
    ("CONV3-256", (256, 56, 56), 802_816, 294_912),
    ("CONV3-256", (256, 56, 56), 802_816, 589_824),
    ("CONV3-256", (256, 56, 56), 802_816, 589_824),
    ("POOL2", (256, 28, 28), 200_704, 0),
    ("CONV3-512", (512, 28, 28), 401_408, 1_179_648),
    ("CONV3-512", (512, 28, 28), 401_408, 2_359_296),
    ("CONV3-512", (512, 28, 28), 401_408, 2_359_296),
    ("POOL2", (512, 14, 14), 100_352, 0),
    ("CONV3-512", (512, 14, 14), 100_352, 2_359_296),
    ("CONV3-512", (512, 14, 14), 100_352, 2_359_296),
    ("CONV3-512", (512, 14, 14), 100_352, 2_359_296),
    ("POOL2", (512, 7, 7), 25_088, 0),
    ("FC-4096", (4096,), 4_096, 102_760_448),
    ("FC-4096", (4096,), 4_096, 16_777_216),
    ("FC-1000", (1000,), 1_000, 4_096_000),
]


def _vgg16():
    layers: list[nn.Module] = []
    channels = 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(True)] if width else [nn.MaxPool2d(2)]
        channels = width or channels
    widths = [512 * 49, 4096, 4096, 1000]
    head = [m for a, b in itertools.pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU(), nn.Dropout())]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), *head[:-2])


@pytest.fixture(scope="module")
def vgg16():
    with torch.device("meta"):
        return ledger(_vgg16(), torch.empty(1, 3, 224, 224))


def test_vgg16_row_by_row(vgg16):
    shown = [(row.kind, row.shape, row.values, row.weights) for row in vgg16.rows if not row.hidden]
    assert shown == VGG16


def test_vgg16_totals(vgg16):
    assert vgg16.parameters == 138_357_544
    assert vgg16.values == 15_237_608
    assert vgg16.bytes == 4 * 15_237_608
    assert round(vgg16.macs / 1e9, 2) == 15.47  # as torchvision publishes it
    assert vgg16.to_json()["totals"]["flops"] == 2 * vgg16.macs


def test_vgg16_receptive_fields(vgg16):
    # Araujo et al. (Distill 2019), table of networks: VGG-16 sees 212 pixels, with an effective stride of 32.
    rows = [row for row in vgg16.rows if not row.hidden]
    assert [row.receptive_field[0] for row in rows[:8]] == [1, 3, 5, 6, 10, 14, 16, 24]
    assert (rows[-4].receptive_field, rows[-4].jump, rows[-4].whole) == ((212, 212), (32.0, 32.0), False)
    assert all(row.whole and row.jump is None for row in rows[-3:])


def test_printed(vgg16):
    lines = str(vgg16).splitlines()
    assert lines[2].split() == ["CONV3-64", "0", "224x224x64", "3,211,264", "1,728", "64", "86.70", "3", "1"]
    assert lines[-1].startswith("138,357,544 parameters, 15,237,608 activation values with the input (58.1 MiB)")
    assert len(vgg16.table(hidden=True)) > len(vgg16.table()) == len(VGG16)


class Enlarged(nn.Module):
    """Two outputs: coarse maps, and the same enlarged, which no layer does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 3, 2, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        coarse = self.layer(x)
        return [coarse, nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear"), torch.zeros(3)]


def test_what_a_prediction_sees(vgg16):
    """A coarse place sees 3 pixels. Enlarged, even ones see -3..1 from themselves, odd ones -2..2: six in all."""
    table = ledger(Enlarged(), torch.empty(1, 3, 16, 20))
    assert table.rows[-1].receptive_field == (3, 3)
    assert (table.receptive_field, table.whole) == ((6, 6), False)
    assert table.sight() == "an output sees up to 6x6 pixels of the image"
    assert table.to_json()["totals"]["receptive_field"] == [6, 6]
    assert vgg16.sight() == "an output sees the whole image"
    assert ledger(nn.Identity(), torch.empty(1, 3, 4, 4)).receptive_field == (1, 1)


class Residual(nn.Module):
    """A block with functional ReLUs and an addition that is no module."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.b = nn.Conv2d(channels, channels, 3, 1, 1)
        self.short = nn.Conv2d(channels, channels, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.b(torch.relu(self.norm(self.a(x)))) + self.short(x))


class Inception(nn.Module):
    """Branches that see differently, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(3, 2, 7, padding=3)]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Windows(nn.Module):
    """Sums over windows of 2x2 by reshaping, as patch merging does."""

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        return x.reshape(batch, channels, height // 2, 2, width // 2, 2).permute(0, 1, 2, 4, 3, 5).mean((4, 5))


class Focus(nn.Module):
    """Every second pixel of each phase, as channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)


NETWORKS = {
    "lenet": nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 5), nn.Tanh(), nn.AvgPool2d(2)
    ),
    "vgg": nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3)
    ),
    "residual": nn.Sequential(
        nn.Conv2d(3, 4, 7, 2, 3), nn.MaxPool2d(3, 2, 1), Residual(4, 1), Residual(4, 2), Residual(4, 1)
    ),
    "dilated": nn.Sequential(nn.Conv2d(3, 4, 3, dilation=2), nn.Conv2d(4, 4, 3, padding=3, dilation=3)),
    "oblong": nn.Sequential(nn.Conv2d(3, 4, (1, 5), (1, 2)), nn.Conv2d(4, 4, (3, 1), padding=(1, 0))),
    "inception": nn.Sequential(Inception(), nn.Conv2d(6, 2, 3, 2)),
    "windows": nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), Windows(), nn.Conv2d(2, 2, 3, padding=1)),
    "focus": nn.Sequential(Focus(), nn.Conv2d(12, 2, 3, padding=1)),
    "padded": nn.Sequential(nn.ZeroPad2d((2, 0, 1, 0)), nn.Conv2d(3, 2, 3)),
}


def _field(network: nn.Module, inputs: Tensor) -> tuple[Field, Tensor]:
    with torch.inference_mode():
        source = inputs.clone()
        with Trace(source) as trace:
            outputs = network.eval()(source)
    field = trace.of(outputs)
    assert field is not None
    return field, outputs


@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_fields_are_those_of_the_gradient(name):
    size = (40, 36)
    field, outputs = _field(NETWORKS[name], torch.zeros(1, 3, *size))
    height, width = outputs.shape[2:]
    middle = (height // 2, width // 2)
    # At the edges a dilated kernel's holes fall on the outermost pixels: only the middle is exact.
    edges = [] if name == "dilated" else [(0, 0), (height - 1, width - 1), (1, width - 2)]
    for at in [middle, *edges]:
        expected = []
        for axis, place in enumerate(at):
            jump = field.jump[axis]
            assert jump is not None
            low, high = field.low[axis] + place * jump, field.high[axis] + place * jump
            expected.append((max(0, int(low)), min(size[axis], int(high))))
        assert receptive_field_by_gradient(NETWORKS[name], (3, *size), at) == tuple(expected)


@pytest.mark.parametrize(
    ("layer", "reach"),
    [
        (nn.Upsample(scale_factor=2), 3),
        (nn.Upsample(scale_factor=2, mode="bilinear"), 3),
        (nn.ConvTranspose2d(4, 4, 4, 2, 1), 3),
        (nn.PixelShuffle(2), 3),
        (nn.PixelUnshuffle(2), 3),
        (nn.AdaptiveAvgPool2d(5), 3),
    ],
)
def test_where_positions_see_unlike_the_field_bounds_them_all(layer, reach):
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), layer)
    field, outputs = _field(network, torch.zeros(1, 3, 16, 16))
    for row in range(outputs.shape[2]):
        (first, last), _ = receptive_field_by_gradient(network, (3, 16, 16), (row, 4))
        jump = field.jump[0]
        assert jump is not None
        assert field.low[0] + row * jump <= first
        assert last <= field.high[0] + row * jump
        if first > 0 and last < 16:
            assert field.size[0] <= (last - first) + reach  # and not by much


class Attention(nn.Module):
    """Patches, a class token, one block of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token, self.patches(x).flatten(2).transpose(1, 2)], 1)
        x = self.norm(x)
        x = x + self.attention(x, x, x)[0]
        return self.head(x[:, 0])


def test_attention_sees_everything_and_loses_no_parameter():
    network = Attention()
    table = ledger(network, torch.empty(1, 3, 16, 24))
    rows = {row.name: row for row in table.rows}
    assert rows["norm"].receptive_field == (4, 4)
    assert rows["attention"].whole
    assert rows["head"].receptive_field == (16, 24)
    assert rows["attention"].kind == "ATTENTION-2"
    assert rows["attention"].parameters == sum(p.numel() for p in network.attention.parameters())
    assert rows["token"].kind == "PARAMETER"
    assert table.parameters == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("network", [_vgg16, Attention, lambda: copy.deepcopy(NETWORKS["residual"])])
def test_multiply_adds_are_pytorchs(network):
    with torch.device("meta"):
        built = network().to("meta").eval()
        inputs = torch.empty(1, 3, 224, 224) if network is _vgg16 else torch.empty(1, 3, 16, 16)
        with FlopCounterMode(display=False) as counter:
            built(inputs)
    # Of two images, too: the ledger is for one.
    assert 2 * ledger(built, inputs).macs == counter.get_total_flops() > 0
    if network is not Attention:
        assert ledger(built, inputs.expand(2, -1, -1, -1)).macs == ledger(built, inputs).macs


def test_the_model_is_left_as_it_was():
    network = copy.deepcopy(NETWORKS["residual"]).train()
    network[2].norm.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    ledger(network, torch.empty(1, 3, 32, 32))
    assert network.training
    assert not network[2].norm.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    with pytest.raises(RuntimeError, match="size"):
        ledger(nn.Conv2d(3, 4, 9), torch.empty(1, 3, 5, 5))


def test_pixels_and_normalization_come_before_the_ledger():
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.normalize = Normalize(3)
            self.layer = nn.Conv2d(3, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.normalize(x))

    table = ledger(Network(), torch.empty(1, 3, 8, 8, dtype=torch.uint8))
    assert [(row.kind, row.values, row.bytes) for row in table.rows] == [("INPUT", 192, 768), ("CONV3-2", 72, 288)]


def test_shared_layers_count_their_parameters_once():
    layer = nn.Linear(4, 4)
    table = ledger(nn.Sequential(layer, nn.ReLU(), layer), torch.empty(1, 4, 4))
    assert [row.parameters for row in table.rows if row.kind == "FC-4"] == [20, 0]
    assert table.parameters == 20


def test_activations_of_ones_own_work_in_place():
    class Swish(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.sigmoid(x)

    table = ledger(nn.Sequential(nn.Conv2d(3, 2, 1), Swish(), nn.LocalResponseNorm(2)), torch.empty(1, 3, 4, 4))
    assert [row.values for row in table.rows] == [48, 32, 0, 32]


def test_layers_that_only_train_stand_last():
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.side = nn.Linear(4, 2), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.main(x) + self.side(x).sum() if self.training else self.main(x)

    table = ledger(Network().train(), torch.empty(1, 4))
    rows = [(row.kind, row.name, row.weights, row.biases) for row in table.rows[1:]]
    assert rows == [("FC-2", "main", 8, 2), ("NOT RUN", "side.weight", 12, 0), ("NOT RUN", "side.bias", 0, 3)]


DETECTORS = [entry.name for entry in registry.entries("*_squeezenet*", "detection")]


@pytest.mark.parametrize("name", DETECTORS)
def test_the_ledger_of_a_detector_holds_all_its_parameters(name):
    """Also of those whose second stage runs in `loss` and `decode`."""
    with without_values():
        model = registry.build(name, 80)
    table = ledger(model, torch.empty(1, 3, 320, 320, dtype=torch.uint8, device="meta"))
    assert sum(row.parameters for row in table.rows) == sum(p.numel() for p in model.parameters())
    assert "forward" not in vars(model), "the model is left as it was"


WITHOUT_ONE_IMAGE = [
    *(entry.name for entry in registry.entries("*_squeezenet", "pretraining")),
    *(entry.name for entry in registry.entries("*_squeezenet", "video_classification")),
    *("c3d_small", "x3d_xs", "r3d_18", "cam_squeezenet1_1", "deep_pose_squeezenet"),
]


@pytest.mark.parametrize("name", WITHOUT_ONE_IMAGE)
def test_views_and_clips_have_a_ledger(name, capsys):
    """Of views, clips, and frames with optical flow too; what an output sees is known."""
    info(name, json=PRINTED)
    table = json.loads(capsys.readouterr().out)
    assert table["totals"]["macs"] > 0
    assert table["totals"]["receptive_field"] or table["totals"]["whole"]


def test_rcnn_works_a_hundred_times_as_much_as_faster_rcnn():
    """An image's 2000 windows through the network, against one image (Girshick, 2015; Ren et al., 2015)."""
    macs = {}
    for name in ("rcnn_squeezenet", "fast_rcnn_squeezenet", "faster_rcnn_squeezenet_fpn"):
        with without_values():
            model = registry.build(name, 20)
        macs[name] = sum(row.macs for row in ledger(model, torch.empty(1, 3, 320, 320, dtype=torch.uint8)).rows)
    assert macs["rcnn_squeezenet"] > 30 * macs["fast_rcnn_squeezenet"] > 60 * macs["faster_rcnn_squeezenet_fpn"]
    assert macs["rcnn_squeezenet"] > 100 * macs["faster_rcnn_squeezenet_fpn"]
