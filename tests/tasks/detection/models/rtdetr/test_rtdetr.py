import dataclasses

import pytest
import torch

from zorki import registry
from zorki.errors import RecipeError
from zorki.ops.boxes import cxcywh_to_xyxy
from zorki.tasks.detection.models.detr.set_loss import total
from zorki.tasks.detection.models.rtdetr.rtdetr import cell_anchors, rtdetr
from zorki.tasks.detection.models.two_stage_detr.denoising import Denoising
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.types import Boxes

NUM_CLASSES = 3
SMALL = {"image_size": 96, "queries": 8, "width": 32, "layers": 2, "denoising": 4}
TARGETS = [
    Boxes(torch.tensor([[4.0, 5, 60, 58], [20, 12, 90, 80]]), torch.tensor([0, 2])),
    Boxes(torch.tensor([[10.0, 10, 50, 50]]), torch.tensor([1])),
]


def small(**changes):
    torch.manual_seed(0)
    return rtdetr(NUM_CLASSES, backbone="squeezenet", **{**SMALL, **changes})


def make_images(count=2):
    return torch.randint(0, 256, (count, 3, 96, 96), generator=torch.Generator().manual_seed(1)).byte()


@pytest.fixture(scope="module")
def trained_mode():
    model = small().train()
    return model, model(make_images())


def test_losses_of_training_and_of_validation(trained_mode):
    model, outputs = trained_mode
    losses = model.loss(outputs, TARGETS)
    assert set(losses) == {"classes", "distance", "overlap", "auxiliary", "proposals", "denoising"}
    validation = small().eval()
    with torch.no_grad():
        outputs = validation(make_images())
        assert set(validation.loss(outputs, TARGETS)) == set(losses) - {"denoising"}


@pytest.mark.parametrize(("queries", "times"), [(8, 4), (5, 2), (1, 1)])
def test_all_cells_learn_and_each_object_is_matched_to_several_as_queries_have_room(queries, times):
    model = small(queries=queries, denoising=0, repeats=4)
    outputs = model(make_images())
    losses = model.loss(outputs, TARGETS)
    tokens, logits, anchors = model._cells(outputs.memory)
    boxes = (anchors + model.proposal_offsets(tokens)).sigmoid()
    several = [Boxes(torch.cat([target.xyxy] * times), torch.cat([target.labels] * times)) for target in TARGETS]
    ground_truths = stack_ground_truths(several)
    layers = model.criterion.set_loss(logits[None], boxes[None], ground_truths.xyxy / 96, ground_truths)
    torch.testing.assert_close(losses["proposals"], total(layers))
    (slope,) = torch.autograd.grad(losses["proposals"], outputs.memory.tokens)
    assert float(slope.abs().amax(-1).gt(0).float().mean()) == 1.0


def test_noisy_queries_look_at_the_others_and_at_their_own_group_alone(trained_mode):
    model, outputs = trained_mode
    ground_truths = stack_ground_truths(TARGETS)
    noisy = Denoising(2).queries(ground_truths.xyxy / 96, ground_truths.labels, ground_truths.present, NUM_CLASSES)
    own = noisy.visible()
    visible = torch.cat([own.new_ones(2, 8, 8), own], 2)
    content = torch.randn(2, 8, 32)
    changed = torch.where(noisy.group[None, :, None] == 1, torch.randn(2, 8, 32), content)
    decode = model.eval().decoder
    with torch.no_grad():
        before, after = (
            decode(one, noisy.boxes, outputs.memory, outputs.decoded, visible).logits for one in (content, changed)
        )
        elsewhere = dataclasses.replace(outputs.decoded, content=outputs.decoded.content + 1)
        moved = decode(content, noisy.boxes, outputs.memory, elsewhere, visible).logits
    model.train()
    torch.testing.assert_close(before[:, :, :4], after[:, :, :4])
    assert not torch.allclose(before[:, :, 4:], after[:, :, 4:])
    assert not torch.allclose(before, moved)


def test_boxes_of_cells_are_squares_that_grow_with_the_stride_and_the_edge_proposes_nothing():
    anchors, inside = cell_anchors(((80, 80), (2, 2)), torch.device("cpu"))
    boxes = anchors.sigmoid()[0]
    torch.testing.assert_close(boxes[81], torch.tensor([1.5 / 80, 1.5 / 80, 0.05, 0.05]))
    torch.testing.assert_close(boxes[6400], torch.tensor([0.25, 0.25, 0.1, 0.1]))
    assert int(inside.sum()) == 78 * 78 + 4  # cells whose middle is nearer than .01 to the edge are out


def test_images_without_objects_teach_that_nothing_is_there(trained_mode):
    model, outputs = trained_mode
    losses = model.loss(outputs, [TARGETS[0][:0]] * 2)
    assert float(losses["distance"].detach()) == float(losses["overlap"].detach()) == 0
    assert all(bool(value.isfinite()) for value in losses.values())


def test_candidates_are_pairs_of_query_and_class_in_pixels(trained_mode):
    model, outputs = trained_mode
    with torch.no_grad():
        found = model.candidates(outputs)
    scores = outputs.decoded.logits[-1].detach().sigmoid()
    assert found.scores.shape == (2, 8)
    torch.testing.assert_close(found.scores[0, 0], scores[0].max())
    query = int(scores[0].amax(1).argmax())
    torch.testing.assert_close(found.xyxy[0, 0], 96 * cxcywh_to_xyxy(outputs.decoded.boxes[-1, 0, query].detach()))


def test_published_networks_have_as_many_parameters_as_published():
    with torch.device("meta"):
        network = registry.build("rtdetr_r18", 80)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(20.2e6, rel=0.01)  # 20 M in the paper
    assert registry.find("rtdetr_v2_r18").weights == {"coco": "huggingface:PekingU/rtdetr_v2_r18vd"}


def test_any_backbone_can_be_named_and_sizes_are_checked():
    with torch.device("meta"):
        assert len(registry.build("rtdetr_resnet18", NUM_CLASSES).coarser) == 0
    with pytest.raises(RecipeError, match="multiple of 32, not 100"):
        small(width=100)
    with pytest.raises(RecipeError, match="multiple of 32, not 100"):
        small(image_size=100)
