"""The trade-off of false accepts and false rejects: by hand, and against plain counting."""

from __future__ import annotations

import pytest
import torch

from zorki.metrics.retrieval import verification
from zorki.metrics.retrieval.verification import accuracy_at, all_pairs, error_tradeoff

SIMILARITY = torch.tensor([0.9, 0.8, 0.8, 0.4, 0.3])
SAME = torch.tensor([True, True, False, True, False])


def test_by_hand() -> None:
    """Of 3 same and 2 different pairs; .8 comes once of each kind, so it is half a win for the area."""
    found = error_tradeoff(SIMILARITY, SAME)
    assert found is not None
    assert found.thresholds.tolist() == pytest.approx([torch.inf, 0.9, 0.8, 0.4, 0.3])
    assert found.false_accept_rate.tolist() == pytest.approx([0, 0, 1 / 2, 1 / 2, 1])
    assert found.false_reject_rate.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0, 0])
    assert found.auc() == pytest.approx((2 + 1.5 + 1) / 6)
    assert found.best_accuracy() == (pytest.approx(4 / 5), pytest.approx(0.4))
    assert (found.same_pairs, found.different_pairs) == (3, 2)


def test_true_accept_rate_at_a_false_accept_rate_never_accepts_more_than_asked() -> None:
    found = error_tradeoff(SIMILARITY, SAME)
    assert found is not None
    strict, loose = found.at_false_accept_rate(0.49), found.at_false_accept_rate(0.5)
    assert (strict.true_accept_rate, strict.threshold) == (pytest.approx(1 / 3), pytest.approx(0.9))
    assert (loose.true_accept_rate, loose.false_accept_rate) == (pytest.approx(1), pytest.approx(0.5))
    hopeless = error_tradeoff(torch.tensor([0.9, 0.1]), torch.tensor([False, True]))
    assert hopeless is not None
    assert hopeless.at_false_accept_rate(0).threshold == torch.inf


def test_the_equal_error_rate_lies_between_two_thresholds() -> None:
    found = error_tradeoff(SIMILARITY, SAME)
    assert found is not None
    # From (FAR 0, FRR 2/3) to (1/2, 1/3): they meet at 2/3 of nothing but the crossing of both lines.
    assert found.equal_error_rate() == pytest.approx(0.4)
    perfect = error_tradeoff(torch.tensor([0.9, 0.1]), torch.tensor([True, False]))
    assert perfect is not None
    assert (perfect.equal_error_rate(), perfect.auc()) == (0, 1)


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    generator = torch.Generator().manual_seed(1)
    similarity = torch.randint(9, (60,), generator=generator) / 8  # many ties
    same = torch.rand(60, generator=generator) < similarity
    found = error_tradeoff(similarity, same)
    assert found is not None
    ahead = (similarity[same][:, None] - similarity[~same][None]).sign()
    assert found.auc() == pytest.approx(float((ahead + 1).mean() / 2))


@pytest.mark.parametrize("same", [[True, True], [False, False], []])
def test_pairs_of_one_kind_have_no_trade_off(same: list[bool]) -> None:
    assert error_tradeoff(torch.ones(len(same)), torch.tensor(same, dtype=torch.bool)) is None


def test_accuracy_at_a_threshold_from_elsewhere() -> None:
    assert accuracy_at(SIMILARITY, SAME, 0.8) == pytest.approx(3 / 5)
    assert accuracy_at(SIMILARITY[:0], SAME[:0], 0.8) is None


def test_every_two_rows_are_a_pair_once() -> None:
    vectors = torch.eye(3)[torch.tensor([0, 0, 1, 2])]
    similarity, same = all_pairs(vectors, torch.tensor([5, 5, 5, 9]))
    assert len(similarity) == 6
    assert sorted(similarity[same].tolist()) == [0, 0, 1]
    assert similarity[~same].tolist() == [0, 0, 0]


def test_of_many_pairs_a_sample_has_the_same_area(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (400,), generator=generator)
    vectors = torch.nn.functional.normalize(torch.eye(4)[labels] + 0.7 * torch.randn(400, 4, generator=generator))
    whole = error_tradeoff(*all_pairs(vectors, labels))
    monkeypatch.setattr(verification, "MAX_PAIRS", 4000)
    similarity, same = all_pairs(vectors, labels)
    sample = error_tradeoff(similarity, same)
    assert whole is not None
    assert sample is not None
    assert (sample.same_pairs, sample.different_pairs) == (4000, 4000)
    assert sample.auc() == pytest.approx(whole.auc(), abs=0.02)
    assert torch.equal(similarity, all_pairs(vectors, labels)[0])  # seeded
