"""The task's part of the report."""

from made_masks import made, strip_instances

from zorki.tasks.instance_segmentation.metrics.metric import InstanceMetric
from zorki.tasks.instance_segmentation.report import sections


def figures(names, predictions, targets):
    metric = InstanceMetric(names)
    metric.update(predictions, targets)
    return metric.compute()


def test_every_part_is_told():
    names = ["cat", "<dog>", "owl"]
    found = figures(names, *made(1))
    parts = sections(found, names)
    assert [part.title for part in parts] == [
        "Average precision of masks", "Counts", "Maps of objects", "Threshold", "Classes", "Errors",
    ]  # fmt: skip
    html = "".join(part.html for part in parts)
    assert "<dog>" not in html
    for words in ("AP, overlap .50 to .95", "Of boxes", "panoptic quality", "symmetric best Dice", "Objects an image"):
        assert words in html, words
    assert f"{found['map_threshold']:.3f} or more" in parts[2].note
    assert f"{found['mask_ap']:.4g}"[:5] in parts[0].html


def test_counts_in_words():
    truth = strip_instances((0, 4), (5, 9))
    answers = [strip_instances((0, 4), scores=[0.9]), strip_instances((0, 4), (5, 9), scores=[0.9, 0.9])]
    note = sections(figures(["a"], answers, [truth, truth]), ["a"])[1].note
    assert note.startswith("3 answers for 4 objects in 2 images, and in 1 of them as many as there are.")


def test_nothing_to_find():
    bare = sections(figures(["a"], [strip_instances(scores=[])], [strip_instances()]), ["a"])
    assert len(bare) == 1
    assert "hold no object" in bare[0].html
    assert sections({"count": 0}, ["a"]) == []


def test_more_objects_than_coco_reads_are_told():
    many = strip_instances(*[(place, place + 1) for place in range(0, 202, 2)], width=202)
    answer = strip_instances((0, 1), scores=[0.9], width=202)
    first = sections(figures(["a"], [answer], [many]), ["a"])[0]
    assert first.note.endswith("COCO reads 100 answers of an image and class; one image has 101 objects.")
    assert "COCO reads" not in sections(figures(["a"], [answer], [answer]), ["a"])[0].note
