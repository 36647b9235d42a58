"""Stages of DeepPose that are trained one after the other: what learns when, where it looks, and how far off it is."""

import copy
import dataclasses

import pytest
import torch

from zorki import registry
from zorki.nn.backbones.named import backbone
from zorki.tasks.pose.models.deep_pose.cascade import PatchBackbone, PatchStage, pose_size
from zorki.types import Keypoints

JOINTS = 3


def build(stages=3, **options):
    torch.manual_seed(0)
    options = {"image_size": 32, "stages": stages, "loss": "l2", "padding": 1.0, "patch_size": 8, **options}
    return registry.build("deep_pose_squeezenet", JOINTS, options)


def batch_of(network, count=3):
    """Objects that fill their images."""
    generator = torch.Generator().manual_seed(3)
    images = [torch.randint(0, 256, (3, 64, 64), generator=generator, dtype=torch.uint8) for _ in range(count)]
    targets = [
        Keypoints(
            8 + 48 * torch.rand((1, JOINTS, 2), generator=generator),
            torch.full((1, JOINTS), 2),
            xyxy=torch.tensor([[0.0, 0.0, 64.0, 64.0]]),
        )
        for _ in images
    ]
    return network.preprocess.in_regions(images, [target.regions() for target in targets])[0], targets


@pytest.fixture(scope="module")
def begun():
    """All three stages have begun; the third learns."""
    network = build()
    for stage in (2, 3):
        network.begin_stage(stage, [batch_of(network)])
    return network


def learning(network):
    network.zero_grad()
    inputs, targets = batch_of(network)
    sum(network.train().loss(network(inputs), targets).values()).backward()
    network.eval()
    return {name.split(".")[0] + name.split(".")[1] for name, p in network.named_parameters() if p.grad is not None}


def test_one_stage_learns_at_a_time(begun):
    network = build()
    parts = {name.split(".")[0] + name.split(".")[1] for name, _ in network.named_parameters()}
    assert learning(network) == {one for one in parts if "refine" not in one}
    network.begin_stage(2, [batch_of(network)])
    assert learning(network) == {one for one in parts if one.startswith("refine0")}
    assert learning(begun) == {one for one in parts if one.startswith("refine1")}


def test_a_stage_begins_once_and_statistics_of_those_before_stay():
    network = build(stage_backbone="mobilenet_v3_small", patch_size=32)
    network.begin_stage(2, [batch_of(network)])
    before = copy.deepcopy(network.state_dict())
    network.begin_stage(2, [])
    network.begin_stage(1, [])
    network.begin_stage(3, [batch_of(network)])
    learning(network)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("refine.1.") for name in changed)
    assert any("running_mean" in name for name in changed), "its own batch norms learn"


def test_displacements_are_those_of_the_stages_before():
    network = build(2)
    inputs, targets = batch_of(network)
    network.begin_stage(2, [(inputs, targets)])
    with torch.no_grad():
        found = network.with_stages(1)(inputs).stages[-1].center
    truth = torch.cat([target.points for target in targets]) / 64
    off = (found - truth) / pose_size(found, 64, 64)
    torch.testing.assert_close(network.refine[0].mean, off.mean(0))
    torch.testing.assert_close(network.refine[0].deviation, off.std(0, unbiased=False))


def test_a_joint_that_is_labeled_nowhere_is_displaced_as_the_others():
    stage = PatchStage(PatchBackbone(), 3, 2, 8)
    displacements = torch.zeros(4, 3, 2)
    displacements[:, 0] = torch.tensor([[0.1, 0.0], [-0.1, 0.0], [0.1, 0.2], [-0.1, -0.2]])
    labeled = torch.tensor([[1.0, 1.0, 0.0]] * 4)
    displacements[:, 2] = 1e6
    stage.begin(displacements, labeled)
    assert stage.mean.abs().max() == 0
    torch.testing.assert_close(stage.deviation[0], torch.tensor([0.1, 0.02**0.5]))
    torch.testing.assert_close(stage.deviation[2], torch.full((2,), ((0.01 + 0.02) / 4) ** 0.5))
    torch.manual_seed(0)
    drawn = stage.sample_displacements(4000)
    torch.testing.assert_close(drawn.std(0), stage.deviation, rtol=0.05, atol=1e-6)


def test_training_looks_around_the_true_places(begun):
    inputs, targets = batch_of(begun)
    outputs = begun.train()(inputs)
    assert len(outputs.stages) == 2, "those before the one that learns"
    displaced = begun.refine[1]
    kept = displaced.mean.clone(), displaced.deviation.clone()
    displaced.mean.zero_()
    displaced.deviation.zero_()
    with torch.no_grad():
        displaced.weight.zero_()
        assert float(begun.loss(outputs, targets)["stage3"]) == 0, "it looks where the joints are, and says so"
    displaced.mean.copy_(kept[0])
    displaced.deviation.copy_(kept[1])
    begun.eval()


def test_a_view_of_the_first_stages_answers_as_they_do(begun):
    inputs, _ = batch_of(begun)
    with torch.no_grad():
        every = begun.eval()(inputs).stages
        for count in (1, 2, 3):
            some = begun.with_stages(count)
            assert some.trained_stages() == count
            torch.testing.assert_close(some(inputs).stages[-1].center, every[count - 1].center)
    assert begun.trained_stages() == 3


def test_the_first_stage_sees_the_crop_as_it_would_without_the_others():
    network, alone = build(2, detail=3), build(1)
    assert batch_of(network)[0].images.shape[2:] == (96, 96)
    assert batch_of(alone)[0].images.shape[2:] == (32, 32)
    pixels = network.normalize(torch.arange(96, dtype=torch.uint8).expand(1, 3, 96, 96))
    reduced = network._reduced(pixels)
    torch.testing.assert_close(reduced, alone.normalize(torch.arange(1, 96, 3, dtype=torch.uint8).expand(1, 3, 32, 32)))


def test_the_size_of_a_pose_is_the_diagonal_of_its_box():
    joints = torch.tensor([[[0.1, 0.2], [0.4, 0.4], [0.2, 0.6]]])
    # In a crop of 100 x 200 pixels: 30 wide and 80 high.
    diagonal = torch.full((1, 1, 2), (30**2 + 80**2) ** 0.5)
    torch.testing.assert_close(pose_size(joints, 200, 100) * torch.tensor([100.0, 200.0]), diagonal)
    one_point = torch.full((1, 3, 2), 0.5)
    assert pose_size(one_point, 30, 40)[0, 0].tolist() == pytest.approx([5 / 40, 5 / 30])
    assert pose_size(one_point[:, :1], 30, 40)[0, 0].tolist() == pytest.approx([50 / 40, 50 / 30])


def test_a_later_stage_may_repeat_the_backbone():
    stage = PatchStage(backbone("squeezenet"), JOINTS, 4, 32)
    assert stage(torch.rand(2, JOINTS, 3, 32, 32)).shape == (2, JOINTS, 4)


def test_no_object_teaches_nothing_in_a_later_stage_either(begun):
    inputs, targets = batch_of(begun, 1)
    empty = dataclasses.replace(inputs, images=inputs.images[:0], xyxy=inputs.xyxy[:0], regions=[inputs.regions[0][:0]])
    begun.train()
    (loss,) = begun.loss(begun(empty), [targets[0][:0]]).values()
    assert float(loss.detach()) == 0
    assert loss.requires_grad
    begun.eval()
