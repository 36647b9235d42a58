import dataclasses

import pytest
import torch
from lessons import check_that_the_loss_falls

from zorki import registry
from zorki.errors import RecipeError
from zorki.tasks.detection.models.two_stage_detr.denoising import NoisyQueries
from zorki.tasks.detection.models.two_stage_detr.two_stage_detr import (
    ABSENT,
    TwoStageDetr,
    _box_waves,
    _moved,
    two_stage_detr,
)
from zorki.types import Boxes, Padded

NUM_CLASSES = 3
SMALL = {"image_size": 96, "queries": 6, "extra_queries": 8, "repeats": 2, "denoising": 2, "width": 32, "layers": 2}
TARGETS = [
    Boxes(torch.tensor([[4.0, 5, 60, 58], [20, 12, 90, 80]]), torch.tensor([0, 2])),
    Boxes(torch.tensor([[10.0, 10, 50, 50]]), torch.tensor([1])),
]


def small(**changes):
    torch.manual_seed(0)
    return two_stage_detr(NUM_CLASSES, backbone="squeezenet", **{**SMALL, **changes})


def make_images(count=2, height=96, width=96):
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(1)).byte()


def test_the_loss_falls_on_a_repeated_batch_and_reaches_every_parameter():
    model = small()
    check_that_the_loss_falls(model, make_images(), TARGETS, to=0.7, clip=0.1)
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_queries_of_training_alone_do_not_change_what_is_predicted():
    model = small().train()
    outputs = model(make_images())
    plain = small(extra_queries=0, denoising=0).train()
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if "label_content" not in name})
    other = plain(make_images())
    torch.testing.assert_close(other.boxes, outputs.boxes)
    losses, fewer = model.loss(outputs, TARGETS), plain.loss(other, TARGETS)
    assert set(losses) - set(fewer) == {"extra", "denoising"}
    for name, value in fewer.items():
        torch.testing.assert_close(losses[name], value)


def test_validation_has_no_loss_that_is_left_to_chance():
    model = small().eval()
    with torch.no_grad():
        outputs = model(make_images())
        first, second = model.loss(outputs, TARGETS), model.loss(outputs, TARGETS)
    assert set(first) == {"classes", "distance", "overlap", "auxiliary", "proposals"}
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_groups_of_queries_do_not_see_each_other():
    model = small().eval()
    group = torch.tensor([0, 0, 0, 1, 1])
    visible = (group == group[:, None]).expand(1, -1, -1)
    content, boxes = torch.randn(1, 5, 32), torch.rand(1, 5, 4)
    changed = torch.where(group[None, :, None] == 1, torch.randn(1, 5, 32), content)
    with torch.no_grad():
        outputs = model(make_images(1))
        before, after = (model.refine(outputs.encoded, one, boxes, visible) for one in (content, changed))
        alone = model.refine(outputs.encoded, content[:, :3], boxes[:, :3])
    torch.testing.assert_close(after[0][:, :, :3], before[0][:, :, :3])
    torch.testing.assert_close(alone[0], before[0][:, :, :3])
    assert not torch.allclose(after[0][:, :, 3:], before[0][:, :, 3:])


def test_boxes_begin_where_the_encoder_has_them_and_move_behind_the_logit():
    box = torch.tensor([[[0.25, 0.5, 0.1, 0.2]]])
    torch.testing.assert_close(_moved(box, torch.zeros(1, 1, 4)), box)
    # The odds of 0.25 are 1 to 3; e times as much are 0.475 with a pencil.
    assert float(_moved(box, torch.ones(1, 1, 4))[0, 0, 0]) == pytest.approx(0.4754, abs=1e-4)
    model = small().eval()
    with torch.no_grad():
        outputs = model(make_images(1))
    centers = torch.tensor([(x + 0.5) / 5 for x in range(5)])  # SqueezeNet makes 5 x 5 cells of 96 pixels
    assert outputs.encoded.boxes.shape == (1, 25, 4)
    torch.testing.assert_close(outputs.encoded.boxes[0, :5, 0], centers, atol=1e-4, rtol=0)
    torch.testing.assert_close(outputs.encoded.boxes[0, ::5, 1], centers, atol=1e-4, rtol=0)
    assert torch.allclose(outputs.encoded.boxes[..., 2:], torch.tensor(0.1), atol=1e-4)


def test_the_canvas_proposes_nothing():
    model = small().eval()
    canvas = torch.full((1, 3, 96, 96), 114, dtype=torch.uint8)
    canvas[:, :, :48] = make_images(1, 48, 96)
    with torch.no_grad():
        outputs = model(Padded(canvas, torch.tensor([[0, 0, 96, 48]])))
    assert not bool(outputs.encoded.mask.all())
    assert bool((outputs.encoded.logits[~outputs.encoded.mask] == ABSENT).all())
    assert bool((outputs.encoded.logits[outputs.encoded.mask] > ABSENT).all())


def test_places_of_queries_speak_as_those_of_tokens_do():
    """A query in the middle of a cell has the waves of the positions of cells, which count from 1 / N to 1."""
    model = small().eval()
    with torch.no_grad():
        outputs = model(make_images(1))
    cell = torch.tensor([[[3 / 5, 2 / 5, 0.1, 0.1]]])  # the end of the third column and of the second row
    torch.testing.assert_close(_box_waves(cell, 32)[0, 0, :32], outputs.encoded.positions[0, 5 + 2], atol=1e-4, rtol=0)


def test_noisy_queries_learn_their_own_object_in_every_layer():
    target = torch.tensor([[0, 1, -1, -1], [0, 1, -1, -1]])
    present = torch.tensor([[True] * 4, [True, False] * 2])
    nothing = torch.zeros(2, 4, dtype=torch.int64)
    pairs = NoisyQueries(torch.rand(2, 4, 4), nothing, target, present, nothing[0]).pairs(2)
    assert pairs.layer.tolist() == [0, 0, 0, 1, 1, 1]
    assert pairs.image.tolist() == [0, 0, 1] * 2
    assert pairs.query.tolist() == pairs.row.tolist() == [0, 1, 0] * 2


def test_images_without_objects_teach_that_nothing_is_there():
    model = small().train()
    losses = model.loss(model(make_images()), [TARGETS[0][:0]] * 2)
    torch.stack(list(losses.values())).sum().backward()
    assert float(losses["distance"].detach()) == float(losses["overlap"].detach()) == 0
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_more_objects_than_queries_are_matched_as_far_as_they_go():
    model = small(queries=1, extra_queries=1).train()
    losses = model.loss(model(make_images()), TARGETS)
    assert all(bool(value.isfinite()) for value in losses.values())


def test_candidates_are_pairs_of_query_and_class_in_pixels():
    model = small().eval()
    with torch.no_grad():
        outputs = model(make_images(1))
    logits = torch.full_like(outputs.logits[:1, :, :1], -9.0)
    logits[0, 0, 0, 1], logits[0, 0, 0, 2] = 2.0, 1.0
    boxes = torch.tensor([[[[0.5, 0.5, 0.5, 1.0]]]])
    frames = torch.tensor([[10.0, 20, 50, 40]])
    found = model.candidates(dataclasses.replace(outputs, logits=logits, boxes=boxes, frames=frames))
    assert found.labels[0].tolist() == [1, 2, 0]
    torch.testing.assert_close(found.xyxy[0, 0], torch.tensor([20.0, 20, 40, 40]))


def test_any_backbone_can_be_named_and_a_width_is_checked():
    with torch.device("meta"):
        assert isinstance(registry.build("two_stage_detr_resnet18", NUM_CLASSES), TwoStageDetr)
    with pytest.raises(RecipeError, match="multiple of 32, not 100"):
        small(width=100)
