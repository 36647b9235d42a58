"""What every model must keep, whoever wrote it. Large networks are built without memory; small ones are run."""

import dataclasses

import pytest
import torch
from lessons import check_that_the_loss_falls
from tiny_backbone import tiny_squeezenet

from zorki import registry
from zorki.contracts import Model
from zorki.ops.boxes import box_area, pairwise_iou
from zorki.types import Boxes, Embedding, Instances, Keypoints, Label, Mask, Unlabeled, map_tensors

ENTRIES = registry.entries()
CLASSIFIERS = [
    "lenet5", "cifar_resnet20", "squeezenet1_1", "mobilenet_v3_small", "resnet18", "vit_tiny_16", "alexnet_torchvision",
    "alexnet", "vgg11", "googlenet",
]  # fmt: skip
# Every way to detect stands on the smallest backbone once.
DETECTORS = [entry.name for entry in ENTRIES if entry.task.name == "detection" and "squeezenet" in entry.name]
OPTIONS = {
    "unet": {"width": 8, "depth": 2}, "full_resolution": {"width": 16}, "segnet_basic": {"width": 16},
    "sliding_window_small": {"step": 8, "count": 32},
    "deep_pose_squeezenet": {"stages": 1},
    "detr_squeezenet": {"width": 64, "layers": 1, "queries": 20},
    "two_stage_detr_squeezenet": {"width": 64, "layers": 1, "queries": 20},
    "rtdetr_squeezenet": {"width": 64, "layers": 2, "queries": 20},
    "dfine_squeezenet": {"width": 32, "layers": 2, "queries": 10, "denoising": 8},
    "retinanet_squeezenet": {"channels": 32, "depth": 1}, "fcos_squeezenet": {"channels": 32, "depth": 1},
    "faster_rcnn_squeezenet": {"hidden": 64}, "faster_rcnn_squeezenet_fpn": {"hidden": 64, "channels": 64},
    # Keys that were drawn by chance stay negatives for good where one batch is all there is.
    "moco_squeezenet": {"queue": 16}, "moco_v2_squeezenet": {"queue": 16},
    "distillation_squeezenet": {"teacher": "squeezenet"},
    # Before training all boxes are answers, each with a mask.
    "mask_rcnn_squeezenet_fpn": {"max_boxes": 20, "hidden": 64, "channels": 64, "mask_hidden": 32},
}  # fmt: skip
# A window for every pixel through a large network takes seconds a step; the small one stands for it.
SEGMENTERS = [
    "unet", "full_resolution", "segnet_basic", "sliding_window_small",
    *(entry.name for entry in ENTRIES if entry.task.name == "semantic_segmentation" and "_squeezenet" in entry.name),
]  # fmt: skip
SEGMENTERS.remove("sliding_window_squeezenet")
# Every way to group pixels into objects, on the smallest backbone.
GROUPERS = [f"{method}_squeezenet" for method in ("plain_unet", "border_unet", "deep_watershed", "deep_coloring")]
EMBEDDERS = [entry.name for entry in ENTRIES if entry.task.name == "retrieval" and "squeezenet" in entry.name]
PRETRAINERS = [entry.name for entry in ENTRIES if entry.task.name == "pretraining" and "squeezenet" in entry.name]
MASKED = "mask_rcnn_squeezenet_fpn"
POSE = "deep_pose_squeezenet"
LOCALIZERS = ["localizer_squeezenet1_1", "cam_squeezenet1_1"]
CLIPS = ["c3d_small", "x3d_xs", "frame_average_squeezenet", "gru_squeezenet"]
SMALL = [
    *CLASSIFIERS, *LOCALIZERS, *DETECTORS, *SEGMENTERS, *GROUPERS, MASKED, POSE, *EMBEDDERS, *CLIPS, *PRETRAINERS,
]  # fmt: skip
SIZES = {
    "lenet5": 32, "cifar_resnet20": 32, "alexnet": 131, "alexnet_torchvision": 96, "fcn32s_squeezenet": 128,
    "context_squeezenet": 128, "same_image_squeezenet": 128,
} | dict.fromkeys([*DETECTORS, MASKED], 96)  # fmt: skip
NUM_CLASSES = 3
HEIGHT, WIDTH = 40, 56


@pytest.fixture(autouse=True)
def regions_without_a_search(monkeypatch, tmp_path):
    """Regions without a search, which takes long, and OpenCV: four boxes near the objects, and random ones."""

    def made(image, mode="fast", seed=0):
        generator = torch.Generator().manual_seed(int(image.sum()))
        scale = image.shape[1] / HEIGHT
        near = (truth("detection", 4)[1].xyxy * scale)[[0, 1]].repeat(2, 1)
        near = near + torch.tensor([[0.0], [0.0], [1.0], [1.0]])
        room = torch.tensor([image.shape[2] - 12.0, image.shape[1] - 12.0])
        corners = torch.rand((20, 2, 2), generator=generator) * room
        return torch.cat([near, torch.cat([corners.amin(1), corners.amax(1) + 10], 1)]).to(torch.int16)

    monkeypatch.setattr("zorki.data.preprocess.proposal_cache.selective_search", made)
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def _small_backbone(monkeypatch):
    """In the place of SqueezeNet, where what counts is what stands on it."""
    tiny_squeezenet(monkeypatch)


# What learns of two images sooner from more channels than the small backbone has.
NEED_FEATURES = ["pspnet_squeezenet", "detr_squeezenet", "two_stage_detr_squeezenet", MASKED]
ON_SMALL_BACKBONE = pytest.mark.usefixtures("_small_backbone")


def built(name, **options):
    torch.manual_seed(0)
    known = registry.find(name).options()
    settings = {"image_size": SIZES.get(name, 64)} | ({"dropout": 0.0} if "dropout" in known else {})
    settings |= registry.canonical_options(OPTIONS.get(name, {}) | options)
    return registry.build(name, NUM_CLASSES, settings)


def make_images(count, height=HEIGHT, width=WIDTH, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8) for _ in range(count)]


def truth(task, count):
    """Targets in original pixels; two objects an image, of which none is at the edge."""
    if task in ("classification", "video_classification"):
        return [Label(i % NUM_CLASSES) for i in range(count)]
    if task == "pretraining":
        return [Unlabeled()] * count
    if task == "retrieval":
        return [Label(i // 2 % NUM_CLASSES) for i in range(count)]
    two = torch.tensor([[4.0, 5.0, 30.0, 28.0], [22.0, 12.0, 50.0, 36.0]])
    if task == "semantic_segmentation":
        return [Mask(filled(two + i % 3, i)) for i in range(count)]
    if task == "pose":  # an image is an object as a whole, and has as many joints as there are classes elsewhere
        joints = torch.tensor([[[10.0, 12.0], [30.0, 8.0], [42.0, 33.0]]])
        return [Keypoints(joints + i, torch.tensor([[2, 1, 2 * (i % 2)]])) for i in range(count)]
    labels = [torch.tensor([i % NUM_CLASSES, (i + 1) % NUM_CLASSES]) for i in range(count)]
    if task == "instance_segmentation":
        return [Instances(two + i % 3, labels[i], covered(two + i % 3)) for i in range(count)]
    if task == "localization":
        return [Boxes(two[:1] + i % 3, labels[i][:1]) for i in range(count)]
    return [Boxes(two + i % 3, labels[i]) for i in range(count)]


def covered(xyxy):
    """Masks of boxes, of which the second lies on the first."""
    numbers = filled(xyxy, 0)
    return torch.stack([numbers == 1, numbers == 2])


def filled(xyxy, first):
    """The classes of an image in which boxes are filled, the ground with class `first`."""
    classes = torch.full((HEIGHT, WIDTH), first % NUM_CLASSES)
    for number, (x0, y0, x1, y1) in enumerate(xyxy.long().tolist(), 1):
        classes[y0:y1, x0:x1] = (first + number) % NUM_CLASSES
    return classes


def lesson(name, model, count):
    """Inputs, and what is to be learned of them, in network pixels."""
    images, targets = make_images(count), truth(registry.find(name).task.name, count)
    if isinstance(targets[0], Mask):  # chance alone could only be learned by heart, pixel by pixel
        images = [image // 4 + (target.classes * 60).byte() for image, target in zip(images, targets, strict=True)]
    if isinstance(targets[0], Instances):
        shades = [torch.einsum("nhw,n->hw", target.masks.int(), target.labels.int() + 1) for target in targets]
        images = [image // 4 + (shade * 45).byte() for image, shade in zip(images, shades, strict=True)]
    # Views are drawn: without generators there is one of each image, which is compared with nothing.
    chance = [torch.Generator().manual_seed(place) for place in range(count)] if name in PRETRAINERS else None
    inputs, placements = model.preprocess(images, chance)
    return inputs, [target.place(placement) for target, placement in zip(targets, placements, strict=True)]


def total_loss(model, inputs, targets):
    return torch.stack(list(model.loss(model(inputs), targets).values())).sum()


def tensors(value):
    """All tensors in raw outputs."""
    if isinstance(value, torch.Tensor):
        return [value]
    if dataclasses.is_dataclass(value):
        return [t for f in dataclasses.fields(value) for t in tensors(getattr(value, f.name))]
    return [t for item in value for t in tensors(item)] if isinstance(value, list | tuple) else []


def equal_outputs(a, b):
    return len(tensors(a)) > 0 and all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_model_is_documented_and_built(entry):
    assert entry.summary.endswith((".", ")")), "the first line of the docstring says what it is"
    with torch.device("meta"):
        model = entry.build(NUM_CLASSES)
    assert isinstance(model, Model)
    assert model.backbone_stages()
    if entry.task.name == "classification":
        assert model.expected_loss() == pytest.approx(1.0986, abs=1e-3)
    parameters = {id(p) for p in model.parameters()}
    in_stages = {id(p) for stage in model.backbone_stages() for p in stage.parameters()}
    headless = entry.name.startswith(("features_", "siamese_features_", "gatys_"))
    assert headless or in_stages < parameters, "the head does not belong to the stages"


# Backbones of other kinds, with maps or layers that the method does not read.
OTHERS = [
    "yolo1_mobilenet_v3_small", "yolo1_resnet18", "yolo1_timm:resnet10t", "yolo3_darknet24", "ssd_resnet18",
    "retinanet_timm:convnext_atto", "fcos_timm:mobilenetv3_small_050", "detr_timm:convnext_atto",
]  # fmt: skip


@pytest.mark.parametrize("name", [*SMALL, *OTHERS])
def test_every_parameter_gets_a_gradient_and_inputs_stay(name):
    model = built(name).train()
    inputs, targets = lesson(name, model, 4)
    before = map_tensors(inputs, torch.clone)
    total_loss(model, inputs, targets).backward()
    assert equal_outputs(inputs, before)
    without = [n for n, p in model.named_parameters() if p.grad is None and p.requires_grad]
    assert not without


@pytest.mark.parametrize(
    "name",
    [name for name in SMALL if name not in CLASSIFIERS] + ["lenet5", "cifar_resnet20", "squeezenet1_1", "vit_tiny_16"],
)
def test_the_loss_falls_on_one_repeated_batch(name, monkeypatch):
    if name not in NEED_FEATURES:
        tiny_squeezenet(monkeypatch)
    model = built(name)
    inputs, targets = lesson(name, model, 6 if name in (*CLASSIFIERS, *EMBEDDERS, *PRETRAINERS) else 2)
    gentle = name in (*DETECTORS, MASKED, *EMBEDDERS)
    # At its temperature of .2 perfect answers among 16 orthogonal keys cost log(1 + 16 e^-5) = .10 at any time.
    to = 0.9 if name == "moco_v2_squeezenet" else 0.6
    check_that_the_loss_falls(model, inputs, targets, rate=3e-4 if gentle else 1e-3, to=to)


@ON_SMALL_BACKBONE
@pytest.mark.parametrize("name", SMALL)
def test_four_images_are_answered_as_one_by_one(name):
    model = built(name).eval()
    if name in DETECTORS:
        model.min_score = 0.0  # an untrained network is sure of nothing
    images = make_images(4)
    with torch.inference_mode():
        inputs, placements = model.preprocess(images)
        together = model.decode(model(inputs), placements)
        alone = []
        for image in images:
            one, placement = model.preprocess([image])
            alone += model.decode(model(one), placement)
    for a, b in zip(together, alone, strict=True):
        assert_same_answer(a, b)


def assert_same_answer(a, b):
    if isinstance(a, Label):
        assert a.index == b.index
        assert torch.allclose(a.scores, b.scores, atol=1e-4)
        assert float(a.scores.sum()) == pytest.approx(1.0, abs=1e-4)
        return
    if isinstance(a, Embedding):
        assert torch.allclose(a.vector, b.vector, atol=1e-4)
        assert float(a.vector.norm()) == pytest.approx(1.0, abs=1e-4)
        return
    if isinstance(a, Mask):
        assert a.classes.shape == b.classes.shape == (HEIGHT, WIDTH)
        # Of classes that are as likely as one another, rounding decides.
        assert float((a.classes == b.classes).float().mean()) > 0.999
        return
    if isinstance(a, Instances):
        assert a.masks.shape[1:] == b.masks.shape[1:] == (HEIGHT, WIDTH)
        # Pieces of an untrained answer hang together by single pixels, over which rounding decides.
        assert float((a.masks.any(0) == b.masks.any(0)).float().mean()) > 0.99
        return
    if isinstance(a, Keypoints):
        torch.testing.assert_close(a.points, b.points, atol=1e-3, rtol=0)
        assert len(a) == len(b) == 1
        return
    assert len(a) == len(b) > 0
    assert torch.allclose(a.scores, b.scores, atol=1e-4)
    # Boxes of equal scores may change places.
    same = (pairwise_iou(a.xyxy, b.xyxy) > 0.98) & (a.labels[:, None] == b.labels[None])
    solid = box_area(a.xyxy) > 1
    assert bool(same.any(1)[solid].all())


@ON_SMALL_BACKBONE
@pytest.mark.parametrize("name", SMALL)
def test_outputs_have_one_type_and_same_seed_same_result(name):
    model, twin = built(name).eval(), built(name).eval()
    inputs, _ = model.preprocess(make_images(2))
    with torch.no_grad():
        outputs = model(inputs)
        assert equal_outputs(outputs, twin(inputs))
        assert type(model.train()(inputs)) is type(outputs)


@ON_SMALL_BACKBONE
@pytest.mark.parametrize(
    "name",
    [
        "lenet5",
        "cifar_resnet20",
        "squeezenet1_1",
        *LOCALIZERS,
        *DETECTORS,
        *SEGMENTERS,
        *GROUPERS,
        POSE,
        *EMBEDDERS,
        *PRETRAINERS,
    ],
)
def test_weights_survive_saving(name, tmp_path):
    from zorki.weights import load_into, read_weights, save_weights

    model, other = built(name).eval(), built(name).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    save_weights(tmp_path / "w.safetensors", model, {})
    match = load_into(other, read_weights(tmp_path / "w.safetensors"))
    assert not match.new
    assert not match.mismatched
    inputs, _ = model.preprocess(make_images(2))
    with torch.no_grad():
        assert equal_outputs(model(inputs), other(inputs))


@ON_SMALL_BACKBONE
@pytest.mark.parametrize("name", [*DETECTORS, *SEGMENTERS, *GROUPERS, POSE])
def test_images_without_objects_are_fine(name):
    model = built(name).train()
    inputs, targets = lesson(name, model, 2)
    nothing = [
        Mask(torch.full_like(target.classes, target.ignore)) if isinstance(target, Mask) else target[:0]
        for target in targets
    ]
    for some in (nothing, [targets[0], nothing[1]]):
        model.zero_grad()
        loss = total_loss(model, inputs, some)
        loss.backward()
        assert bool(loss.isfinite())
        assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


@ON_SMALL_BACKBONE
@pytest.mark.parametrize("name", DETECTORS)
def test_boxes_are_answered_inside_the_original_image(name):
    model = built(name).eval()
    model.min_score = 0.0
    (wide,), (tall,) = make_images(1, 48, 160), make_images(1, 150, 60, seed=1)
    with torch.inference_mode():
        inputs, placements = model.preprocess([wide, tall])
        answers = model.decode(model(inputs), placements)
    for image, boxes in zip((wide, tall), answers, strict=True):
        assert 0 < len(boxes) <= model.max_boxes
        assert boxes.xyxy.device.type == boxes.scores.device.type == "cpu"
        assert boxes.xyxy.min() >= 0
        assert boxes.xyxy[:, 0::2].max() <= image.shape[2]
        assert boxes.xyxy[:, 1::2].max() <= image.shape[1]
        assert bool((boxes.xyxy[:, 2:] >= boxes.xyxy[:, :2]).all())
        assert bool((boxes.scores.diff() <= 0).all()), "best first"
        assert 0 <= float(boxes.scores.min()) <= float(boxes.scores.max()) <= 1
        assert set(boxes.labels.tolist()) <= set(range(NUM_CLASSES))


@ON_SMALL_BACKBONE
@pytest.mark.parametrize("name", SEGMENTERS)
def test_every_pixel_of_the_original_image_is_answered(name):
    model = built(name).eval()
    (wide,), (tall,) = make_images(1, 48, 160), make_images(1, 150, 60, seed=1)
    with torch.inference_mode():
        inputs, placements = model.preprocess([wide, tall])
        outputs = model(inputs)
        answers, likely = model.decode(outputs, placements), model.probabilities(outputs, placements)
    assert outputs.main.shape == (2, NUM_CLASSES, *inputs.shape[2:])
    for image, mask, shares in zip((wide, tall), answers, likely, strict=True):
        assert mask.classes.shape == image.shape[1:] == shares.shape[1:]
        assert mask.classes.device.type == "cpu"
        assert set(mask.classes.unique().tolist()) <= set(range(NUM_CLASSES))
        torch.testing.assert_close(shares.sum(0), torch.ones(image.shape[1:]))
        assert float((shares.argmax(0) == mask.classes).float().mean()) > 0.999


@pytest.mark.parametrize("name", ["resnet18", "cifar_resnet20", "lenet5", "vit_tiny_16"])
def test_gray_networks_answer_color_images(name):
    model = built(name, in_channels=1).eval()
    inputs, placements = model.preprocess(make_images(2))
    with torch.no_grad():
        assert len(model.decode(model(inputs), placements)) == 2


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "cifar_resnet20"])
def test_feature_maps_have_the_channels_and_strides_that_they_claim(name):
    backbone = built(name).backbone.eval()
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, 96, 128))
    assert [m.shape[1] for m in maps] == list(backbone.channels)
    for feature, stride in zip(maps, backbone.strides, strict=True):
        assert abs(feature.shape[2] - 96 / stride) <= 1
        assert abs(feature.shape[3] - 128 / stride) <= 1


@ON_SMALL_BACKBONE
# Other segmenters, detectors and small classifiers are compared with what ONNX Runtime makes of them, file by file.
@pytest.mark.parametrize("name", ["resnet18", "fcn16s_squeezenet", "fcn32s_squeezenet", *GROUPERS])
def test_exported_equals_eager(name):
    model = built(name).eval()
    inputs, _ = model.preprocess(make_images(2))
    program = torch.export.export(model, (inputs,), strict=False).module()
    with torch.no_grad():
        for exported, eager in zip(tensors(program(inputs)), tensors(model(inputs)), strict=True):
            torch.testing.assert_close(exported, eager, atol=1e-5, rtol=1e-4)


def _fill(parameter, value, rows=slice(None)):
    with torch.no_grad():
        parameter[rows] = value


def _wrong_temperature(model):
    model.criterion.temperature = 0.002


# How each prior is spoiled; what is named then.
PRIORS = {
    "retinanet_squeezenet": (lambda model: _fill(model.class_output.bias, 0.0), "classes"),
    "fcos_squeezenet": (lambda model: _fill(model.class_output.bias, 0.0), "classes"),
    "yolo3_squeezenet": (lambda model: [_fill(one.bias, 0.0) for one in model.outputs], "objectness"),
    "faster_rcnn_squeezenet": (lambda model: _fill(model.proposals.logits.bias, 9.0), "objectness"),
    "faster_rcnn_squeezenet_fpn": (lambda model: _fill(model.head.logits.bias, -9.0, slice(0, 1)), "classes"),
    "fast_rcnn_squeezenet": (lambda model: _fill(model.head.logits.bias, -9.0, slice(0, 1)), "classes"),
    "detr_squeezenet": (lambda model: _fill(model.class_output.bias, 9.0, slice(0, 1)), "classes"),
    MASKED: (lambda model: _fill(model.detector.proposals.logits.bias, 9.0), "objectness"),
    "border_unet_squeezenet": (lambda model: _fill(model.output.bias, 9.0, slice(1, 2)), "cross_entropy"),
    "supcon_squeezenet": (_wrong_temperature, "supervised_contrastive"),
    "simclr_squeezenet": (_wrong_temperature, "contrastive"),
    "context_squeezenet": (lambda model: _fill(model.head[-1].bias, 9.0, slice(0, 1)), "neighbor"),
}


@ON_SMALL_BACKBONE
@pytest.mark.parametrize("name", PRIORS)
def test_first_losses_are_those_of_theory_unless_the_prior_is_wrong(name):
    model = built(name).train()
    inputs, targets = lesson(name, model, 6)
    with torch.no_grad():
        outputs = model(inputs)
        expected, first = model.expected_losses(outputs, targets), model.loss(outputs, targets)
        assert expected
        for loss, value in expected.items():
            assert value / 1.6 < float(first[loss]) < value * 1.6, loss
        spoil, named = PRIORS[name]
        spoil(model)
        outputs = model(inputs)
        expected = model.expected_losses(outputs, targets)[named]
        assert not expected / 2 <= float(model.loss(outputs, targets)[named]) <= expected * 2
