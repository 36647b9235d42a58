"""DeepPose: coordinates there and back, the cascade's patches, its losses, and its exported graph."""

import dataclasses

import pytest
import torch

from zorki import registry
from zorki.errors import RecipeError
from zorki.tasks.pose.models.deep_pose.cascade import patches_at
from zorki.types import Keypoints

JOINTS = 3


@pytest.fixture(scope="module")
def network():
    """Of two stages, the second of which has learned nothing and says where it is told to look."""
    torch.manual_seed(0)
    built = registry.build("deep_pose_squeezenet", JOINTS, {"image_size": 64, "stages": 2}).eval()
    image, target = sample([[5.0, 6.0, 40.0, 44.0], [30.0, 2.0, 70.0, 49.0]])
    built.begin_stage(2, [(built.preprocess.in_regions([image], [target.regions()])[0], [target])])
    return built


def sample(boxes: list[list[float]]) -> tuple[torch.Tensor, Keypoints]:
    generator = torch.Generator().manual_seed(3)
    image = torch.randint(0, 256, (3, 50, 80), generator=generator, dtype=torch.uint8)
    xyxy = torch.tensor(boxes).reshape(-1, 4)
    points = xyxy[:, None, :2] + torch.rand((len(xyxy), JOINTS, 2), generator=generator) * 20
    return image, Keypoints(points, torch.full((len(xyxy), JOINTS), 2), xyxy=xyxy)


def outputs_of(network, image, target):
    inputs, placements = network.preprocess.in_regions([image], [target.regions()])
    with torch.no_grad():
        return network(inputs), placements


def test_decoded_ground_truth_is_the_ground_truth(network):
    image, target = sample([[5.0, 6.0, 40.0, 44.0], [30.0, 2.0, 70.0, 49.0]])
    outputs, placements = outputs_of(network, image, target)
    goal, labeled = network._targets(outputs, [target])
    right = dataclasses.replace(outputs.stages[-1], center=goal)
    (found,) = network.decode(dataclasses.replace(outputs, stages=[right]), placements)
    torch.testing.assert_close(found.points, target.points)
    assert torch.equal(found.xyxy, target.xyxy)
    assert found.visibility.unique().tolist() == [2]
    assert labeled.tolist() == [[1.0] * JOINTS] * 2


def test_scores_are_of_the_joints_and_of_the_box(network):
    image, target = sample([[5.0, 6.0, 40.0, 44.0]])
    sure = dataclasses.replace(target, scores=torch.tensor([0.5]))
    outputs, placements = outputs_of(network, image, sure)
    (found,) = network.decode(outputs, placements)
    assert found.scores.tolist() == pytest.approx([0.5 * float(found.joint_scores.mean())])
    assert 0 < float(found.joint_scores.min()) <= float(found.joint_scores.max()) < 1


@pytest.mark.parametrize("loss", ["rle", "l2", "smooth_l1"])
def test_losses_pass_over_joints_that_nobody_labeled_and_crowds(loss):
    torch.manual_seed(0)
    network = registry.build("deep_pose_squeezenet", JOINTS, {"image_size": 64, "loss": loss}).eval()
    image, target = sample([[5.0, 6.0, 40.0, 44.0], [30.0, 2.0, 70.0, 49.0]])
    outputs, _ = outputs_of(network, image, target)
    flags = target.visibility.clone()
    flags[0, 1] = 0
    partly = dataclasses.replace(target, visibility=flags)
    elsewhere = dataclasses.replace(partly, points=partly.points.clone())
    elsewhere.points[0, 1] = 1e4
    assert network.loss(outputs, [partly])["stage1"] == network.loss(outputs, [elsewhere])["stage1"]
    crowd = dataclasses.replace(partly, crowd=torch.tensor([True, True]))
    assert network.loss(outputs, [crowd])["stage1"].item() == 0
    with pytest.raises(ValueError, match="2 regions, and 1 objects"):
        network.loss(outputs, [target[:1]])


def test_l2_by_hand():
    torch.manual_seed(0)
    network = registry.build("deep_pose_squeezenet", JOINTS, {"image_size": 64, "loss": "l2", "padding": 1.0}).eval()
    image, target = sample([[0.0, 0.0, 40.0, 40.0]])
    outputs, _ = outputs_of(network, image, target)
    middle = dataclasses.replace(outputs.stages[0], center=torch.full((1, JOINTS, 2), 0.5))
    near = dataclasses.replace(target, points=torch.tensor([[[24.0, 20.0], [20.0, 20.0], [20.0, 12.0]]]))
    loss = network.loss(dataclasses.replace(outputs, stages=[middle]), [near])
    # Errors of 4, 0 and 8 of 40 pixels.
    assert float(loss["stage1"]) == pytest.approx((0.1**2 + 0.2**2) / 3, rel=1e-4)


def test_patches_are_cut_around_their_points():
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(64.0), indexing="ij")
    image = torch.stack([columns, rows, torch.ones_like(rows)])[None]
    center = torch.tensor([[[0.5, 0.5], [0.25, 0.75], [0.0, 0.0]]])
    found = patches_at(image, center, torch.tensor([[[0.125, 0.25]]]), 8)  # 8 pixels of 64 and of 32, as they are
    assert found.shape == (1, 3, 3, 8, 8)
    torch.testing.assert_close(found[0, 0, 0], columns[12:20, 28:36])
    torch.testing.assert_close(found[0, 1, 1], rows[20:28, 12:20])
    assert found[0, 2, 2].sum() == 16, "a quarter of it lies in the image"


def test_no_crop_and_one_crop_teach_too(network):
    image, target = sample([[5.0, 6.0, 40.0, 44.0]])
    network.train()
    for some in (target[:0], target):
        inputs, _ = network.preprocess.in_regions([image], [some.regions()])
        outputs = network(inputs)
        losses = network.loss(outputs, [some])
        assert all(bool(loss.isfinite()) and loss.requires_grad for loss in losses.values())
    network.eval()


def test_the_exported_graph_gives_the_same_joints(network):
    image, target = sample([[5.0, 6.0, 40.0, 44.0]])
    inputs, placements = network.preprocess.in_regions([image], [target.regions()])
    with torch.no_grad():
        (found,) = network.decode(network(inputs), placements)
        joints, scores = network.export_graph(128, 128).network(inputs.images)
    corner, side = inputs.xyxy[:, None, :2], (inputs.xyxy[:, 2:] - inputs.xyxy[:, :2])[:, None]
    torch.testing.assert_close(corner + joints / 128 * side, found.points)
    torch.testing.assert_close(scores, found.joint_scores)


def test_settings_that_cannot_be_are_refused():
    for options in ({"stages": 0}, {"patch_size": 4}, {"patch": 0.0}, {"first_share": 1.0}):
        with pytest.raises(RecipeError, match="expected a loss of"):
            registry.build("deep_pose_squeezenet", JOINTS, {"image_size": 64, **options})
