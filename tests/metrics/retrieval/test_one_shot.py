"""One-shot accuracy, by hand."""

from __future__ import annotations

import pytest
import torch

from zorki.metrics.retrieval.one_shot import one_shot_accuracy


def test_the_mean_over_all_references_is_approached() -> None:
    """On a line of angles: class 0 at 0 and 40 degrees, class 1 at 50.

    With 0 as the reference 40 goes to 50 (wrong), with 40 as the reference 0 goes to 40 (right): one half.
    """
    angles = torch.tensor([0.0, 40.0, 50.0]).deg2rad()
    vectors = torch.stack([angles.cos(), angles.sin()], 1)
    found = one_shot_accuracy(vectors, torch.tensor([4, 4, 9]), draws=400)
    assert found == pytest.approx(0.5, abs=0.08)
    assert found == one_shot_accuracy(vectors, torch.tensor([4, 4, 9]), draws=400)


@pytest.mark.parametrize("labels", [[], [0], [0, 0], [0, 1, 2]])
def test_without_a_question_there_is_no_score(labels: list[int]) -> None:
    assert one_shot_accuracy(torch.ones(len(labels), 2), torch.tensor(labels, dtype=torch.int64)) is None
