"""Every kind of model has a graph of tensors, which gives for a batch what `decode` says, also in ONNX Runtime."""

import functools

import pytest
import torch
from tiny_backbone import TinyBackbone
from torch import nn

from zorki import registry
from zorki.contracts.capabilities import Exportable, ExportsParts
from zorki.engine.export.onnx_file import export_onnx, graphs_of, part_path
from zorki.nn.backbones import named
from zorki.types import ClassInfo, Placement

SIDE, NUM_CLASSES = 96, 3
INFO = ClassInfo(("a", "b", "c"))
# One of each way from pixels to outputs; other models share theirs, which the last test sees to.
FAMILIES = {
    "lenet5": {"image_size": 32},
    "ssd_squeezenet": {}, "retinanet_squeezenet": {"channels": 32, "depth": 1},
    "fcos_squeezenet": {"channels": 32, "depth": 1}, "yolo1_squeezenet": {}, "yolo3_squeezenet": {},
    "detr_squeezenet": {"width": 32, "layers": 1, "queries": 20},
    "two_stage_detr_squeezenet": {"width": 32, "layers": 1, "queries": 20},
    "rtdetr_squeezenet": {"width": 32, "layers": 1, "queries": 20},
    "dfine_squeezenet": {"width": 32, "layers": 1, "queries": 20},
    "faster_rcnn_squeezenet_fpn": {"hidden": 32, "channels": 32, "max_boxes": 20},
    "rcnn_squeezenet": {"hidden": 32}, "sppnet_squeezenet": {"hidden": 32}, "fast_rcnn_squeezenet": {"hidden": 32},
    "localizer_squeezenet1_1": {}, "cam_squeezenet1_1": {},
    "unet": {"width": 8, "depth": 2}, "full_resolution": {"width": 8}, "segnet_basic": {"width": 16},
    "sliding_window_small": {"step": 8}, "unet_squeezenet": {}, "fcn32s_squeezenet": {},
    "pspnet_squeezenet": {}, "deeplabv3_squeezenet": {},
    "border_unet_squeezenet": {}, "plain_unet_squeezenet": {}, "deep_watershed_squeezenet": {},
    "deep_coloring_squeezenet": {},
    "mask_rcnn_squeezenet_fpn": {"hidden": 32, "channels": 32, "max_boxes": 10, "mask_hidden": 16},
    "deep_pose_squeezenet": {"stages": 2}, "triplet_squeezenet": {}, "simclr_squeezenet": {},
    "c3d_small": {"frames": 4, "width": 2, "hidden": 8}, "x3d_xs": {}, "frame_average_squeezenet": {"frames": 2},
    "gru_squeezenet": {"frames": 2}, "two_stream_squeezenet": {"frames": 2}, "siamfc_squeezenet": {"image_size": 255},
    "fast_style_squeezenet": {"width": 4},
}  # fmt: skip
# One for each kind of operator that PyTorch's exporter needs help with; an export takes seconds.
WRITTEN = ["lenet5", "yolo1_squeezenet", "detr_squeezenet", "unet", "siamfc_squeezenet"]
# As those on small backbones, but for layers that would take minutes; written by hand before a release.
LARGE = {"fc_densenet56", "fcn8s_vgg16", "fcn_resnet50", "segnet_vgg16"}
NO_GRAPH = {"gatys_squeezenet"}  # whose images are optimized, step by step


@pytest.fixture(scope="module")
def made():
    """A model of that name whose predictions differ from place to place, as a trained one's do, on a small backbone."""
    patch = pytest.MonkeyPatch()
    patch.setitem(named.BACKBONES, "squeezenet", TinyBackbone)

    @functools.cache
    def build(name):
        torch.manual_seed(0)
        options = FAMILIES[name]
        size = {"image_size": SIDE} if registry.find(name).takes("image_size") else {}
        model = registry.build(name, NUM_CLASSES, registry.canonical_options({**size, **options})).eval()
        with torch.no_grad():
            for path, layer in model.named_modules():
                if isinstance(layer, nn.Conv2d | nn.Linear) and "backbone" not in path and layer.bias is not None:
                    layer.weight.mul_(1.5)
                    layer.bias.add_(torch.randn_like(layer.bias) * 0.3).clamp_(min=-2)
        return model

    yield build
    patch.undo()


def batch_of_three(name, value):
    """An input of that name for three images: smooth pixels, or the rows of the first two and the first again."""
    if name == "images":
        generator = torch.Generator().manual_seed(5)
        planes = value[0, ..., 0, 0].numel()
        coarse = torch.rand((3, planes, 6, 6), generator=generator) * 255
        smooth = nn.functional.interpolate(coarse, value.shape[-2:], mode="bicubic").clamp(0, 255)
        return smooth.reshape(3, *value.shape[1:]).to(value.dtype)
    if name == "exemplars":  # of which those of an even image are one number
        return torch.rand((3, *value.shape[1:]), generator=torch.Generator().manual_seed(6))
    if name == "frames":  # of which the second image does not fill its canvas
        value = value.clone()
        value[1, 1], value[1, 3] = 12.0, value[1, 3] - 12
    return torch.cat([value, value[:1]])


def run(path, inputs):
    runtime = pytest.importorskip("onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return {one.name: torch.from_numpy(values) for one, values in zip(session.get_outputs(), found, strict=True)}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_graph_gives_what_decode_says(name, made):
    model = made(name)
    side = FAMILIES[name].get("image_size", SIDE)
    for graph in graphs_of(model, side, side).values():
        inputs = {key: batch_of_three(key, value) for key, value in graph.inputs.items()}
        found = outputs_of(graph, inputs)
        check_decoding(model, graph, inputs, found)
        for key, value in found.items():
            assert value.shape[0] == 3
            assert key in ("count", "labels") or float(value.float().std()) > 0, f"{key} is alike everywhere"


def outputs_of(graph, inputs):
    with torch.no_grad():
        given = graph.network(*inputs.values())
    return dict(zip(graph.outputs, given if isinstance(given, tuple) else (given,), strict=True))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_gives_what_the_network_gives(name, made, tmp_path):
    model = made(name)
    side = FAMILIES[name].get("image_size", SIDE)
    path = tmp_path / "model.onnx"
    export_onnx(model, path, side, side, INFO)
    for part, graph in graphs_of(model, side, side).items():
        inputs = {key: batch_of_three(key, value) for key, value in graph.inputs.items()}
        expected = outputs_of(graph, inputs)
        found = run(part_path(path, part), inputs)
        assert list(found) == list(graph.outputs)
        for key, value in found.items():
            torch.testing.assert_close(value, expected[key], atol=1e-3, rtol=1e-4)


def check_decoding(model, graph, inputs, found):
    """What `decode` says of the same inputs."""
    kind, (height, width) = graph.decoding.kind, inputs["images"].shape[-2:]
    if kind in ("label", "embedding", "class_map", "clip_label"):
        return check_plain(model, inputs, found)
    if kind not in ("boxes", "box_masks") or "regions" in inputs:
        return
    images = inputs["images"]
    frames = inputs.get("frames", torch.tensor([[0.0, 0, width, height]] * 3))
    places = [
        Placement(int(y1 - y0), int(x1 - x0), 1.0, float(x0), float(y0), height, width) for x0, y0, x1, y1 in frames
    ]
    with torch.no_grad():
        given = model.network_inputs(images, frames) if hasattr(model, "network_inputs") else images
        predictions = model.decode(model(given), places)
    for row, (prediction, frame) in enumerate(zip(predictions, frames, strict=True)):
        count = int(found["count"][row])
        assert len(prediction) == count > 2
        moved = found["xyxy"][row, :count] - frame[:2].repeat(2)
        torch.testing.assert_close(moved, prediction.xyxy, atol=2e-3, rtol=0)
        torch.testing.assert_close(found["scores"][row, :count], prediction.scores, atol=1e-4, rtol=0)
        assert torch.equal(found["labels"][row, :count], prediction.labels)
        assert (found["labels"][row, count:] == -1).all()


def check_plain(model, inputs, found):
    images = inputs["images"]
    (value, *_) = found.values()
    with torch.no_grad():
        if hasattr(model, "embedding_dim"):
            shape = images[:, None] if "length" in found else images
            expected = torch.stack([one.vector for one in model.decode(model(shape), [Placement(1, 1)] * 3)])
        elif value.ndim == 4:
            expected = model(images).main
        elif "flow" in inputs:
            return
        else:
            expected = torch.stack([one.scores for one in model.decode(model(images), [Placement(1, 1)] * 3)])
    torch.testing.assert_close(value, expected, atol=1e-4, rtol=1e-4)


def ways(model):
    """Which functions of its class lead from pixels to the outputs of a file."""
    names = (
        "export_graph",
        "export_parts",
        "export_network",
        "forward",
        "maps",
        "candidates",
        "grouping",
        "clip_logits",
    )
    found = [getattr(type(model), name, None) for name in names]
    return tuple(one if one is None else one.__qualname__ for one in found)


def test_every_model_has_a_graph_and_a_family(made):
    tested = {ways(made(name)) for name in FAMILIES}
    with torch.device("meta"):
        for entry in {entry.build.__module__: entry for entry in reversed(registry.entries())}.values():
            model = registry.build(entry.name, NUM_CLASSES)
            if entry.name in NO_GRAPH:
                assert not isinstance(model, Exportable | ExportsParts)
                continue
            assert isinstance(model, Exportable | ExportsParts), entry.name
            assert ways(model) in tested or entry.name in LARGE, (
                f"{entry.name} goes its own way from pixels to outputs: add it to FAMILIES"
            )
