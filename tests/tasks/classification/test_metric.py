import math

import pytest
import torch
import torchmetrics.functional.classification as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from zorki.tasks.classification.metric import ClassificationMetric, ClassificationResult, ClassificationScores
from zorki.types import Label


def answers(scores):
    return [Label(int(row.argmax()), row) for row in scores]


def made(num_classes, scores, ground_truth):
    metric = ClassificationMetric([f"c{k}" for k in range(num_classes)])
    metric.update(answers(scores), [Label(t) for t in ground_truth])
    return metric


def test_by_hand():
    scores = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    figures = made(2, scores, [0, 1, 1, 0]).compute()
    assert figures.top1 == 0.75
    assert figures.correct == 3
    assert figures.confusion_matrix == ((2, 0), (1, 1))
    assert figures.per_class[0] == ClassificationScores("c0", 2, precision=2 / 3, recall=1.0, f1=0.8)
    assert figures.per_class[1] == ClassificationScores("c1", 2, precision=1.0, recall=0.5, f1=2 / 3)
    assert math.isclose(figures.log_loss, -math.log(0.9 * 0.4 * 0.8 * 0.7) / 4, rel_tol=1e-6)
    # Bins of a fifteenth: .6 (wrong), .7 (right), .8 (right), .9 (right) lie in four bins.
    assert math.isclose(figures.calibration_error, (0.6 + 0.3 + 0.2 + 0.1) / 4, rel_tol=1e-6)


def test_a_class_that_was_predicted_and_never_true_has_an_f1_of_0():
    """scikit-learn: f1_score([0, 0, 1], [0, 2, 1], average="macro") is (2/3 + 1 + 0) / 3."""
    figures = made(4, torch.eye(4)[[0, 2, 1]], [0, 0, 1]).compute()
    assert figures.macro_f1 == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert [row.f1 for row in figures.per_class] == [pytest.approx(2 / 3), 1.0, 0.0, None]


@settings(max_examples=25)
@given(st.integers(2, 12), st.integers(1, 60), st.integers(0, 10_000))
def test_agrees_with_torchmetrics(num_classes, count, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(count, num_classes, generator=generator).softmax(1)
    ground_truth = torch.randint(0, num_classes, (count,), generator=generator)
    figures = made(num_classes, scores, ground_truth.tolist()).compute()
    assert math.isclose(
        figures.top1,
        float(reference.multiclass_accuracy(scores, ground_truth, num_classes, average="micro")),
        abs_tol=1e-6,
    )
    five = reference.multiclass_accuracy(scores, ground_truth, num_classes, average="micro", top_k=min(5, num_classes))
    assert math.isclose(figures.top5, float(five), abs_tol=1e-6)
    error = reference.multiclass_calibration_error(scores, ground_truth, num_classes, n_bins=15)
    assert math.isclose(figures.calibration_error, float(error), abs_tol=1e-5)
    matrix = reference.multiclass_confusion_matrix(scores, ground_truth, num_classes)
    assert figures.to_json()["confusion_matrix"] == matrix.tolist()
    f1 = reference.multiclass_f1_score(scores, ground_truth, num_classes, average=None)
    for k, value in enumerate(f1.tolist()):
        assert math.isclose(figures.per_class[k].f1 or 0.0, value, abs_tol=1e-6)
    macro = reference.multiclass_f1_score(scores, ground_truth, num_classes, average="macro")
    assert math.isclose(figures.macro_f1, float(macro), abs_tol=1e-6)


def test_parts_merged_equal_the_whole():
    scores, ground_truth = torch.rand(50, 7).softmax(1), torch.randint(0, 7, (50,)).tolist()
    whole, left, right = (
        made(7, scores, ground_truth),
        made(7, scores[:20], ground_truth[:20]),
        made(7, scores[20:], ground_truth[20:]),
    )
    left.merge(right)
    assert left.compute().scalars() == pytest.approx(whole.compute().scalars())
    assert left.compute().confusion_matrix == whole.compute().confusion_matrix


def test_edges():
    metric = ClassificationMetric(["a", "b", "c"])
    assert metric.compute() == ClassificationResult(count=0)
    metric.update([], [])
    sure = torch.tensor([1.0, 0.0, 0.0])
    metric.update([Label(0, sure)], [Label(0)])
    figures = metric.compute()
    assert figures.per_class[1] == ClassificationScores("b", 0, precision=None, recall=None, f1=None)
    assert figures.calibration_error == 0.0
    assert figures.balanced_accuracy == 1.0
    metric.reset()
    assert metric.compute() == ClassificationResult(count=0)
    with pytest.raises(ValueError, match="no scores"):
        metric.update([Label(0)], [Label(0)])
    with pytest.raises(ValueError, match="lengths differ"):
        metric.update([Label(0, sure)], [])


def test_ties_break_to_the_lower_index_as_argmax_does():
    figures = made(3, torch.full((3, 3), 1 / 3), [0, 1, 2]).compute()
    assert figures.top1 == pytest.approx(1 / 3)
