"""What tasks that find objects have in common, whatever an object is: a box or a mask, with a class and a score."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch

from zorki.contracts import Dataset, Task
from zorki.errors import DataError, RecipeError
from zorki.types import Boxes, Instances

if TYPE_CHECKING:
    from zorki.recipe import Recipe

SHOWN_SCORE = 0.5  # answers below are not drawn, until a run says which threshold serves it best

Found = TypeVar("Found", Boxes, Instances)


class ObjectTask(Task[Found, Found]):
    """Any number of objects an image: which of them are shown, what they are called, and what runs know of them."""

    usual_classes = 80  # COCO's
    thumbnail_side = 224
    noun: ClassVar[tuple[str, str]] = ("object", "objects")

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names)
        self.found_score: float | None = None  # from which answers are worth showing, where a run found that out
        self.category_ids: list[int] | None = None  # None: those of `numbers_of`

    @property
    def show_score(self) -> float:
        """Answers that score less are not shown."""
        return SHOWN_SCORE if self.found_score is None else self.found_score

    @abstractmethod
    def learnable_count(self, target: Found) -> int:
        """How many objects a network can learn from."""

    def check(self, dataset: Dataset[Found], train: Sequence[int]) -> None:
        """One training image at least must have an object that can be learned."""
        if any(self.learnable_count(dataset.target(index)) for index in train):
            return
        one, many = self.noun
        raise DataError(
            f"{dataset.root}: none of the {len(train)} training images has {_article(one)} {one}; expected {many} in "
            f"some of them. See with `zorki show --task {self.name}` how the annotations were read, and whether their "
            f"{many} were left out as defects."
        )

    def balance(self, targets: Sequence[Found]) -> list[float]:
        """The inverse of how many images show a class, for the rarest class of an image; 1 / N without objects."""
        shown = [set(target.labels.tolist()) for target in targets]
        counts = torch.zeros(max(1, len(self.class_names)), dtype=torch.int64)
        for labels in shown:
            counts[list(labels)] += 1
        bare = 1.0 / max(1, len(targets))
        return [max((1.0 / int(counts[label]) for label in labels), default=bare) for labels in shown]

    def shown(self, annotation: Found) -> Found:
        """The objects for a person: all of the truth, and of an answer those that score `show_score` or more."""
        return annotation if annotation.scores is None else annotation[annotation.scores >= self.show_score]

    def caption(self, annotation: Found) -> str:
        """How many of which class, the most frequent first: "3 RBC, 1 WBC"."""
        counts = Counter(self.shown(annotation).labels.tolist())
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} {self.class_names[label]}" for label, count in ranked) or "nothing"

    @classmethod
    def names_for(cls, num_classes: int) -> list[str]:
        """COCO's names for 80, 90 or 91 classes, else the numbers."""
        from zorki.tasks.detection.class_names import coco_names

        return coco_names(num_classes) or super().names_for(num_classes)

    def describe_rows(self, annotation: Found, columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Every object with its class's name and its values in `columns`; and how many are shown."""
        rows = [
            {"label": label, "class_name": self.class_names[label], **{name: columns[name][row] for name in columns}}
            for row, label in enumerate(annotation.labels.tolist())
        ]
        described: dict[str, Any] = {self.noun[1]: rows}
        if annotation.scores is not None:
            described |= {"threshold": self.show_score, "shown": len(self.shown(annotation))}
        return described

    def remember(self, dataset: Dataset[Found]) -> dict[str, Any]:
        """The numbers of the classes, where the data have numbers of their own, as COCO's files do."""
        numbers = getattr(dataset, "category_ids", None)
        if numbers is None or getattr(dataset, "image_ids", None) is None:  # made up by the reader
            return {}
        return {"category_ids": list(numbers)}

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Answers are exchanged with the numbers of the training data's classes from now on."""
        numbers = facts.get("category_ids")
        self.category_ids = list(numbers) if numbers and len(numbers) == len(self.class_names) else None

    def adopt(self, results: Mapping[str, Any]) -> None:
        """Shows from now on what scores at least the threshold of the best F1 on validation, else on another split."""
        for split in ("val", *results):
            best = results.get(split, {}).get("figures", {}).get("best_threshold")
            if best is not None:
                self.found_score = float(best)
                return


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def refuse_settings(recipe: Recipe, settings: Mapping[str, str], models: str) -> None:
    """Raises RecipeError where a recipe asks for one of `settings`, which say what to do instead."""
    for name, instead in settings.items():
        if getattr(recipe, name):
            raise RecipeError(f"{name} is {getattr(recipe, name)}, but {models} have no such setting; {instead}")
