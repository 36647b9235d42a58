"""How joints look: on images, in words, and in files of COCO's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorki.contracts import Presentation
from zorki.contracts.example import Example
from zorki.types import ClassInfo, Keypoints, Skeleton

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

    from zorki.tasks.pose.smoothing import JointSmoother


class PosePresentation(Presentation[Keypoints, Keypoints]):
    """Limbs and joints, an object in one color."""

    thumbnail_side = 224
    exchange_format = "COCO's results"
    example = Example(
        model="deep_pose_cifar_resnet20",
        data="scenes:600@96",
        settings={"image_size": 64, "epochs": 10, "batch_size": 16, "lr": 2e-3},
        own_data="images with joints, as COCO, YOLO, CVAT and others write them",
        own_model="deep_pose_resnet18",
    )

    def draw(self, image: UInt8[ndarray, "3 H W"], annotation: Keypoints, info: ClassInfo) -> UInt8[ndarray, "3 H2 W2"]:
        """The image with its objects."""
        from zorki.tasks.pose.drawing import draw_keypoints

        return draw_keypoints(image, annotation, _skeleton(info))

    def thumbnail(
        self,
        image: UInt8[ndarray, "3 H W"],
        annotation: Keypoints,
        info: ClassInfo,
        ground_truth: Keypoints | None = None,
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """The image with its objects, `thumbnail_side` pixels long; the ground truth in gray below them."""
        from zorki.tasks.pose.drawing import thumbnail

        return thumbnail(image, annotation, ground_truth, _skeleton(info), self.thumbnail_side)

    def caption(self, annotation: Keypoints, info: ClassInfo) -> str:
        """How many objects, and of ground truth with how many labeled joints: "2 objects, 31 joints"."""
        count, joints = len(annotation), int(annotation.labeled.sum())
        if not count:
            return "nothing"
        return f"{count} object{'' if count == 1 else 's'}, {joints} joint{'' if joints == 1 else 's'}"

    def smoother(self, settings: str) -> JointSmoother:
        """The One-Euro filter for each object of a video: "one-euro", or "one-euro:min_cutoff=1,beta=5"."""
        from zorki.tasks.pose.one_euro import OneEuro
        from zorki.tasks.pose.smoothing import JointSmoother

        return JointSmoother(OneEuro.parse(settings))

    def to_record(self, annotation: Keypoints, info: ClassInfo) -> dict[str, Any]:
        """Every object with its class's name, its box and its joints by name: x, y, COCO's flag, and a score."""
        return {"objects": [_record(annotation, row, info) for row in range(len(annotation))]}

    def exchange(
        self, annotation: Keypoints, info: ClassInfo, *, path: str, frame: int | None = None
    ) -> list[dict[str, Any]]:
        """COCO's results of keypoints, an entry an object; the third value of a joint is its score, 1 without one."""
        import numpy as np

        from zorki.tasks.detection.prediction_files.coco_results import numbers_of, to_results

        numbers = info.category_ids or numbers_of(info.names)
        boxes = annotation.regions()
        if boxes is None or boxes.scores is None:
            raise ValueError("objects have no boxes or no scores; a file of results needs both")
        arrays = annotation.numpy()
        third = np.ones(arrays.visibility.shape) if arrays.joint_scores is None else arrays.joint_scores
        triples = np.concatenate([arrays.points, third[..., None]], 2)
        joints = triples.reshape(len(triples), -1).astype(np.float64)
        return [
            {**entry, "keypoints": [round(value, 3) for value in row]}
            for entry, row in zip(
                to_results(boxes, path, info.names, numbers, frame=frame), joints.tolist(), strict=True
            )
        ]


def _labels(annotation: Keypoints) -> list[int]:
    return [0] * len(annotation) if annotation.labels is None else annotation.labels.tolist()


def _record(annotation: Keypoints, row: int, info: ClassInfo) -> dict[str, Any]:
    label = _labels(annotation)[row]
    record: dict[str, Any] = {"label": label, "class_name": info.names[label]}
    if annotation.xyxy is not None:
        record["xyxy"] = annotation.xyxy[row].tolist()
    if annotation.scores is not None:
        record["score"] = float(annotation.scores[row])
    rows = zip(_skeleton(info).names, annotation.points[row].tolist(), annotation.visibility[row].tolist(), strict=True)
    record["joints"] = [{"joint": name, "x": x, "y": y, "visibility": flag} for name, (x, y), flag in rows]
    if annotation.joint_scores is not None:
        for joint, score in zip(record["joints"], annotation.joint_scores[row].tolist(), strict=True):
            joint["score"] = score
    return record


def _skeleton(info: ClassInfo) -> Skeleton:
    assert info.skeleton is not None
    return info.skeleton
