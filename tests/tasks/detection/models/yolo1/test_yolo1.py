"""YOLO v1: cells by pencil, the loss of equation 3 in loops, predictions in original pixels."""

import math

import pytest
import torch

from zorki import registry
from zorki.errors import RecipeError
from zorki.ops.boxes import pairwise_iou
from zorki.tasks.detection.models.yolo1.cells import decode_cells, encode_cells, owners_of_cells, responsible
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.types import Boxes, Placement

CELLS, SIZE = (2, 3), (64, 96)


def boxes_of(*rows, labels=None):
    xyxy = torch.tensor(rows, dtype=torch.float32).view(-1, 4)
    return Boxes(xyxy, torch.tensor(labels or [0] * len(rows), dtype=torch.int64))


def small(**options):
    torch.manual_seed(0)
    return registry.build("yolo1_squeezenet", 3, {"image_size": 96, **options})


def test_a_box_as_its_cell_sees_it_by_pencil():
    # The center (40, 20) lies in the second cell of 32 pixels; a quarter of the width, a sixteenth of the height.
    box = torch.tensor([[28.0, 18, 52, 22]])
    assert encode_cells(box, torch.tensor([1]), CELLS, SIZE).tolist() == [[0.25, 0.625, 0.5, 0.25]]


def test_decoding_what_was_encoded_gives_the_box():
    target = boxes_of([3, 5, 20, 40], [50, 30, 90, 60], [0, 0, 96, 64], [70, 1, 95, 30])
    image, cell, row = owners_of_cells(stack_ground_truths([target]), CELLS, SIZE)
    assert image.tolist() == [0] * 4
    shares = torch.zeros(1, 6, 2, 4)
    shares[0, cell, 1] = encode_cells(target.xyxy[row], cell, CELLS, SIZE)
    torch.testing.assert_close(decode_cells(shares, CELLS, SIZE)[0, cell, 1], target.xyxy[row])


def test_the_cell_of_the_center_learns_the_largest_box():
    first = boxes_of([0, 0, 10, 10], [2, 2, 30, 30], [5, 5, 9, 9], [80, 40, 110, 80])
    second = boxes_of([40, 40, 50, 50])
    image, cell, row = owners_of_cells(stack_ground_truths([first, boxes_of(), second]), CELLS, SIZE)
    assert list(zip(image.tolist(), cell.tolist(), row.tolist(), strict=True)) == [(0, 0, 1), (0, 5, 3), (2, 4, 0)]


def test_of_equal_boxes_in_a_cell_the_last_is_learned():
    _, _, row = owners_of_cells(stack_ground_truths([boxes_of([0, 0, 9, 9], [1, 1, 10, 10])]), CELLS, SIZE)
    assert row.tolist() == [1]


def test_the_predictor_that_overlaps_most_predictions_or_the_nearest():
    overlap = torch.tensor([[0.2, 0.3, 0.0], [0, 0, 0]])
    errors = torch.tensor([[0.1, 5.0, 0.0], [3, 1, 2]])
    assert responsible(overlap, errors).tolist() == [1, 1]


def slow_loss(model, outputs, targets):
    """Section 2.2, equation 3, cell by cell."""
    terms = {"boxes": 0.0, "objects": 0.0, "classes": 0.0}
    (rows, columns), (height, width) = outputs.cells, outputs.size
    for predictions, target in zip(outputs.predictions.double(), targets, strict=True):
        owner = {}
        for box, (left, top, right, bottom) in enumerate(target.xyxy.tolist()):
            cell = int((top + bottom) / 2 / height * rows) * columns + int((left + right) / 2 / width * columns)
            if cell not in owner or (right - left) * (bottom - top) >= area(target.xyxy[owner[cell]]):
                owner[cell] = box
        for cell in range(rows * columns):
            predictors = [predictions[cell, 5 * n : 5 * n + 5].sigmoid().tolist() for n in range(model.boxes)]
            if cell not in owner:
                terms["objects"] += 0.5 * sum(numbers[4] ** 2 for numbers in predictors)
                continue
            left, top, right, bottom = (ground_truth := target.xyxy[owner[cell]]).tolist()
            overlaps = []
            for x, y, w, h, _ in predictors:
                center = ((cell % columns + x) * width / columns, (cell // columns + y) * height / rows)
                size = (w**2 * width, h**2 * height)
                corners = [c + sign * s / 2 for sign in (-1, 1) for c, s in zip(center, size, strict=True)]
                overlaps.append(float(pairwise_iou(torch.tensor([corners]), ground_truth[None])))
            best = max(range(model.boxes), key=lambda n: overlaps[n])
            x, y, w, h, p = predictors[best]
            terms["objects"] += (p - overlaps[best]) ** 2
            terms["objects"] += 0.5 * sum(numbers[4] ** 2 for n, numbers in enumerate(predictors) if n != best)
            aims = (
                (left + right) / 2 / width * columns - cell % columns,
                (top + bottom) / 2 / height * rows - cell // columns,
                math.sqrt((right - left) / width),
                math.sqrt((bottom - top) / height),
            )
            terms["boxes"] += 5 * sum((a - b) ** 2 for a, b in zip((x, y, w, h), aims, strict=True))
            classes = predictions[cell, 5 * model.boxes :].softmax(0).tolist()
            label = int(target.labels[owner[cell]])
            terms["classes"] += sum((p - (k == label)) ** 2 for k, p in enumerate(classes))
    return {name: value / len(targets) for name, value in terms.items()}


def area(box):
    left, top, right, bottom = box.tolist()
    return (right - left) * (bottom - top)


@pytest.mark.parametrize("boxes", [1, 2, 3])
def test_the_loss_is_equation_3(boxes):
    model = small(boxes=boxes).eval()
    targets = [
        boxes_of([0, 0, 30, 40], [4, 6, 20, 30], [50, 20, 70, 60], labels=[0, 1, 2]),
        boxes_of(),
        boxes_of([60, 10, 95, 50], labels=[1]),
    ]
    with torch.no_grad():
        outputs = model(torch.randint(0, 256, (3, 3, 64, 96), dtype=torch.uint8))
        outputs.predictions += torch.randn(outputs.predictions.shape, generator=torch.Generator().manual_seed(1)) / 2
        losses = model.loss(outputs, targets)
    assert outputs.cells == (4, 6)
    target_boxes = slow_loss(model, outputs, targets)
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(target_boxes, rel=1e-4)


def test_images_without_objects_are_fine():
    model = small()
    losses = model.loss(model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)), [boxes_of(), boxes_of()])
    sum(losses.values()).backward()
    assert losses["objects"] > 0
    assert losses["boxes"] == 0


def test_predictions_are_in_original_pixels_and_scored_by_object_times_class():
    model = small(boxes=1).eval()
    outputs = model(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))
    predictions = torch.zeros_like(outputs.predictions)
    predictions[..., 4] = -20
    predictions[0, 6 + 2, 4] = 0  # row 1, column 2: an object with probability 1/2
    predictions[0, 6 + 2, 2:4] = -math.log(3)  # a quarter, of which the square is a sixteenth
    predictions[0, 6 + 2, 5:] = torch.tensor([0.0, math.log(2), 0])  # classes: 1/4, 1/2, 1/4
    outputs.predictions = predictions
    (boxes,) = model.decode(outputs, [Placement(128, 192, 0.5, 0, 0, 64, 96)])
    assert boxes.scores.tolist() == pytest.approx([0.25, 0.125, 0.125])
    assert int(boxes.labels[0]) == 1
    # The center (40, 24), 6 pixels wide and 4 high.
    assert boxes.xyxy[0].tolist() == pytest.approx([74, 44, 86, 52])


def test_cells_by_stride_or_by_number():
    pixels = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    with torch.no_grad():
        assert small(stride=8).eval()(pixels).cells == (8, 12)
        outputs = small(grid=7).eval()(pixels)
    assert outputs.cells == (7, 7)
    assert outputs.predictions.shape == (1, 49, 13)
    with pytest.raises(RecipeError, match=r"strides \(2, 4, 8, 16\), but none of 32"):
        small(stride=32)


def test_the_published_network_predicts_7_by_7_by_30():
    with torch.device("meta"):
        model = registry.build("yolo1_darknet", 20)
        outputs = model(torch.empty(1, 3, 448, 448, dtype=torch.uint8))
    assert outputs.cells == (7, 7)
    assert outputs.predictions.shape == (1, 49, 30)
    assert model.head.first.weight.shape == (4096, 7 * 7 * 1024)
    with pytest.raises(RecipeError, match="multiple of 64, but is 100"):
        registry.build("yolo1_darknet", 20, {"image_size": 100})


def test_fully_connected_predictions_lie_in_their_cells():
    torch.manual_seed(0)
    model = registry.build("yolo1_darknet", 2, {"image_size": 64}).eval()
    with torch.no_grad():
        numbers = model(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).predictions.sigmoid()
    assert numbers.shape == (1, 1, 12)
    assert numbers[0, 0, [4, 9]].tolist() == pytest.approx([0.1, 0.1], rel=0.5)
