"""OKS and its average precision: by hand, and equal to pycocotools with any sigmas."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from zorki.metrics.oks import (
    COCO_SIGMAS,
    GroundTruthPoseTable,
    OksSummary,
    PredictedPoseTable,
    object_keypoint_similarity,
    oks_average_precision,
)


def made(seed: int, joints: int, count: int = 30, images: int = 6) -> tuple[GroundTruthPoseTable, PredictedPoseTable]:
    chance = np.random.default_rng(seed)
    image = np.sort(chance.integers(0, images, count))
    corner, side = chance.uniform(0, 100, (count, 1, 2)), chance.uniform(20, 160, (count, 1, 2))
    points = corner + side * chance.uniform(0, 1, (count, joints, 2))
    visibility = chance.integers(0, 3, (count, joints))
    visibility[:3] = 0
    xywh = np.concatenate([corner, side], 2)[:, 0]
    ground_truths = GroundTruthPoseTable(
        image,
        chance.integers(0, 2, count),
        points,
        visibility,
        xywh,
        xywh[:, 2] * xywh[:, 3] * 0.6,
        np.arange(count) == 5,
    )
    off = chance.normal(0, 6, points.shape) * chance.uniform(0, 1, (count, 1, 1))
    return ground_truths, PredictedPoseTable(image, ground_truths.label, points + off, chance.uniform(0, 1, count))


def by_pycocotools(
    ground_truths: GroundTruthPoseTable, predictions: PredictedPoseTable, sigmas: list[float], images: int
) -> list[float]:
    rows = [
        {
            "id": row + 1,
            "image_id": int(one.image[0]) + 1,
            "category_id": int(one.label[0]) + 1,
            "keypoints": np.column_stack([one.points[0], one.visibility[0]]).reshape(-1).tolist(),
            "num_keypoints": int((one.visibility > 0).sum()),
            "bbox": one.xywh[0].tolist(),
            "area": float(one.area[0]),
            "iscrowd": int(one.crowd[0]),
        }
        for row, one in enumerate(ground_truths.where(np.array([row])) for row in range(len(ground_truths)))
    ]
    found = [
        {
            "image_id": int(predictions.image[row]) + 1, "category_id": int(predictions.label[row]) + 1,
            "keypoints": np.column_stack([predictions.points[row], np.ones(len(sigmas))]).reshape(-1).tolist(),
            "score": float(predictions.score[row]),
        }
        for row in range(len(predictions))
    ]  # fmt: skip
    truth = COCO()
    truth.dataset = {
        "images": [{"id": image + 1} for image in range(images)],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": rows,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(("seed", "joints"), [(0, 17), (1, 17), (2, 4), (3, 68)])
def test_average_precision_equals_pycocotools_to_all_digits(seed: int, joints: int) -> None:
    ground_truths, predictions = made(seed, joints)
    sigmas = list(COCO_SIGMAS) if joints == 17 else np.linspace(0.02, 0.1, joints).tolist()
    found = oks_average_precision(ground_truths, predictions, sigmas=sigmas, num_images=6, num_classes=2)
    theirs = by_pycocotools(ground_truths, predictions, sigmas, 6)
    ours = [-1.0 if value is None else value for value in vars(found).values()]
    assert ours == pytest.approx(theirs, abs=1e-12)
    assert 0 < ours[0] < 1


def test_similarity_by_hand() -> None:
    points = np.array([[[10.0, 10.0], [20.0, 20.0], [0.0, 0.0]]])
    predicted = points + np.array([[[3.0, 4.0], [0.0, 0.0], [99.0, 0.0]]])
    seen, area = np.array([[2, 1, 0]]), np.array([100.0])
    # One joint 5 pixels off: exp(-25 / (2 * 100 * (2 * .25)^2)) = exp(-.5); one right; one that nobody labeled.
    value = object_keypoint_similarity(predicted, points, seen, area, [0.25] * 3)
    assert value.tolist() == pytest.approx([(np.exp(-0.5) + 1) / 2])
    assert np.isnan(object_keypoint_similarity(predicted, points, seen * 0, area, [0.25] * 3)).all()


def test_without_objects_there_is_no_score() -> None:
    ground_truths, predictions = made(0, 4)
    none = np.zeros(len(ground_truths), bool)
    found = oks_average_precision(ground_truths.where(none), predictions, sigmas=[0.1] * 4, num_images=6, num_classes=2)
    assert found == OksSummary()
    nothing = oks_average_precision(
        ground_truths, predictions.where(none), sigmas=[0.1] * 4, num_images=6, num_classes=2
    )
    assert nothing.oks_ap == 0
