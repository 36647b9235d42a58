"""What tasks that find objects have in common, whatever an object is: a box or a mask, with a class and a score."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from zorki.contracts import Dataset, Evaluation, Presentation, Targets, TaskData
from zorki.contracts.capabilities import LabelError
from zorki.errors import DataError
from zorki.types import Boxes, ClassInfo, Instances
from zorki.types.arrays import array_of

SHOWN_SCORE = 0.5  # predictions below are not drawn, until a run says which threshold serves it best

Found = TypeVar("Found", Boxes, Instances)


def show_score(info: ClassInfo) -> float:
    """Predictions that score less are not shown."""
    return SHOWN_SCORE if info.score_threshold is None else info.score_threshold


def shown(annotation: Found, info: ClassInfo) -> Found:
    """The objects for a person: all of the ground truth, and of a prediction those that score `show_score` or more."""
    return annotation if annotation.scores is None else annotation[annotation.scores >= show_score(info)]


class ObjectData(TaskData[Found]):
    """Images with any number of objects each."""

    usual_classes = 80  # COCO's
    task: ClassVar[str]
    noun: ClassVar[tuple[str, str]] = ("object", "objects")

    @abstractmethod
    def learnable_count(self, target: Found) -> int:
        """How many objects a network can learn from."""

    def check(self, dataset: Dataset[Found], train: Sequence[int]) -> None:
        """One training image at least must have an object that can be learned."""
        if self.has_ground_truth(dataset, train):
            return
        one, many = self.noun
        raise DataError(
            f"{dataset.root}: none of the {len(train)} training images has {_article(one)} {one}; expected {many} in "
            f"some of them. See with `zorki show --task {self.task}` how the annotations were read, and whether their "
            f"{many} were left out as defects."
        )

    def has_ground_truth(self, dataset: Dataset[Found], indices: Sequence[int]) -> bool:
        """Whether any of the images has an object that can be learned."""
        return any(self.learnable_count(target) for target in Targets(dataset, indices).readable())

    def sampling_weights(self, targets: Sequence[Found], info: ClassInfo) -> list[float]:
        """The inverse of how many images show a class, for the rarest class of an image; 1 / N without objects."""
        import torch

        shown = [set(target.labels.tolist()) for target in targets]
        counts = torch.zeros(max(1, len(info)), dtype=torch.int64)
        for labels in shown:
            counts[list(labels)] += 1
        bare = 1.0 / max(1, len(targets))
        return [max((1.0 / int(counts[label]) for label in labels), default=bare) for labels in shown]

    def default_classes(self, num_classes: int) -> ClassInfo:
        """COCO's names for 80, 90 or 91 classes, else the numbers."""
        from zorki.tasks.detection.class_names import coco_names

        names = coco_names(num_classes)
        return super().default_classes(num_classes) if names is None else ClassInfo(tuple(names))


class ObjectEvaluation(Evaluation[Found, Found]):
    """What a run learns from evaluating objects."""

    file_format = "COCO's results"

    def learn(self, info: ClassInfo, scores: Mapping[str, Any], split: str) -> ClassInfo:
        """Predictions are shown from the score of the best F1 on; from `SHOWN_SCORE` where nothing is right."""
        if not scores or 0 in (scores.get("count"), scores.get("objects")):
            return info
        best = scores.get("best_threshold")
        score = SHOWN_SCORE if best is None else float(best)
        return dataclasses.replace(info, score_threshold=score, threshold_split=split)

    def overlaps(self, prediction: Found, target: Found) -> Any:
        """IoU (P, G) of predictions and ground truth of one image, in numpy: of boxes, unless objects have masks."""
        from zorki.ops.boxes import pairwise_iou

        return pairwise_iou(prediction.xyxy.float(), target.xyxy.float()).numpy()

    def label_errors(self, predictions: Sequence[Found], targets: Sequence[Found], info: ClassInfo) -> list[LabelError]:
        """Objects of another class, objects that nothing meets, and missing ones, see `object_errors`."""
        from zorki.metrics.label_errors.objects import ComparedObjects, object_errors

        tables = []
        for one, target in zip(predictions, targets, strict=True):
            assert one.scores is not None
            columns = (array_of(values) for values in (one.scores, one.labels, target.labels, _ignored(target)))
            tables.append(ComparedObjects(self.overlaps(one, target), *columns))
        found = []
        for error in object_errors(tables, show_score(info)):
            prediction, target = predictions[error.image], targets[error.image]
            seen = target.xyxy[error.row] if error.row is not None else prediction.xyxy[error.prediction]
            left, top, right, bottom = seen.tolist()
            label = None if error.row is None else int(target.labels[error.row])
            suggested = None if error.prediction is None else int(prediction.labels[error.prediction])
            found.append(LabelError(error.image, error.kind, error.score, label, suggested, (left, top, right, bottom)))
        return found


def _ignored(target: Any) -> Any:
    """Objects whose annotation says nothing certain."""
    ignored = target.labels < 0
    for flags in (target.crowd, target.difficult):
        ignored = ignored if flags is None else ignored | flags
    return ignored


class ObjectPresentation(Presentation[Found, Found]):
    """Which objects are shown, what they are called, and their records."""

    thumbnail_side = 224
    exchange_format = "COCO's results"
    noun: ClassVar[str] = "objects"

    def shown(self, annotation: Found, info: ClassInfo) -> Found:
        """The objects that score the threshold of the run, or 0.5 where it found none."""
        return shown(annotation, info)

    def caption(self, annotation: Found, info: ClassInfo) -> str:
        """How many of which class, the most frequent first: "3 x RBC, 1 x WBC"."""
        counts = Counter(self.shown(annotation, info).labels.tolist())
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} x {info.names[label]}" for label, count in ranked) or "nothing"

    def legend(self, info: ClassInfo) -> list[tuple[str, tuple[int, int, int] | None]]:
        """Right, wrong, missed, and what does not count."""
        from zorki.draw.palette import mark_color
        from zorki.tasks.detection.drawing import MISSED_COLOR

        return [
            ("right", mark_color(True)),
            ("wrong", mark_color(False)),
            ("missed", MISSED_COLOR),
            ("does not count", mark_color(None)),
        ]

    def record_of(self, annotation: Found, info: ClassInfo) -> dict[str, Any]:
        """Every object in xyxy pixels, with its class's name, its score and its marks; and how many are shown."""
        columns = {
            "score" if name == "scores" else name: values
            for name, values in annotation.to_json().items()
            if name != "labels"
        }
        return self.rows_of(annotation, columns, info)

    def rows_of(self, annotation: Found, columns: Mapping[str, Sequence[Any]], info: ClassInfo) -> dict[str, Any]:
        """Every object with its class's name and its values in `columns`; and how many are shown."""
        rows = [
            {"label": label, "class_name": info.names[label], **{name: columns[name][row] for name in columns}}
            for row, label in enumerate(annotation.labels.tolist())
        ]
        record: dict[str, Any] = {self.noun: rows}
        if annotation.scores is not None:
            record |= {"threshold": show_score(info), "shown": len(self.shown(annotation, info))}
        return record


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
