from pathlib import Path

import pytest
import torch

from zorki.contracts import Dataset
from zorki.data.preprocess.views import Views
from zorki.errors import DataError, RecipeError
from zorki.registry import build
from zorki.tasks.classification.settings import ClassificationSettings
from zorki.tasks.classification.task import Classification
from zorki.types import Batch, ClassInfo, Label, Placement

TASK = Classification()
INFO = ClassInfo(("cat", "dog", "owl"))


class Labeled(Dataset):
    """Labels alone."""

    def __init__(self, labels):
        self.labels, self.class_names = labels, list(INFO.names)

    def __len__(self):
        return len(self.labels)

    def target(self, index):
        return Label(self.labels[index])

    __getitem__ = path = check = None


def batch():
    inputs = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    labels = [Label(0), Label(1), Label(2), Label(0)]
    return Batch(inputs, labels, labels, [Placement(8, 8)] * 4, [0, 1, 2, 3])


@pytest.mark.parametrize("settings", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_mixed_targets_are_shares_and_ground_truth_stays(settings):
    given = batch()
    mixed = TASK.data.mix(given, ClassificationSettings(**settings), INFO, torch.Generator().manual_seed(1))
    assert mixed.inputs.dtype == torch.uint8
    assert mixed.inputs.shape == given.inputs.shape
    for label in mixed.placed:
        assert label.scores.sum() == pytest.approx(1.0)
    assert [target.scores for target in mixed.targets] == [None] * 4


def test_nothing_is_mixed_unless_asked():
    given = batch()
    assert TASK.data.mix(given, ClassificationSettings(), INFO, torch.Generator()) is given


def test_class_weights_make_rare_classes_count_as_much():
    model = build("lenet5", 3)
    dataset = Labeled([9, 0, 0, 0, 0, 0, 0, 1, 1, 2])
    TASK.data.configure(model, ClassificationSettings(class_weights=True, label_smoothing=0.1), dataset, range(1, 10))
    weights = model.criterion.weights
    assert torch.allclose(weights * torch.tensor([6.0, 2.0, 1.0]), torch.full((3,), 3.0))


def test_balance_draws_classes_evenly():
    weights = TASK.data.sampling_weights([Label(0)] * 3 + [Label(1)], INFO)
    assert sum(weights[:3]) == pytest.approx(weights[3])


def test_baseline_is_the_majority():
    answer = TASK.evaluation.baseline([Label(1), Label(1), Label(0), Label(1)], INFO)
    assert answer.index == 1
    assert answer.scores.tolist() == [0.25, 0.75, 0.0]
    assert TASK.evaluation.baseline([], INFO) is None


def test_ensemble_is_the_mean_of_probabilities():
    answer = TASK.evaluation.ensemble(
        [Label(0, torch.tensor([0.6, 0.4, 0.0])), Label(1, torch.tensor([0.1, 0.9, 0.0]))]
    )
    assert answer.index == 1
    assert torch.allclose(answer.scores, torch.tensor([0.35, 0.65, 0.0]))


def test_descriptions_are_plain():
    facts = TASK.presentation.to_record(Label(2, torch.tensor([0.1, 0.2, 0.7])), INFO)
    assert facts["class_name"] == "owl"
    assert [row["class_name"] for row in facts["top"]] == ["owl", "dog", "cat"]
    assert TASK.presentation.to_record(Label(1), INFO) == {"label": 1, "class_name": "dog"}


def test_the_error_score_is_what_the_ground_truth_lacks():
    assert TASK.evaluation.error_score(Label(0, torch.tensor([0.9, 0.1, 0.0])), Label(1), INFO) == pytest.approx(0.9)


def test_one_class_only_is_refused():
    dataset = TASK.data.read(Path("scenes:60@32"))
    one = [index for index in range(60) if dataset.target(index).index == 3]
    with pytest.raises(DataError, match=r"only one class has training images .* expected at least two"):
        TASK.data.check(dataset, one)


def test_reduced_jpeg_is_kept_by_the_preprocessing():
    model = build("lenet5", 3)
    for recipe in (ClassificationSettings(), ClassificationSettings(reduced_jpeg=True)):
        TASK.data.configure(model, recipe, Labeled([0, 1, 2]), [0, 1, 2])
        assert model.preprocess.reduced_jpeg == recipe.reduced_jpeg
    model.restore_preprocess(Views(model.preprocess))
    with pytest.raises(RecipeError, match="reduced_jpeg is True, but this network takes images as they are"):
        TASK.data.configure(model, recipe, Labeled([0, 1, 2]), [0, 1, 2])
