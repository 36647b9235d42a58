import torch

from zorki.data.scenes.boxes import SceneDetection
from zorki.data.scenes.instances import SceneInstances, parse
from zorki.data.scenes.masks import SceneSegmentation


def test_instances_boxes_and_classes_are_of_one_world():
    data, boxes, classes = (kind(20, size=(60, 70)) for kind in (SceneInstances, SceneDetection, SceneSegmentation))
    assert data.splits == boxes.splits
    assert data.class_names == boxes.class_names
    for index in range(20):
        target = data.target(index)
        assert torch.equal(target.xyxy, boxes.target(index).xyxy)
        assert torch.equal(target.labels, boxes.target(index).labels)
        assert target.identities is None
        assert target.masks.shape == (len(target), 60, 70)
        painted = torch.zeros(60, 70, dtype=torch.int64)
        for mask, label in zip(target.masks, target.labels.tolist(), strict=True):
            painted[mask] = label + 1
        assert torch.equal(painted, classes.target(index).classes)
        sample = data[index]
        assert torch.equal(sample.target.masks, target.masks)
        assert torch.equal(sample.image, boxes[index].image)


def test_what_is_done_to_a_target_does_not_reach_the_data():
    data = SceneInstances(10)
    before = data.target(3).masks.clone()
    data.target(3).masks.zero_()
    assert torch.equal(data.target(3).masks, before)


def test_parse():
    assert len(parse("scenes:30@64")) == 30
    assert parse("scenes:30@64").size == (64, 64)
    assert parse("photos") is None
