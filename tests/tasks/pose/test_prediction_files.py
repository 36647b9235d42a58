"""Files of joints in COCO's results format: evaluated without a run, by numbers that a pencil checks."""

import json
import math

import pytest

from zorki import registry
from zorki.engine.evaluation.results_file import evaluate_file
from zorki.errors import DataError

POSE = registry.tasks()["pose"]
JOINTS = [[20, 20, 2], [60, 20, 1], [40, 80, 2]]
SIGMA = 0.05


def truth(count=2):
    """Objects of 100 x 100 pixels, whose area of 6400 is their segment's."""
    one = {
        "category_id": 1, "bbox": [0, 0, 100, 100], "area": 6400, "iscrowd": 0, "num_keypoints": 3,
        "keypoints": [value for joint in JOINTS for value in joint], "segmentation": [[0, 0, 100, 0, 100, 100]],
    }  # fmt: skip
    names = ["nose", "tail", "ear"]
    return {
        "images": [{"id": 7 + i, "file_name": f"{i}.jpg", "height": 100, "width": 100} for i in range(count)],
        "categories": [{"id": 1, "name": "dog", "keypoints": names, "skeleton": [], "sigmas": [SIGMA] * 3}],
        "annotations": [{**one, "id": i + 1, "image_id": 7 + i} for i in range(count)],
    }


def moved(similarity):
    """By how many pixels each joint is off where the object keypoint similarity is this."""
    return math.sqrt(-2 * math.log(similarity) * 6400) * 2 * SIGMA


def entry(image, by, score, **more):
    return {
        "image_id": image, "category_id": 1, "score": score,
        "keypoints": [value for x, y, _ in JOINTS for value in (x + by, y, 0.5)], **more,
    }  # fmt: skip


@pytest.fixture
def files(tmp_path):
    def write(entries, data=None):
        (tmp_path / "truth.json").write_text(json.dumps(data or truth()))
        (tmp_path / "found.json").write_text(json.dumps(entries))
        return tmp_path / "found.json", tmp_path / "truth.json"

    return write


def test_average_precision_by_hand(files):
    # Right at the thresholds .50 to .70 only, and at all ten.
    box = {"bbox": [0, 0, 100, 100]}
    result = evaluate_file(*files([entry(7, moved(0.72), 0.9, **box), entry(8, 0, 0.8, **box)]))
    assert (result.count, result.metrics.objects) == (2, 2)
    # From .75 on the first is wrong and has the higher score: precision 1/2 up to a recall of 1/2, 51 of 101 points.
    assert result.metrics.oks_ap == pytest.approx((5 * 1 + 5 * 0.5 * 51 / 101) / 10)
    assert result.metrics.oks_ar == pytest.approx((5 * 1 + 5 * 0.5) / 10)
    assert result.metrics.oks_ap50 == pytest.approx(1)
    assert result.metrics.nme_box_side == pytest.approx(moved(0.72) / 100 / 2)


def test_the_box_of_an_entry_without_one_is_around_its_joints(files):
    bare = entry(7, 0, 0.9)
    boxed = entry(8, 0, 0.9, bbox=[0, 0, 100, 100])
    result = evaluate_file(*files([bare, boxed]))
    assert result.metrics.missed == 1, "20 to 60 times 20 to 80 overlaps the object's box by less than half"
    assert result.metrics.oks_ap == pytest.approx(1)


def test_joints_are_told_from_boxes_and_masks(files):
    tasks = {name: one.evaluation for name, one in registry.tasks().items() if one.evaluation.file_format}
    found = files([entry(7, 0, 0.9, bbox=[0, 0, 100, 100])])

    def recognizing():
        return [name for name, one in tasks.items() if one.recognize_predictions(*found) is not None]

    assert recognizing() == ["pose"]
    files([{"image_id": 7, "category_id": 1, "bbox": [0, 0, 100, 100], "score": 1}])
    assert recognizing() == ["detection"]
    without = truth()
    for one in without["annotations"]:
        del one["keypoints"]
    files([entry(7, 0, 0.9, bbox=[0, 0, 100, 100])], without)
    assert recognizing() == ["detection"], "the data have no joints to compare with"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"keypoints": [1, 2, 2]}, "entry 2 has 1 joints, and the objects of .*truth.json have 3"),
        (
            {"keypoints": [1, 2]},
            r"found.json:1: entry 2 has the keypoints \[1, 2\]; expected a list of x, y and a score",
        ),
        ({"keypoints": None}, "entry 2 has the keypoints None"),
        ({"keypoints": [1, "2", 2] * 3}, "entry 2 has the keypoints"),
        ({"score": "high"}, "entry 2 has the score 'high'"),
    ],
)
def test_a_broken_entry_is_named(files, change, reason):
    found = files([entry(7, 0, 0.9), entry(8, 0, 0.9) | change])
    with pytest.raises(DataError, match=reason):
        POSE.evaluation.evaluate_predictions(*found)


def test_what_a_run_writes_is_evaluated(files):
    """The entries of predictions.json name images by files."""
    import torch

    from zorki.types import ClassInfo, Keypoints, Skeleton

    points = torch.tensor(JOINTS)[None, :, :2].float()
    prediction = Keypoints(
        points, torch.full((1, 3), 2), xyxy=torch.tensor([[0.0, 0, 100, 100]]), scores=torch.tensor([0.7])
    )
    info = ClassInfo(("dog",), skeleton=Skeleton(("nose", "tail", "ear")))
    entries = [one for i in range(2) for one in POSE.presentation.exchange(prediction, info, path=f"photos/{i}.jpg")]
    assert evaluate_file(*files(entries)).metrics.oks_ap == pytest.approx(1)
