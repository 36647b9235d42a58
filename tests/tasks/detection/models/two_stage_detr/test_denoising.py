import torch

from zorki.ops.boxes import cxcywh_to_xyxy
from zorki.tasks.detection.models.two_stage_detr.denoising import Denoising

OBJECTS = torch.tensor([[[0.3, 0.4, 0.5, 0.8], [0.6, 0.5, 0.7, 0.6]], [[0.4, 0.4, 0.6, 0.6], [0, 0, 0, 0]]])
LABELS = torch.tensor([[2, 0], [1, 0]])
PRESENT = torch.tensor([[True, True], [True, False]])


def made(**changes):
    torch.manual_seed(0)
    return Denoising(**changes).queries(OBJECTS, LABELS, PRESENT, 3)


def test_every_group_has_each_object_once_near_and_once_farther_off():
    queries = made(groups=3)
    assert queries.boxes.shape == (2, 12, 4)
    assert queries.target.tolist() == [[0, 1, -1, -1] * 3] * 2
    assert queries.group.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert queries.present.tolist() == [[True] * 12, [True, False] * 6]


def test_without_noise_those_near_are_the_objects_themselves():
    queries = made(groups=2, box_noise=0, label_noise=0)
    torch.testing.assert_close(cxcywh_to_xyxy(queries.boxes), OBJECTS.repeat(1, 4, 1))
    assert torch.equal(queries.labels, LABELS.repeat(1, 4))


def test_edges_move_by_shares_of_half_the_object():
    queries = made(groups=200, box_noise=0.4)
    size = (OBJECTS[..., 2:] - OBJECTS[..., :2]).repeat(1, 400, 2)
    moved = (cxcywh_to_xyxy(queries.boxes) - OBJECTS.repeat(1, 400, 1)).abs() / size.clamp_min(1e-9)
    near, far = queries.target >= 0, queries.target < 0
    assert float(moved[near & queries.present].max()) <= 0.2 + 1e-5
    # Rounding aside, edges of those farther off move by 0.2 to 0.4 of the size: never past each other.
    assert (
        0.2 - 1e-5 <= float(moved[far & queries.present].min()) <= float(moved[far & queries.present].max()) <= 0.4001
    )


def test_some_labels_are_wrong():
    queries = made(groups=500, label_noise=0.5)
    wrong = (queries.labels != LABELS.repeat(1, 1000)).float().mean()
    assert abs(float(wrong) - 0.5 * 2 / 3) < 0.05  # a third of those drawn anew are right by chance


def test_queries_see_those_of_their_own_group_that_are_present():
    visible = made(groups=2).visible()
    assert visible[0].tolist() == (torch.block_diag(torch.ones(4, 4), torch.ones(4, 4)) > 0).tolist()
    # The second image has one object: its second rows are seen by themselves alone.
    assert visible[1, 0].tolist() == [True, False, True, False] + [False] * 4
    assert visible[1, 1].tolist() == [True, True, True, False] + [False] * 4
