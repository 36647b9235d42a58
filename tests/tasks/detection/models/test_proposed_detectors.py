"""R-CNN, SPP-net and Fast R-CNN: what is the papers' in them. Regions are made, so that nothing is searched."""

import math

import pytest
import torch
from torch import nn

from zorki import registry
from zorki.data.preprocess.letterbox_with_proposals import LetterboxWithProposals
from zorki.data.preprocess.selective_search import has_selective_search
from zorki.errors import RecipeError
from zorki.nn.backbones.alexnet import AlexNetTorchvision
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.backbones.squeezenet import SqueezeNet
from zorki.nn.backbones.vgg import Vgg
from zorki.ops.boxes import paired_iou, pairwise_iou
from zorki.tasks.detection.models.fast_rcnn import FastRcnn, fast_rcnn, fast_rcnn_vgg16
from zorki.tasks.detection.models.rcnn.rcnn import Rcnn, rcnn
from zorki.tasks.detection.models.sppnet.sppnet import SppNet, sppnet, sppnet_alexnet
from zorki.tasks.detection.networks.precomputed_proposals import ProposalOutputs, proposal_head
from zorki.tasks.detection.networks.region_heads import grid_of
from zorki.types import Boxes, ImagesWithProposals, Placement

BUILT = {
    "rcnn_squeezenet": {"window": 32, "hidden": 32},
    "sppnet_squeezenet": {"hidden": 32},
    "fast_rcnn_squeezenet": {"hidden": 32},
}


def built(name, **options):
    torch.manual_seed(0)
    return registry.build(name, 2, {"image_size": 64, **BUILT.get(name, {}), **options})


def lesson(count=2):
    """Images with a bright and a dark square, and regions around them and elsewhere."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(90, 150, (count, 3, 64, 96), generator=generator, dtype=torch.uint8)
    boxes = torch.tensor([[8.0, 10.0, 36.0, 38.0], [50.0, 20.0, 86.0, 56.0]])
    images[:, :, 10:38, 8:36], images[:, :, 20:56, 50:86] = 250, 5
    near = boxes.repeat(6, 1) + 4 * torch.rand((12, 4), generator=generator) - 2
    corner = torch.rand((400, 2), generator=generator) * torch.tensor([76.0, 44.0])
    far = torch.cat([corner, corner + 12 + 8 * torch.rand((400, 2), generator=generator)], 1)
    far = far[pairwise_iou(far, boxes).amax(1) < 0.1][:20]  # a part of a square looks as a square does
    regions = torch.cat([near, far])
    return ImagesWithProposals(images, [regions] * count), [Boxes(boxes, torch.tensor([0, 1]))] * count


class Tiny(Backbone):
    """Two convolutions: for windows that SqueezeNet would make a single cell of."""

    channels, strides = (32,), (8,)

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 4, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()
        )

    def forward(self, x):
        return [self.layers(x)]

    def stages(self):
        return [self.layers]


def tiny_rcnn():
    torch.manual_seed(0)
    settings = {"preprocess": LetterboxWithProposals(64)}
    return Rcnn(Tiny(), num_classes=2, window=32, grid=4, hidden=64, settings=settings)


@pytest.mark.parametrize("name", ["tiny_rcnn", "sppnet_squeezenet", "fast_rcnn_squeezenet"])
def test_two_squares_are_learned(name):
    """By the tenth to the thirtieth step with each of six seeds; sixty are allowed, as processors round otherwise."""
    model, (inputs, targets) = tiny_rcnn() if name == "tiny_rcnn" else built(name), lesson()
    model.min_score = 0.3
    rule = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for step in range(1, 61):
        losses = model.train().loss(model(inputs), targets)
        assert set(losses) == {"classes", "boxes"}
        rule.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        rule.step()
        if step % 10 == 0 and both_squares_are_found(model, inputs, targets):
            return
    raise AssertionError("after sixty steps a square is not found")


def both_squares_are_found(model, inputs, targets):
    """Whether of either class the first prediction is the square, in every image."""
    with torch.no_grad():
        found = model.eval().decode(model(inputs), [Placement(32, 48, 2.0, 0.0, 0.0, 64, 96)] * 2)
    for boxes in found:
        first = [boxes[boxes.labels == label][:1].xyxy for label in (0, 1)]
        # Predictions are in the original, which is half as large.
        if not all(map(len, first)) or paired_iou(torch.cat(first), targets[0].xyxy / 2).min() < 0.8:
            return False
    return True


def test_regions_of_a_image_are_learned_in_the_share_that_is_said(monkeypatch):
    """R-CNN shares 128 windows among the images of a batch; Fast R-CNN takes 64 of each."""
    seen = {}
    for name in BUILT:
        model, (inputs, targets) = built(name).train(), lesson(4)
        classify = model.classify_regions

        def counted(outputs, regions, images, name=name, classify=classify):
            seen[name] = images.bincount().tolist()
            return classify(outputs, regions, images)

        monkeypatch.setattr(model, "classify_regions", counted)
        model.loss(model(inputs), targets)
    inputs, targets = lesson(4)
    highest = pairwise_iou(inputs.regions[0], targets[0].xyxy).amax(1)
    # The two boxes themselves are among the candidates; a quarter of the count may be positive.
    positive, negative = int((highest >= 0.5).sum()) + 2, int((highest < 0.5).sum())
    assert positive > 8
    assert seen["rcnn_squeezenet"] == [8 + min(negative, 24)] * 4
    assert seen["fast_rcnn_squeezenet"] == seen["sppnet_squeezenet"] == [min(positive, 16) + negative] * 4


@pytest.mark.parametrize("name", BUILT)
def test_images_without_regions_and_without_objects(name):
    model, (inputs, targets) = built(name).train(), lesson()
    bare = ImagesWithProposals(inputs.images, [torch.zeros((0, 4)), inputs.regions[1]])
    nothing = [targets[0][:0], targets[1][:0]]
    for some in (targets, nothing):
        loss = sum(model.loss(model(bare), some).values())
        loss.backward()
        assert bool(loss.isfinite())
    answers = model.eval().decode(model(bare), [Placement(64, 96, input_height=64, input_width=96)] * 2)
    assert len(answers) == 2


def test_machines_learn_and_the_network_stays():
    model, (inputs, targets) = built("rcnn_squeezenet", classifier="svm").train(), lesson()
    learnable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learnable == {"machines.planes.weight", "machines.planes.bias", "head.offsets.weight", "head.offsets.bias"}
    assert not model.backbone.training
    sum(model.loss(model(inputs), targets).values()).backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is not None} == learnable
    places = [Placement(64, 96, input_height=64, input_width=96)] * 2
    assert not any(len(boxes) for boxes in model.eval().decode(model(inputs), places)), "all margins are -1"
    with torch.no_grad():
        model.machines.planes.bias.zero_()
    assert all(boxes.scores.tolist() == [0.5] * len(boxes) != [] for boxes in model.decode(model(inputs), places))


def test_machines_start_from_the_run_of_a_softmax(tmp_path):
    from zorki.weights import load_into, read_weights, save_weights

    tuned, model = built("rcnn_squeezenet"), built("rcnn_squeezenet", classifier="svm")
    save_weights(tmp_path / "softmax.safetensors", tuned, {})
    match = load_into(model, read_weights(tmp_path / "softmax.safetensors"), model.weight_map)
    assert not match.unused
    assert set(match.new) == {"machines.planes.weight", "machines.planes.bias", "machines.length"}


@pytest.mark.parametrize("tune", [False, True])
def test_sppnets_convolutions_stay_unless_told(tune):
    model, (inputs, targets) = built("sppnet_squeezenet", tune_backbone=tune).train(), lesson()
    assert model.backbone.training is tune
    sum(model.loss(model(inputs), targets).values()).backward()
    grown = [parameter.grad is not None for parameter in model.backbone.parameters()]
    assert all(grown) if tune else not any(grown)
    assert all(parameter.grad is not None for parameter in model.head.parameters())


def test_what_is_behind_the_map_that_is_read_does_not_learn():
    """MobileNet's map of stride 16 is not its last: the layers behind it would never get a gradient."""
    model, (inputs, targets) = (
        sppnet(2, backbone="mobilenet_v3_small", image_size=64, hidden=16, tune_backbone=True),
        lesson(),
    )
    sum(model.train().loss(model(inputs), targets).values()).backward()
    assert not [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


def test_regions_are_read_where_they_lie():
    """Maps and region moved by 32 pixels together give the same prediction."""
    model = built("fast_rcnn_squeezenet").eval()
    strides = model.head.strides
    maps = [torch.rand((1, 128, 128 // stride, 192 // stride)) for stride in strides]
    moved = [torch.roll(x, (32 // stride, 32 // stride), (2, 3)) for x, stride in zip(maps, strides, strict=True)]
    region, first = torch.tensor([[48.0, 50.0, 80.0, 70.0]]), torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        here, _ = model.classify_regions(ProposalOutputs(maps, [], 128, 192), region, first)
        there, _ = model.classify_regions(ProposalOutputs(moved, [], 128, 192), region + 32, first)
        elsewhere, _ = model.classify_regions(ProposalOutputs(maps, [], 128, 192), region + 32, first)
    assert torch.allclose(here, there, atol=1e-4)
    assert not torch.allclose(here, elsewhere, atol=1e-2)


def _center_seen(network, tap, column, size):
    """Where on the input a cell in the middle row looks: the center of its gradient, all weights being positive."""
    network = network.double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    x = torch.full((1, 3, size, size), 0.5, dtype=torch.float64, requires_grad=True)
    cells = network(x + 1e-3 * torch.rand(x.shape, dtype=x.dtype))[tap]
    (slope,) = torch.autograd.grad(cells[0, :, cells.shape[2] // 2, column].sum(), x)
    seen = slope.abs().sum((0, 1, 2))
    return float((seen * (torch.arange(size) + 0.5)).sum() / seen.sum())


@pytest.mark.parametrize(
    "network", [lambda: SqueezeNet("1_0"), AlexNetTorchvision, lambda: Vgg("A"), lambda: ResNet(18)]
)
def test_regions_are_read_from_the_cells_that_look_at_them(network):
    """Where a cell looks, says the gradient; where a region is read, a ramp: the number of the cell that lies there."""
    torch.manual_seed(0)
    backbone, size = network(), 240
    for tap in [tap for tap, stride in enumerate(backbone.strides) if stride in (4, 8, 16)][-3:]:
        stride = backbone.strides[tap]
        with torch.no_grad():
            width = backbone(torch.zeros((1, 3, size, size), dtype=next(backbone.parameters()).dtype))[tap].shape[3]
        column = width // 2
        seen = _center_seen(backbone, tap, column, size)
        head = proposal_head(1, 1, hidden=1, strides=(stride,), size=(1, 1), kind="align", grid=grid_of(backbone))
        ramp = torch.arange(float(width)).expand(1, 1, width, width)
        region = torch.tensor([[seen - stride, seen - stride, seen + stride, seen + stride]])
        read = head.pool([ramp], region, torch.zeros(1, dtype=torch.int64), (size, size)).item()
        assert read == pytest.approx(column, abs=0.2)


@pytest.mark.parametrize("name", ["sppnet_squeezenet", "fast_rcnn_squeezenet"])
def test_what_is_read_of_a_region_hangs_on_the_pixels_in_it(name, monkeypatch):
    """The center of the gradient of all that the head reads is the region's, all weights being positive."""
    torch.manual_seed(0)
    model = built(name, **({"tune_backbone": True} if name == "sppnet_squeezenet" else {})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    total = lambda pooled: (pooled.flatten(1).sum(1, keepdim=True),) * 2  # noqa: E731
    monkeypatch.setattr(model.head, "forward", total)
    pixels = torch.rand((1, 3, 240, 240)).requires_grad_()
    maps = model.backbone(pixels)
    maps = model.neck(maps) if name == "fast_rcnn_squeezenet" else [maps[model.tap]]
    for left, top, side in ((100.0, 70.0, 32.0), (90.0, 105.0, 64.0), (75.0, 60.0, 100.0)):
        region = torch.tensor([[left, top, left + side, top + side]])
        answer, _ = model.classify_regions(
            ProposalOutputs(maps, [], 240, 240), region, torch.zeros(1, dtype=torch.int64)
        )
        (slope,) = torch.autograd.grad(answer.sum(), pixels, retain_graph=True)
        seen, middles = slope.abs().sum((0, 1)), torch.arange(240) + 0.5
        x, y = ((seen.sum(axis) * middles).sum() / seen.sum() for axis in (0, 1))
        assert float(x) == pytest.approx(left + side / 2, abs=4 if name == "fast_rcnn_squeezenet" else 8)
        assert float(y) == pytest.approx(top + side / 2, abs=4 if name == "fast_rcnn_squeezenet" else 8)


def test_the_papers_way_on_a_small_backbone():
    model, (inputs, targets) = built("fast_rcnn_squeezenet", pyramid=False).train(), lesson()
    assert (model.head.kind, model.head.strides, model.head.size) == ("pool", (16,), (7, 7))
    assert not list(model.neck.parameters())
    sum(model.loss(model(inputs), targets).values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("pyramid", [True, False])
def test_fast_rcnn_has_no_layers_that_nothing_reads(pyramid):
    model, (inputs, targets) = (
        fast_rcnn(2, backbone="mobilenet_v3_small", image_size=64, hidden=16, pyramid=pyramid),
        lesson(),
    )
    assert model.backbone.strides[-1] == 16
    sum(model.train().loss(model(inputs), targets).values()).backward()
    assert not [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


def test_published_layers_fill_the_heads():
    with torch.device("meta"):
        vgg, alexnet = fast_rcnn_vgg16(20), registry.build("rcnn_alexnet_torchvision", 20)
    assert vgg.weight_map.rename("classifier.0.weight", vgg) == "head.trunk.fc6.weight"
    assert vgg.weight_map.rename("classifier.3.bias", vgg) == "head.trunk.fc7.bias"
    assert vgg.weight_map.rename("features.28.weight", vgg) == "backbone.features.28.weight"
    assert alexnet.weight_map.rename("classifier.1.weight", alexnet) == "head.trunk.fc6.weight"
    assert alexnet.weight_map.rename("classifier.4.weight", alexnet) == "head.trunk.fc7.weight"
    for model, shape in ((vgg, (4096, 25088)), (alexnet, (4096, 9216))):
        assert tuple(model.head.trunk.fc6.weight.shape) == shape


def test_the_networks_of_the_papers():
    with torch.device("meta"):
        vgg, spp = fast_rcnn_vgg16(20), sppnet_alexnet(20)
        alexnet = registry.build("rcnn_alexnet", 20)
    assert (vgg.head.strides, vgg.head.kind, vgg.head.size, vgg.head.grid) == ((16,), "pool", (7, 7), "corner")
    assert vgg.neck.channels == vgg.backbone.channels[-1] == 512
    assert vgg.backbone.strides[-1] == 16, "the fifth pool is left out"
    assert vgg.background_iou == 0.1
    assert (vgg.count, alexnet.count, alexnet.window) == (64, 128, 227)
    assert spp.head.trunk.fc6.in_features == 256 * 50
    assert alexnet.head.trunk.fc6.in_features == 256 * 6 * 6


def test_a_window_is_a_third_of_the_image_unless_told():
    with torch.device("meta"):
        changes = ({}, {"image_size": 96}, {"window": 64})
        windows = [rcnn(2, backbone="squeezenet", **options).window for options in changes]
    assert windows == [112, 32, 64]
    with pytest.raises(RecipeError, match="least size"), torch.device("meta"):
        rcnn(2, backbone="squeezenet", window=12)


@pytest.mark.parametrize(("prefix", "kind"), [("rcnn_", Rcnn), ("sppnet_", SppNet), ("fast_rcnn_", FastRcnn)])
def test_they_stand_on_any_backbone(prefix, kind):
    with torch.device("meta"):
        model = registry.build(prefix + "resnet18", 2)
    assert isinstance(model, kind)
    with pytest.raises(RecipeError, match="resnet18"):
        registry.find(prefix + "resnet81")


@pytest.mark.skipif(not has_selective_search(), reason="OpenCV's contributed modules are not installed: zorki[cv]")
@pytest.mark.parametrize("name", BUILT)
def test_with_the_search_itself(name, monkeypatch, tmp_path):
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path))
    model = built(name)
    images = lesson(1)[0].images
    inputs, placements = model.preprocess(list(images))
    assert math.prod(inputs.regions[0].shape) > 0
    (boxes,) = model.eval().decode(model(inputs), placements)
    assert boxes.xyxy.shape[1] == 4
