"""Objects of another class, objects that nothing meets, and confident predictions without one."""

import numpy as np
import pytest

from zorki.metrics.label_errors.objects import ComparedObjects, object_errors


def table(iou, scores, predicted, labels, ignored=None):
    iou = np.array(iou, float).reshape(len(scores), len(labels))
    ignored = np.zeros(len(labels), bool) if ignored is None else np.array(ignored)
    return ComparedObjects(iou, np.array(scores, float), np.array(predicted, int), np.array(labels, int), ignored)


GOOD = table([[0.9, 0], [0, 0.8]], [0.9, 0.8], [0, 1], [0, 1])


def kinds(tables):
    return [(one.image, one.kind, one.row, one.prediction) for one in object_errors(tables)]


def test_right_annotations_are_left_alone():
    assert object_errors([GOOD] * 3) == []


def test_each_kind():
    swapped = table([[0.9]], [0.95], [1], [0])
    nothing = table([[0.2]], [0.3], [0], [0])
    missing = table([[0.9], [0.1]], [0.9, 0.85], [0, 0], [0])
    assert set(kinds([GOOD] * 10 + [swapped, nothing, missing])) == {
        (10, "wrong class", 0, 0), (11, "not an object", 0, None), (12, "missing object", None, 1),
    }  # fmt: skip


def test_a_surer_prediction_of_the_own_class_speaks_for_it():
    assert kinds([GOOD, table([[0.8], [0.7]], [0.9, 0.8], [0, 1], [0])]) == []


def test_crowds_and_difficult_objects_are_no_errors():
    assert kinds([GOOD, table([[0.2]], [0.4], [0], [0], ignored=[True])]) == []
    assert kinds([GOOD, table([[0.9]], [0.9], [1], [0], ignored=[True])]) == []


def test_what_a_model_often_misses_is_weighed_less():
    """Class 0 is met 9 of 10 times, class 1 never: an object of class 0 that nothing meets is more suspicious."""
    tables = [table([[0.9]], [0.9], [0], [0])] * 9 + [table([], [], [], [0]), table([], [], [], [1])]
    found = object_errors(tables)
    assert [(one.image, one.score) for one in found] == [(9, pytest.approx(0.9)), (10, 0.0)]


def test_images_without_anything():
    assert object_errors([table([], [], [], []), table([], [0.9], [0], [])])[0].kind == "missing object"
