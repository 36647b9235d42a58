"""SSD: priors and matching by pencil and by slow twins, the whole by torchvision."""

import itertools
import math

import pytest
import torch

from zorki import registry
from zorki.errors import RecipeError
from zorki.ops.boxes import generalized_iou, pairwise_iou
from zorki.tasks.detection.models.ssd.default_boxes import PriorGrid, prior_shapes
from zorki.tasks.detection.models.ssd.hard_negative_mining import hard_negatives
from zorki.tasks.detection.models.ssd.ssd import match_priors
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.types import Boxes, Placement


def random_boxes(count, side, seed):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * side * 0.7
    size = torch.rand(count, 2, generator=generator) * side * 0.3 + 4
    return Boxes(torch.cat([low, low + size], 1), torch.randint(0, 3, (count,), generator=generator))


def maps_of(*sides):
    return [torch.empty(1, 1, side, side) for side in sides]


def meta(name, num_classes):
    with torch.device("meta"):
        return registry.find(name).build(num_classes)


def test_ssd300_has_8732_priors_and_torchvisions_number_of_parameters():
    model = meta("ssd300_vgg16", 90)
    assert len(model.grid(maps_of(38, 19, 10, 5, 3, 1), 300, 300)) == 8732
    assert sum(p.numel() for p in model.parameters()) == 35_641_826


def test_ssd512_has_24564_priors():
    model = meta("ssd512_vgg16", 20)
    outputs = model(torch.empty(1, 3, 512, 512, dtype=torch.uint8, device="meta"))
    assert outputs.priors.shape == (24564, 4)
    assert outputs.logits.shape == (1, 24564, 21)


def test_shapes_of_priors_by_pencil():
    shapes = prior_shapes(100, (0.16, 0.25, 0.9), ((4,), (2,)))
    assert torch.tensor(shapes[0]).numpy() == pytest.approx(
        torch.tensor([(16, 16), (20, 20), (32, 8), (8, 32)], dtype=torch.float32).numpy(), abs=1e-4
    )
    assert shapes[1][2] == pytest.approx((25 * math.sqrt(2), 25 / math.sqrt(2)))
    with pytest.raises(ValueError, match="2 maps need 3 scales, but 2 were given"):
        prior_shapes(100, (0.1, 0.2), ((), ()))


def test_priors_stand_half_a_stride_from_the_corner_or_in_the_middle():
    x = torch.empty(1, 1, 2, 3)
    corner = PriorGrid([[(4, 2)]], [10], centered=False)([x], 30, 40)
    assert corner[0].tolist() == [3, 4, 7, 6]
    assert corner[1].tolist() == [13, 4, 17, 6]
    assert corner[3].tolist() == [3, 14, 7, 16]
    middle = PriorGrid([[(4, 2)]], [10])([x], 30, 40)
    assert torch.equal(middle, corner + torch.tensor([5.0, 5, 5, 5]))


def test_priors_made_while_predicting_can_be_learned_from():
    grid = PriorGrid([[(4, 2)]], [10])
    with torch.inference_mode():
        grid(maps_of(2), 20, 20)
    priors = grid(maps_of(2), 20, 20)
    assert not priors.is_inference()
    assert grid(maps_of(2), 20, 20) is priors


def slow_match(priors, boxes):
    owners = []
    for prior in priors:
        overlaps = [float(pairwise_iou(prior[None], box[None])) for box in boxes]
        best = max(range(len(boxes)), key=lambda box: overlaps[box])
        owners.append(best if overlaps[best] >= 0.5 else -1)
    table = pairwise_iou(boxes, priors)
    for _ in boxes:
        box, prior = divmod(int(table.argmax()), len(priors))
        owners[prior] = box
        table[box], table[:, prior] = 0, 0
    return owners


def test_matching_is_the_papers():
    priors = PriorGrid([[(20, 20), (30, 15)], [(40, 40)]], [8, 16])(maps_of(8, 4), 64, 64)
    targets = [random_boxes(5, 64, seed) for seed in (1, 2)] + [random_boxes(0, 64, 3), random_boxes(2, 64, 4)]
    owners = match_priors(priors, stack_ground_truths(targets), "iou")
    for owner, target in zip(owners, targets, strict=True):
        wanted = slow_match(priors, target.xyxy) if len(target) else [-1] * len(priors)
        assert owner.tolist() == wanted


def test_a_small_box_claims_its_best_prior():
    priors = torch.tensor([[0.0, 0, 40, 40], [40, 0, 80, 40]])
    ground_truths = stack_ground_truths([Boxes(torch.tensor([[50.0, 10, 60, 20]]), torch.tensor([0]))])
    assert match_priors(priors, ground_truths, "iou").tolist() == [[-1, 0]]


def test_hungarian_matching_gives_each_box_one_prior_at_least_cost():
    priors = random_boxes(6, 50, 1).xyxy
    target = random_boxes(3, 50, 2)
    owner = match_priors(priors, stack_ground_truths([target, random_boxes(0, 50, 0)]), "hungarian")
    cost = 1 - generalized_iou(priors[:, None], target.xyxy[None])
    best = min(itertools.permutations(range(6), 3), key=lambda chosen: sum(cost[p, b] for b, p in enumerate(chosen)))
    assert [owner[0].tolist().index(box) for box in range(3)] == list(best)
    assert (owner[0] >= 0).sum() == 3
    assert (owner[1] == -1).all()


def test_equal_boxes_get_different_priors_by_the_hungarian_algorithm():
    priors = torch.tensor([[0.0, 0, 10, 10], [0, 0, 12, 12], [100, 100, 110, 110]])
    twins = Boxes(torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]]), torch.tensor([0, 0]))
    assert sorted(match_priors(priors, stack_ground_truths([twins]), "hungarian")[0].tolist()) == [-1, 0, 1]


def test_hard_negatives_by_pencil():
    losses = torch.tensor([[5.0, 1, 4, 2, 9, 3], [1, 2, 3, 4, 5, 6]])
    positive = torch.tensor([[False, False, False, False, True, False], [False] * 6])
    chosen = hard_negatives(losses, positive, 3.0)
    assert chosen.tolist() == [[True, False, True, False, False, True], [False] * 6]
    assert hard_negatives(losses, positive, 3.0, least=2)[1].tolist() == [False] * 4 + [True] * 2
    everything = hard_negatives(losses, positive, 100.0)
    assert torch.equal(everything[0], ~positive[0])


def slow_loss(model, outputs, targets):
    """Section 2.2, equations 1 to 3, one prior at a time."""
    classes = distances = positives = 0
    for logits, offsets, target in zip(outputs.logits, outputs.offsets, targets, strict=True):
        owners = slow_match(outputs.priors, target.xyxy)
        negatives = []
        count = 0
        for prior, owner in enumerate(owners):
            scores = logits[prior].softmax(0)
            if owner < 0:
                negatives.append(-math.log(float(scores[0])))
                continue
            count += 1
            classes -= math.log(float(scores[1 + int(target.labels[owner])]))
            left, top, right, bottom = outputs.priors[prior].tolist()
            x1, y1, x2, y2 = target.xyxy[owner].tolist()
            width, height = right - left, bottom - top
            wanted = (
                10 * ((x1 + x2) / 2 - (left + right) / 2) / width,
                10 * ((y1 + y2) / 2 - (top + bottom) / 2) / height,
                5 * math.log((x2 - x1) / width),
                5 * math.log((y2 - y1) / height),
            )
            for value, aim in zip(offsets[prior].tolist(), wanted, strict=True):
                away = abs(value - aim)
                distances += 0.5 * away**2 if away < 1 else away - 0.5
        classes += sum(sorted(negatives, reverse=True)[: 3 * count])
        positives += count
    return {"classes": classes / positives, "boxes": distances / positives}


def test_the_loss_is_the_papers():
    torch.manual_seed(0)
    model = registry.build("ssd_squeezenet", 3, {"image_size": 64})
    inputs = torch.randint(0, 256, (2, 3, 64, 48), dtype=torch.uint8)
    targets = [random_boxes(3, 48, 1), random_boxes(2, 48, 2)]
    with torch.no_grad():
        outputs = model(inputs)
        losses = model.loss(outputs, targets)
    wanted = slow_loss(model, outputs, targets)
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("matching", ["iou", "hungarian"])
def test_images_without_objects_teach_their_hardest_negatives(matching):
    model = registry.build("ssd_squeezenet", 2, {"image_size": 64, "matching": matching})
    outputs = model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    losses = model.loss(outputs, [random_boxes(0, 64, 0)] * 2)
    sum(losses.values()).backward()
    surprise = -outputs.logits.detach().log_softmax(-1)[..., 0]
    assert float(losses["classes"].detach()) == pytest.approx(float(surprise.topk(3).values.sum()), rel=1e-4)
    assert float(losses["boxes"].detach()) == 0


def test_an_unknown_matching_is_refused():
    with pytest.raises(RecipeError, match="'iou' or 'hungarian', not 'best'"):
        registry.build("ssd_squeezenet", 2, {"matching": "best"})


def test_ssd_stands_on_any_backbone_and_six_maps():
    with torch.device("meta"):
        model = registry.find("ssd_resnet18").build(3)
    assert model.grid.strides == [8, 16, 32, 64, 128, 256]
    with pytest.raises(RecipeError, match="resnet18"):
        registry.find("ssd_resnet81")


@pytest.fixture(scope="module")
def published():
    """torchvision's SSD300 and ours with equal weights, both predicting unsurely."""
    from torchvision.models import detection

    torch.manual_seed(0)
    theirs = detection.ssd300_vgg16(weights=None, weights_backbone=None, num_classes=7)
    for parameter in theirs.head.parameters():
        torch.nn.init.normal_(parameter, std=0.001)
    ours = registry.build("ssd300_vgg16", 6, {})
    own = ours.state_dict()
    renamed = {ours.weight_map.rename(name, ours): value for name, value in theirs.state_dict().items()}
    assert set(own) - set(renamed) == {"normalize.mean", "normalize.std"}
    ours.load_state_dict(own | renamed)
    return theirs, ours


def test_predictions_are_torchvisions(published):
    theirs, ours = published
    inputs = torch.randint(0, 256, (1, 3, 300, 300), dtype=torch.uint8)
    with torch.no_grad():
        (wanted,) = theirs.eval()([inputs[0] / 255])
        (found,) = ours.eval().decode(ours(inputs), [Placement(300, 300, input_height=300, input_width=300)])
    assert len(found) == len(wanted["boxes"]) == 200
    torch.testing.assert_close(found.xyxy, wanted["boxes"], atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(found.scores, wanted["scores"], atol=1e-5, rtol=1e-4)
    assert torch.equal(found.labels, wanted["labels"] - 1)


def test_losses_are_torchvisions(published):
    theirs, ours = published
    inputs = torch.randint(0, 256, (2, 3, 300, 300), dtype=torch.uint8)
    # A box that holds several priors overlaps them equally, but for rounding: these have no such ties.
    targets = [
        Boxes(torch.tensor([[10.0, 20, 100, 150], [50, 50, 80, 70]]), torch.tensor([0, 2])),
        Boxes(torch.tensor([[0.0, 0, 290, 280], [150, 50, 180, 190]]), torch.tensor([5, 1])),
    ]
    told = [{"boxes": target.xyxy, "labels": target.labels + 1} for target in targets]
    with torch.no_grad():
        wanted = theirs.train()([image / 255 for image in inputs], told)
        found = ours.train().loss(ours(inputs), targets)
    assert float(found["boxes"]) == pytest.approx(float(wanted["bbox_regression"]), rel=1e-4)
    assert float(found["classes"]) == pytest.approx(float(wanted["classification"]), rel=1e-4)


@pytest.mark.parametrize("shape", [(8, 3000), (3000, 8), (1, 1)])
def test_strips_keep_pixels_on_backbones_that_pool(shape):
    model = registry.find("ssd_squeezenet").build(2, image_size=96).eval()
    inputs, placements = model.preprocess([torch.zeros((3, *shape), dtype=torch.uint8)])
    with torch.inference_mode():
        assert len(model.decode(model(inputs), placements)) == 1
