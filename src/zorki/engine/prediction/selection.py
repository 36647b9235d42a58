"""Which predictions are wanted, by score, overlap, count and class; for networks that choose and those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zorki.contracts.capabilities import Selection, SelectsPredictions
from zorki.engine.prediction.rows import keep_rows
from zorki.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from zorki.contracts import Model

Classes = str | int | Sequence[str | int]


def selection_of(
    conf: float | None, iou: float | None, max_det: int | None, classes: Classes | None, names: Sequence[str]
) -> Selection:
    """The selection that these settings ask for; None leaves what the run was trained with.

    Raises:
        RecipeError: a value is out of its range, or no class has such a name.
    """
    for name, share in (("conf", conf), ("iou", iou)):
        if share is not None and not 0 <= share <= 1:
            raise RecipeError(f"{name} is {share}; expected 0 to 1")
    if max_det is not None and max_det < 1:
        raise RecipeError(f"max_det is {max_det}; expected at least 1")
    labels = None if classes is None else tuple(labels_of(classes, names))
    return Selection(conf, iou, max_det, labels)


def select(model: Model[Any, Any, Any], selection: Selection) -> Model[Any, Any, Any]:
    """A view of the model that selects so; the model itself where it does not choose, or nothing is asked.

    Raises:
        RecipeError: the network has no non-maximum suppression, or makes no number of predictions an image.
    """
    kind = type(model).__name__
    if selection == Selection():
        return model
    chooses = isinstance(model, SelectsPredictions)
    if selection.max_iou is not None and not (isinstance(model, SelectsPredictions) and model.has_nms):
        raise RecipeError(f"{kind} has no non-maximum suppression, so there is no IoU threshold; leave iou out")
    if selection.max_count is not None and not chooses:
        raise RecipeError(f"{kind} makes one prediction an image; leave max_det out")
    if not isinstance(model, SelectsPredictions):
        return model
    view: Model[Any, Any, Any] = model.with_selection(selection)
    return view


def keep_selected(prediction: Any, selection: Selection) -> Any:
    """The prediction with what is wanted of it, whether or not its network chose already, or several were joined.

    Raises:
        ZorkiError: predictions of this kind have no scores, or no classes, to choose by.
    """
    if selection == Selection():
        return prediction
    return keep_rows(prediction, score=selection.min_score, labels=selection.labels, count=selection.max_count)


def labels_of(classes: Classes, names: Sequence[str]) -> list[int]:
    """Labels of the classes that are named or numbered; several may stand in one text, between commas.

    >>> labels_of("dog,0", ["cat", "dog"])
    [0, 1]

    Raises:
        RecipeError: no class has that name or label.
    """
    listed = [classes] if isinstance(classes, str | int) else list(classes)
    words = [part for one in listed for part in ([one] if one in names else str(one).split(","))]
    labels = set()
    for word in words:
        text = str(word).strip()
        if text in names:
            labels.add(list(names).index(text))
        elif text.isascii() and text.isdigit() and int(text) < len(names):
            labels.add(int(text))
        else:
            there = ", ".join(list(names)[:20]) + (", ..." if len(names) > 20 else "")
            raise RecipeError(
                f"no class is named {text!r}.{did_you_mean(text, names)} There are {there}; labels run from 0 to "
                f"{len(names) - 1}"
            )
    return sorted(labels)
