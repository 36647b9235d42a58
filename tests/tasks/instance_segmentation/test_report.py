"""The task's part of the report."""

from made_masks import made, strip_instances

from zorki.tasks.instance_segmentation.metrics.metric import InstanceMetric
from zorki.tasks.instance_segmentation.metrics.scores import InstanceResult
from zorki.tasks.instance_segmentation.report import sections


def figures(names, predictions, targets):
    metric = InstanceMetric(names)
    metric.update(predictions, targets)
    return metric.compute()


def test_every_part_is_told():
    names = ["cat", "<dog>", "owl"]
    found = figures(names, *made(1))
    parts = sections(found)
    assert [part.title for part in parts] == [
        "Average precision of masks", "Counts", "Label maps", "Score threshold", "Classes", "Errors",
    ]  # fmt: skip
    html = "".join(part.html for part in parts)
    assert "<dog>" not in html
    for words in ("AP, IoU .50 to .95", "Of boxes", "panoptic quality", "symmetric best Dice", "Objects an image"):
        assert words in html, words
    assert f"{found.map_threshold:.3f} or more" in parts[2].note
    assert f"{found.masks.coco.ap:.4g}"[:5] in parts[0].html


def test_counts_in_words():
    ground_truth = strip_instances((0, 4), (5, 9))
    answers = [strip_instances((0, 4), scores=[0.9]), strip_instances((0, 4), (5, 9), scores=[0.9, 0.9])]
    note = sections(figures(["a"], answers, [ground_truth, ground_truth]))[1].note
    assert note.startswith("3 objects predicted and 4 annotated in 2 images; the numbers are equal in 1 of them.")


def test_nothing_to_find():
    bare = sections(figures(["a"], [strip_instances(scores=[])], [strip_instances()]))
    assert len(bare) == 1
    assert "hold no object" in bare[0].html
    assert sections(InstanceResult(count=0)) == []


def test_more_objects_than_coco_reads_are_told():
    many = strip_instances(*[(place, place + 1) for place in range(0, 202, 2)], width=202)
    answer = strip_instances((0, 1), scores=[0.9], width=202)
    first = sections(figures(["a"], [answer], [many]))[0]
    assert first.note.endswith("COCO reads 100 detections of an image and class; one image has 101 objects.")
    assert "COCO reads" not in sections(figures(["a"], [answer], [answer]))[0].note
