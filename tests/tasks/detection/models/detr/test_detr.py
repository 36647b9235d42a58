import itertools

import pytest
import torch
from lessons import check_that_the_loss_falls
from torch.nn import functional

from zorki import registry
from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.tasks.detection.models.detr.detr import Detr, DetrOutputs, _check_word, detr, detr_resnet50
from zorki.tasks.detection.models.detr.set_loss import SetLoss
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.types import Boxes, Padded, Placement

NUM_CLASSES = 3


def small(**changes):
    torch.manual_seed(0)
    return detr(
        NUM_CLASSES, backbone="squeezenet", **{"image_size": 64, "queries": 6, "width": 32, "layers": 2, **changes}
    )


def make_images(count, height=64, width=64):
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(1)).byte()


def boxes(*rows):
    return Boxes(
        torch.tensor([row[:4] for row in rows], dtype=torch.float32).reshape(-1, 4),
        torch.tensor([row[4] for row in rows], dtype=torch.int64),
    )


TARGETS = [
    boxes((4, 5, 30, 28, 0), (20, 12, 50, 60, 2), (40, 2, 60, 20, 1)),
    boxes((10, 10, 50, 50, 1)),
]


def chance_outputs(layers=2, count=2, queries=6, slots=NUM_CLASSES + 1):
    generator = torch.Generator().manual_seed(3)
    frames = torch.tensor([[0.0, 0, 64, 64], [0, 8, 64, 48]]).repeat(count, 1)[:count]
    return DetrOutputs(
        torch.randn(layers, count, queries, slots, generator=generator) * 2,
        torch.rand(layers, count, queries, 4, generator=generator) * 0.8 + 0.1,
        frames,
    )


def giou(a, b):
    """GIoU of two xyxy boxes with a pencil."""
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return shared / union - (hull - union) / hull


def slow_loss(outputs, targets):
    """The paper's matching by trying all ways, and its loss, layer by layer and box by box."""
    layers = []
    count = sum(len(target) for target in targets)
    for logits, predictions in zip(outputs.logits, outputs.boxes, strict=True):
        surprise = weight = distance = overlap = 0.0
        for image, target in enumerate(targets):
            left, top, right, bottom = outputs.frames[image].tolist()
            width, height = right - left, bottom - top
            target_boxes = [
                [(x0 - left) / width, (y0 - top) / height, (x1 - left) / width, (y1 - top) / height]
                for x0, y0, x1, y1 in target.xyxy.tolist()
            ]
            p = logits[image].softmax(-1).tolist()
            found = predictions[image].tolist()

            def terms(query, row, found=found, target_boxes=target_boxes):
                x, y, w, h = found[query]
                x0, y0, x1, y1 = target_boxes[row]
                away = abs(x - (x0 + x1) / 2) + abs(y - (y0 + y1) / 2) + abs(w - (x1 - x0)) + abs(h - (y1 - y0))
                return away, giou([x - w / 2, y - h / 2, x + w / 2, y + h / 2], target_boxes[row])

            def cost(query, row, p=p, target=target, terms=terms):
                away, same = terms(query, row)
                return -p[query][int(target.labels[row])] + 5 * away - 2 * same

            ways = itertools.permutations(range(len(p)), len(target_boxes))
            best = min(ways, key=lambda way: sum(cost(query, row) for row, query in enumerate(way)))
            labels = [NUM_CLASSES] * len(p)
            for row, query in enumerate(best):
                labels[query] = int(target.labels[row])
                away, same = terms(query, row)
                distance += 5 * away / count
                overlap += 2 * (1 - same) / count
            for query, label in enumerate(labels):
                share = 0.1 if label == NUM_CLASSES else 1.0
                surprise -= share * float(torch.tensor(p[query][label]).log())
                weight += share
        layers.append((surprise / weight, distance, overlap))
    return layers


def test_the_loss_equals_the_paper_tried_out_in_all_ways():
    outputs = chance_outputs()
    losses = small().loss(outputs, TARGETS)
    first, last = slow_loss(outputs, TARGETS)
    assert [float(losses[name]) for name in ("classes", "distance", "overlap")] == pytest.approx(last, rel=1e-4)
    assert float(losses["auxiliary"]) == pytest.approx(sum(first), rel=1e-4)


def test_one_layer_has_no_auxiliary_loss():
    assert set(small().loss(chance_outputs(layers=1), TARGETS)) == {"classes", "distance", "overlap"}


def test_more_objects_than_queries_are_matched_as_far_as_they_go():
    losses = small().loss(chance_outputs(queries=2), TARGETS)
    assert all(bool(value.isfinite()) for value in losses.values())


@pytest.mark.parametrize("classes", ["softmax", "focal"])
def test_the_order_of_objects_does_not_matter(classes):
    model = small(classes=classes)
    outputs = chance_outputs(slots=NUM_CLASSES + (classes == "softmax"))
    losses = model.loss(outputs, TARGETS)
    turned = model.loss(outputs, [target[torch.arange(len(target)).flip(0)] for target in TARGETS])
    for name, value in losses.items():
        torch.testing.assert_close(turned[name], value)


def test_focal_cost_and_loss_by_hand():
    rule = SetLoss(2, "focal")
    p = torch.tensor([[0.9, 0.2], [0.3, 0.6]])
    logits = torch.logit(p)[None, None]
    here = torch.tensor([[[[0.5, 0.5, 0.4, 0.4]] * 2]])
    ground_truths = stack_ground_truths([boxes((0.3, 0.3, 0.7, 0.7, 1))])
    losses = rule(logits, here, ground_truths.xyxy, ground_truths)
    # The second query is surer of class 1, and the places are the same.
    right = 0.25 * (1 - 0.6) ** 2 * -torch.tensor(0.6).log()
    wrong = sum(0.75 * q**2 * -torch.tensor(1 - q).log() for q in (0.9, 0.2, 0.3))
    torch.testing.assert_close(losses["classes"], 2 * (right + wrong)[None])
    assert float(losses["distance"]) == pytest.approx(0, abs=1e-6)
    assert float(losses["overlap"]) == pytest.approx(0, abs=1e-5)


def test_diverged_predictions_are_told_by_the_loss():
    outputs = chance_outputs()
    outputs.logits[:] = torch.nan
    assert bool(small().loss(outputs, TARGETS)["classes"].isnan())


@pytest.mark.parametrize("changes", [{"pre_norm": False}, {"classes": "focal", "ranking": "pair"}])
def test_the_loss_falls_on_a_repeated_batch_and_reaches_every_parameter(changes):
    model = small(**changes)
    check_that_the_loss_falls(model, make_images(2), TARGETS, to=0.7, clip=0.1)
    assert not [name for name, p in model.named_parameters() if p.grad is None]


@pytest.mark.parametrize("classes", ["softmax", "focal"])
def test_images_without_objects_teach_that_nothing_is_there(classes):
    model = small(classes=classes).train()
    losses = model.loss(model(make_images(2)), [TARGETS[0][:0]] * 2)
    assert float(losses["distance"].detach()) == float(losses["overlap"].detach()) == 0
    torch.stack(list(losses.values())).sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())
    assert float(model.class_output.weight.grad.abs().sum()) > 0


def test_a_query_predictions_its_best_class_in_original_pixels():
    model = small()
    logits = torch.full((1, 1, 2, 4), -20.0)
    logits[0, 0, 0, 3], logits[0, 0, 0, 1] = 1.0, 0.0
    logits[0, 0, 1, 2] = 5.0
    shares = torch.tensor([[[[0.5, 0.5, 1.0, 1.0], [0.25, 0.5, 0.5, 0.5]]]])
    # An image of 100 x 200, halved, in the middle of a canvas of 64 x 128.
    frame = torch.tensor([[14.0, 7.0, 114.0, 57.0]])
    (answer,) = model.decode(DetrOutputs(logits, shares, frame), [Placement(100, 200, 0.5, 14, 7, 64, 128)])
    assert answer.labels.tolist() == [2, 1]
    assert answer.scores.tolist() == pytest.approx([1.0, 1 / (1 + torch.tensor(1.0).exp().item())], abs=1e-4)
    torch.testing.assert_close(answer.xyxy, torch.tensor([[0.0, 25, 100, 75], [0, 0, 200, 100]]))


def test_pairs_of_query_and_class_may_name_a_query_twice():
    model = small(ranking="pair", classes="focal")
    logits = torch.tensor([[[[2.0, 1.0, -5.0], [0.0, -6.0, -7.0]]]])
    shares = torch.tensor([[[[0.5, 0.5, 1.0, 1.0], [0.25, 0.5, 0.5, 0.5]]]])
    found = model.candidates(DetrOutputs(logits, shares, torch.tensor([[0.0, 0, 10, 10]])))
    assert found.labels[0].tolist() == [0, 1, 0, 2, 1, 2]
    torch.testing.assert_close(found.scores[0, :3], torch.tensor([2.0, 1.0, 0.0]).sigmoid())
    assert found.xyxy[0, :3, 2].tolist() == [10, 10, 5]


def test_a_canvas_around_a_image_changes_little_and_its_boxes_move_along():
    model = small().eval()
    inputs = make_images(1, 48, 64)
    canvas = torch.full((1, 3, 96, 96), 114, dtype=torch.uint8)
    canvas[:, :, 16:64, 16:80] = inputs
    with torch.no_grad():
        alone, placed = model(inputs), model(Padded(canvas, torch.tensor([[16, 16, 80, 64]])))
    assert alone.frames.tolist() == [[0, 0, 64, 48]]
    assert placed.frames.tolist() == [[16, 16, 80, 64]]
    torch.testing.assert_close(placed.boxes, alone.boxes, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("gray", [114, 200])
def test_images_keep_edges_of_whatever_gray(gray):
    """The canvas is gray as well, with level 114: what is canvas is told, not seen."""
    model = small().eval()
    (image,) = make_images(1, 40, 64)
    image[:, :12] = image[:, :, 50:] = gray
    inputs, placements = model.preprocess([image])
    assert inputs.shape == (1, 3, 64, 64)
    with torch.no_grad():
        outputs = model(inputs)
    assert outputs.frames.tolist() == [[0, 12, 64, 52]]
    outputs.logits[-1, 0, :, 0] = 20.0
    outputs.boxes[-1, 0] = torch.tensor([0.5, 0.5, 1.0, 1.0])
    (answer,) = model.decode(outputs, placements)
    torch.testing.assert_close(answer.xyxy, torch.tensor([[0.0, 0, 64, 40]]).expand(len(answer), -1))


def test_runs_of_earlier_versions_get_the_edges_too():
    model = small()
    model.restore_preprocess(Letterbox(96, 32))
    assert model.preprocess == Letterbox(96, 32, padded=True)


def published_names():
    """The names and shapes of the published file, from the parts that its repository's modules are made of."""
    from torchvision.models import resnet50

    names = {}
    with torch.device("meta"):
        for name, value in resnet50().state_dict().items():
            if not name.startswith("fc.") and not name.endswith("num_batches_tracked"):
                names[f"backbone.0.body.{name}"] = tuple(value.shape)

    def layer(path, rows, columns):
        names[f"{path}.weight"], names[f"{path}.bias"] = (rows, columns), (rows,)

    def norm(path):
        names[f"{path}.weight"] = names[f"{path}.bias"] = (256,)

    for side, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "multihead_attn"])):
        for index in range(6):
            path = f"transformer.{side}.layers.{index}"
            for attention in attentions:
                names[f"{path}.{attention}.in_proj_weight"] = (768, 256)
                names[f"{path}.{attention}.in_proj_bias"] = (768,)
                layer(f"{path}.{attention}.out_proj", 256, 256)
            layer(f"{path}.linear1", 2048, 256)
            layer(f"{path}.linear2", 256, 2048)
            for number in range(len(attentions) + 1):
                norm(f"{path}.norm{number + 1}")
    norm("transformer.decoder.norm")
    names["query_embed.weight"] = (100, 256)
    names["input_proj.weight"], names["input_proj.bias"] = (256, 2048, 1, 1), (256,)
    layer("class_embed", 92, 256)
    for index, rows in enumerate((256, 256, 4)):
        layer(f"bbox_embed.layers.{index}", rows, 256)
    return names


def test_the_published_file_fills_the_network_without_rest():
    with torch.device("meta"):
        model = detr_resnet50(91)
    own = {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked") and not name.startswith("normalize.")
    }
    assert {model.weight_map.rename(name, model): shape for name, shape in published_names().items()} == own
    # The paper's Table 1 has 41 million; the frozen norms' scales are among them here.
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(41.5e6, abs=0.1e6)


def test_eighty_classes_take_their_rows_of_the_published_file():
    model = small_twin(80)
    state = {"weight": torch.arange(92.0)[:, None].expand(92, 32), "bias": torch.arange(92.0)}
    model.class_output.load_state_dict(state)
    rows = model.class_output.bias.tolist()
    assert len(rows) == 81
    assert (rows[0], rows[11], rows[79], rows[80]) == (1, 13, 90, 91)


def small_twin(num_classes):
    return detr(num_classes, backbone="squeezenet", image_size=64, queries=2, width=32, layers=1)


def test_frozen_norms_neither_learn_nor_drift():
    model = registry.build("detr_resnet18", NUM_CLASSES, {"image_size": 64, "width": 32, "layers": 1}).train()
    before = model.backbone.bn1.running_mean.clone()
    model(make_images(2))
    assert torch.equal(model.backbone.bn1.running_mean, before)
    assert not model.backbone.bn1.weight.requires_grad


def test_any_backbone_can_be_named():
    with torch.device("meta"):
        assert isinstance(registry.build("detr_mobilenet_v3_small", NUM_CLASSES), Detr)
    with pytest.raises(RecipeError, match="resnet18"):
        registry.find("detr_resnet81")


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(RecipeError, match="multiple of 32, not 100"):
        small(width=100)
    with pytest.raises(RecipeError, match="classes must be softmax or focal, not 'hinge'"):
        _check_word("classes", "hinge", ("softmax", "focal"))  # the builder itself: shape checks would be first


def test_bf16_predictions_are_read_in_float32():
    model = small().eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        outputs = model(make_images(2))
        losses = model.loss(outputs, TARGETS)
        found = model.candidates(outputs)
    assert {value.dtype for value in losses.values()} == {torch.float32}
    assert found.xyxy.dtype == found.scores.dtype == torch.float32
    target_boxes = functional.softmax(outputs.logits[-1].float(), -1)[..., :-1].amax(-1)
    torch.testing.assert_close(found.scores, target_boxes)
