"""YOLO v3: which anchor learns what, by pencil and by a slow twin; its loss in loops; its authors' number of values."""

import math

import pytest
import torch

from zorki import registry
from zorki.errors import RecipeError
from zorki.ops.boxes import generalized_iou, pairwise_iou
from zorki.tasks.detection.models.yolo3.anchor_clusters import cluster_shapes, shape_iou
from zorki.tasks.detection.models.yolo3.anchors import (
    PAPER_ANCHORS,
    anchor_grid,
    decode_yolo,
    encode_yolo,
    match_shapes,
    overlaps_any,
)
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.types import Boxes, Placement

STRIDES = (8, 16, 32)
SHAPES = torch.tensor(PAPER_ANCHORS, dtype=torch.float32).view(3, 3, 2)


def random_boxes(count, side, seed):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * side * 0.7
    size = torch.rand(count, 2, generator=generator) * side * 0.3 + 4
    return Boxes(torch.cat([low, low + size], 1), torch.randint(0, 3, (count,), generator=generator))


def cells_of(height, width):
    return [(height // stride, width // stride) for stride in STRIDES]


def small(**options):
    torch.manual_seed(0)
    return registry.build("yolo3_squeezenet", 3, {"image_size": 96, **options})


def test_the_published_network_has_as_many_values_as_its_authors_file():
    with torch.device("meta"):
        model = registry.build("yolo3_darknet53", 80)
    network = [model.backbone, model.neck, model.outputs]
    values = sum(p.numel() for part in network for p in part.parameters())
    values += sum(b.numel() for part in network for name, b in part.named_buffers() if "running" in name)
    # yolov3.weights has 248,007,048 bytes: a head of 20, then floats.
    assert values == (248_007_048 - 20) // 4


def test_a_box_is_learned_in_its_cell_by_the_anchor_of_its_shape():
    # 30 x 61 is the first anchor of the middle scale; the center (100, 50) lies in column 6 and row 3 of 16 pixels.
    target = Boxes(torch.tensor([[85.0, 19.5, 115, 80.5]]), torch.tensor([0]))
    owner = match_shapes(stack_ground_truths([target]), cells_of(128, 160), STRIDES, SHAPES, 1.0)
    finest = 16 * 20 * 3
    assert owner.shape == (1, (16 * 20 + 8 * 10 + 4 * 5) * 3)
    assert (owner[0] >= 0).nonzero().tolist() == [[finest + (3 * 10 + 6) * 3]]


def slow_match(target, cells, also):
    start = [0, cells[0][0] * cells[0][1] * 3, (cells[0][0] * cells[0][1] + cells[1][0] * cells[1][1]) * 3]
    owners = [-1] * sum(rows * columns * 3 for rows, columns in cells)
    certain = set()
    for box, (left, top, right, bottom) in enumerate(target.xyxy.tolist()):
        overlaps = []
        for width, height in PAPER_ANCHORS:
            shared = min(width, right - left) * min(height, bottom - top)
            overlaps.append(shared / (width * height + (right - left) * (bottom - top) - shared))
        for anchor, overlap in enumerate(overlaps):
            level, place = divmod(anchor, 3)
            rows, columns = cells[level]
            column = min(int((left + right) / 2 / STRIDES[level]), columns - 1)
            row = min(int((top + bottom) / 2 / STRIDES[level]), rows - 1)
            slot = start[level] + (row * columns + column) * 3 + place
            best = overlap == max(overlaps)
            if best or (overlap > also and slot not in certain):
                owners[slot] = box
            if best:
                certain.add(slot)
    return owners


@pytest.mark.parametrize("also", [1.0, 0.4])
def test_matching_is_the_slow_twins(also):
    targets = [random_boxes(6, 128, 1), random_boxes(0, 128, 2), random_boxes(9, 128, 3)]
    cells = cells_of(128, 160)
    owner = match_shapes(stack_ground_truths(targets), cells, STRIDES, SHAPES, also)
    assert owner.tolist() == [slow_match(target, cells, also) for target in targets]


def test_of_boxes_that_share_an_anchor_the_later_is_learned():
    twins = Boxes(torch.tensor([[10.0, 10, 20, 23], [10.5, 11, 20.5, 24]]), torch.tensor([0, 1]))
    owner = match_shapes(stack_ground_truths([twins]), cells_of(64, 64), STRIDES, SHAPES, 1.0)
    assert owner[owner >= 0].tolist() == [1]


def test_decoding_by_pencil():
    grid = anchor_grid([(2, 3)], [16], torch.tensor([[[10.0, 20.0]]]))
    offsets = torch.zeros(1, 6, 4)
    offsets[0, 4] = torch.tensor([0.0, math.log(3), math.log(2), 0])
    # Row 1, column 1: the cell's corner is (16, 16); sigmoid(log 3) is 3/4.
    assert decode_yolo(offsets, grid)[0, 4].tolist() == pytest.approx([14, 18, 34, 38])


def test_places_made_while_predicting_can_be_learned_from_and_shapes_may_change():
    shapes = torch.tensor([[[10.0, 20.0]]])
    with torch.inference_mode():
        first = anchor_grid([(5, 7)], [16], shapes)
    second = anchor_grid([(5, 7)], [16], shapes * 2)
    assert second.corners is first.corners
    assert not second.corners.is_inference()
    assert second.shapes.unique(dim=0).tolist() == [[20, 40]]


def test_decoding_what_was_encoded_gives_the_box():
    grid = anchor_grid(cells_of(64, 96), STRIDES, SHAPES)
    rows = torch.tensor([5, 200, 330])
    corners, sides, shapes = grid.corners[rows], grid.sides[rows], grid.shapes[rows]
    center = corners + sides * torch.tensor([[0.2, 0.7], [0.5, 0.5], [0.9, 0.1]])
    size = torch.tensor([[12.0, 30], [7, 8], [200, 90]])
    boxes = torch.cat([center - size / 2, center + size / 2], 1)
    aims = encode_yolo(boxes, corners, sides, shapes)
    offsets = torch.cat([aims[:, :2].logit(), aims[:, 2:]], 1)
    everything = torch.zeros(len(grid.corners), 4)
    everything[rows] = offsets
    torch.testing.assert_close(decode_yolo(everything, grid)[rows], boxes)


def test_overlaps_by_pencil_and_padding_overlaps_nothing():
    ground_truths = stack_ground_truths([
        Boxes(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([0])), Boxes(torch.zeros(0, 4), torch.zeros(0).long())
    ])  # fmt: skip
    found = torch.tensor([[0.0, 0, 10, 6], [0, 0, 10, 5], [0, 0, 0, 0]]).expand(2, 3, 4)
    assert overlaps_any(found, ground_truths, 0.5).tolist() == [[True, False, False], [False, False, False]]


def slow_loss(model, outputs, targets, box_loss):
    """The sums of section 2, one anchor at a time."""
    terms = {"boxes": 0.0, "objectness": 0.0, "classes": 0.0}
    count = 0
    grid = outputs.grid
    boxes = decode_yolo(outputs.predictions[..., :4], grid)
    owners = match_shapes(stack_ground_truths(targets), grid.cells, STRIDES, model.anchors, 1.0)
    for predictions, decoded, owner, target in zip(outputs.predictions, boxes, owners, targets, strict=True):
        for row, box in enumerate(owner.tolist()):
            p = float(predictions[row, 4].double().sigmoid())
            if box < 0:
                near = len(target) and float(pairwise_iou(decoded[row][None], target.xyxy).max()) > 0.5
                terms["objectness"] -= 0 if near else math.log(1 - p)
                continue
            count += 1
            terms["objectness"] -= math.log(p)
            for label, logit in enumerate(predictions[row, 5:].double().sigmoid().tolist()):
                terms["classes"] -= math.log(logit if label == int(target.labels[box]) else 1 - logit)
            ground_truth = target.xyxy[box]
            if box_loss == "giou":
                terms["boxes"] += 2 * (1 - float(generalized_iou(decoded[row], ground_truth)))
                continue
            left, top, right, bottom = ground_truth.tolist()
            corner, side, shape = grid.corners[row].tolist(), float(grid.sides[row]), grid.shapes[row].tolist()
            aims = (
                ((left + right) / 2 - corner[0]) / side,
                ((top + bottom) / 2 - corner[1]) / side,
                math.log((right - left) / shape[0]),
                math.log((bottom - top) / shape[1]),
            )
            got = [*predictions[row, :2].sigmoid().tolist(), *predictions[row, 2:4].tolist()]
            weight = 2 - (right - left) * (bottom - top) / (96 * 64)
            terms["boxes"] += weight * sum((value - aim) ** 2 for value, aim in zip(got, aims, strict=True))
    return {name: value / count for name, value in terms.items()}


@pytest.mark.parametrize("box_loss", ["giou", "squared"])
def test_the_loss_is_the_slow_twins(box_loss):
    model = small(box_loss=box_loss).eval()
    targets = [random_boxes(3, 64, 1), random_boxes(0, 64, 0), random_boxes(2, 64, 4)]
    with torch.no_grad():
        outputs = model(torch.randint(0, 256, (3, 3, 64, 96), dtype=torch.uint8))
        losses = model.loss(outputs, targets)
    target_boxes = slow_loss(model, outputs, targets, box_loss)
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(target_boxes, rel=1e-4)


def test_an_anchor_whose_prediction_is_near_a_box_is_let_be():
    model = small().eval()
    with torch.no_grad():
        outputs = model(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))
        outputs.predictions[:, :, :4] = 0
        # The box that the second anchor of the first cell predictions; the first anchor's shape is the better one for
        # it.
        width, height = model.anchors[0, 0].tolist()
        target = Boxes(
            torch.tensor([[4 - width / 2, 4 - height / 2, 4 + width / 2, 4 + height / 2]]), torch.tensor([0])
        )
        outputs.predictions[0, 1, 2:4] = (model.anchors[0, 0] / model.anchors[0, 1]).log()
        before = model.loss(outputs, [target])["objectness"]
        outputs.predictions[0, 1, 4] = 50
        assert torch.equal(model.loss(outputs, [target])["objectness"], before)
        outputs.predictions[0, 2, 4] = 50
        assert model.loss(outputs, [target])["objectness"] > before + 40


def test_images_without_objects_teach_that_there_are_none():
    model = small()
    bare = Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = model.loss(model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)), [bare, bare])
    sum(losses.values()).backward()
    assert losses["objectness"] > 0
    assert losses["boxes"] == 0
    assert losses["classes"] == 0


def test_untrained_anchors_expect_an_object_in_a_hundredth():
    model = small().eval()
    with torch.no_grad():
        predictions = model(torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)).predictions
    assert float(predictions[..., 4].sigmoid().mean()) == pytest.approx(0.01, rel=0.5)


def test_predictions_are_in_original_pixels():
    model = small().eval()
    outputs = model(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))
    outputs.predictions = torch.full_like(outputs.predictions, -20.0)
    row = 8 * 12 * 3 + (1 * 6 + 2) * 3 + 1  # the middle scale, row 1, column 2, the second anchor
    outputs.predictions[0, row] = torch.tensor([0.0, 0, 0, 0, 9, -9, 9, -9])
    width, height = model.anchors[1, 1].tolist()
    placement = Placement(120, 180, 0.5, 3, 2, 64, 96)
    (boxes,) = model.decode(outputs, [placement])
    assert boxes.labels.tolist() == [1]
    assert boxes.xyxy[0].tolist() == pytest.approx(
        [
            (40 - width / 2 - 3) / 0.5,
            (24 - height / 2 - 2) / 0.5,
            (40 + width / 2 - 3) / 0.5,
            (24 + height / 2 - 2) / 0.5,
        ],
        rel=1e-4,
    )


def test_clusters_are_found_and_sorted_by_area():
    generator = torch.Generator().manual_seed(0)
    groups = torch.tensor([[100.0, 40], [10, 10], [20, 60]])
    shapes = (groups[:, None] * (1 + 0.1 * torch.rand(3, 30, 1, generator=generator))).reshape(-1, 2)
    means = shapes.view(3, 30, 2).mean(1)
    torch.testing.assert_close(cluster_shapes(shapes, 3), means[[1, 2, 0]])


def test_clusters_serve_no_worse_than_the_papers_anchors():
    shapes = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 60 + 10
    found = shape_iou(shapes, cluster_shapes(shapes, 9)).amax(1).mean()
    assert found > shape_iou(shapes, SHAPES.view(9, 2)).amax(1).mean() + 0.1


def test_fewer_shapes_than_clusters_are_predicted_several_times():
    found = cluster_shapes(torch.tensor([[3.0, 4], [30, 40]]), 5)
    assert {tuple(row) for row in found.tolist()} == {(3.0, 4.0), (30.0, 40.0)}
    with pytest.raises(ValueError, match="one or more"):
        cluster_shapes(torch.zeros(0, 2), 3)


def test_anchors_are_fitted_where_asked_and_saved_with_the_weights():
    targets = [random_boxes(20, 200, seed) for seed in (1, 2)]
    asked, other = small(anchors="fit"), small()
    before = other.anchors.clone()
    asked.fit_to_data(targets, [(150, 192), (192, 100)])
    other.fit_to_data(targets, [(150, 192), (192, 100)])
    assert torch.equal(other.anchors, before)
    shapes = torch.cat([target.xyxy[:, 2:] - target.xyxy[:, :2] for target in targets]) / 2
    torch.testing.assert_close(asked.anchors.view(9, 2), cluster_shapes(shapes, 9))
    other.load_state_dict(asked.state_dict())
    assert torch.equal(other.anchors, asked.anchors)


def test_every_image_counts_at_its_own_scale():
    model = small(anchors="fit")
    first, second = ([0.0, 0, 10, 5], [100.0, 80, 192, 100])
    targets = [Boxes(torch.tensor([row]), torch.tensor([0])) for row in (first, second)]
    model.fit_to_data(
        [*targets, Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))], [(40, 96), (192, 100), (9, 9)]
    )
    assert {tuple(row) for row in model.anchors.view(9, 2).tolist()} == {(10.0, 5.0), (46.0, 10.0)}


def test_anchors_can_be_typed_in():
    typed = "1,2 3,4 5,6 7,8 9,10 11,12 13,14 15,16 17,18"
    assert small(anchors=typed).anchors.flatten().tolist() == list(range(1, 19))
    for wrong in ("papers", "1,2 3,4", typed.replace("1,2", "0,2")):
        with pytest.raises(RecipeError, match="nine pairs of width and height"):
            small(anchors=wrong)
    with pytest.raises(RecipeError, match="box_loss must be 'giou' or 'squared'"):
        small(box_loss="l1")
