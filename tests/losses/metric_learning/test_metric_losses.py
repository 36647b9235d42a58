"""Losses that compare samples, against plain loops written from their papers, and by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor

from zorki.losses.metric_learning.contrastive import ContrastiveLoss
from zorki.losses.metric_learning.distances import distances, squared_distances
from zorki.losses.metric_learning.proxies import ArcFaceLoss, ProxyAnchorLoss
from zorki.losses.metric_learning.supervised_contrastive import SupervisedContrastiveLoss
from zorki.losses.metric_learning.triplet import Mining, TripletLoss

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3])


def unit_vectors(seed: int = 0, count: int = len(LABELS), dim: int = 4) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)))


def triplets(labels: list[int]) -> list[tuple[int, int, int]]:
    places = range(len(labels))
    return [
        (a, p, n)
        for a, p in permutations(places, 2)
        if labels[a] == labels[p]
        for n in places
        if labels[n] != labels[a]
    ]


def test_contrastive_by_hand() -> None:
    """Points 0, 3 (one class) and 4 (another) on a line: d^2 = 9 for the pair, 16 and 1 for the others."""
    points, labels = torch.tensor([[0.0], [3.0], [4.0]]), torch.tensor([0, 0, 1])
    assert float(ContrastiveLoss(margin=5)(points, labels)) == pytest.approx((9 + (0 + 4) / 2) / 2)
    assert float(ContrastiveLoss(margin=5, hinge="distance")(points, labels)) == pytest.approx((9 + (1 + 16) / 2) / 2)


@pytest.mark.parametrize("mining", ["all", "hardest", "semi_hard"])
@pytest.mark.parametrize("squared", [False, True])
def test_triplets_as_plain_loops(mining: Mining, squared: bool) -> None:
    x, labels, margin = unit_vectors(), LABELS.tolist(), 0.3
    d = (squared_distances if squared else distances)(x)
    losses = []
    if mining == "all":
        losses = [float(d[a, p] - d[a, n]) + margin for a, p, n in triplets(labels)]
    for a in range(len(labels)):
        others = [n for n in range(len(labels)) if labels[n] != labels[a]]
        own = [p for p in range(len(labels)) if labels[p] == labels[a] and p != a]
        if mining == "hardest" and own:
            losses.append(max(float(d[a, p]) for p in own) - min(float(d[a, n]) for n in others) + margin)
        if mining == "semi_hard":
            for p in own:
                beyond = [float(d[a, n]) for n in others if d[a, n] > d[a, p]]
                negative = min(beyond) if beyond else max(float(d[a, n]) for n in others)
                losses.append(float(d[a, p]) - negative + margin)
    active = [loss for loss in losses if loss > 0]
    expected = sum(active) / len(active if mining == "all" else losses)
    loss, share = TripletLoss(margin, mining, squared=squared)(x, LABELS)
    assert float(loss) == pytest.approx(expected, abs=1e-6)
    assert float(share) == pytest.approx(len(active) / len(losses))


def test_random_mining_meets_every_triplet_in_the_end() -> None:
    """The mean over draws is the mean over all triplets of each pair."""
    x, labels = unit_vectors(1), LABELS.tolist()
    d = distances(x)
    each: dict[tuple[int, int], list[float]] = {}
    for a, p, n in triplets(labels):
        each.setdefault((a, p), []).append(max(0.0, float(d[a, p] - d[a, n]) + 0.3))
    expected = sum(sum(values) / len(values) for values in each.values()) / len(each)
    torch.manual_seed(0)
    criterion = TripletLoss(0.3, "random")
    drawn = [float(criterion(x, LABELS)[0]) for _ in range(600)]
    assert sum(drawn) / len(drawn) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("mining", ["all", "random", "hardest", "semi_hard"])
def test_without_a_triplet_the_loss_is_0_and_has_no_slope(mining: Mining) -> None:
    for labels in (torch.tensor([0, 1, 2]), torch.tensor([4, 4, 4])):
        x = unit_vectors(count=3).requires_grad_()
        loss, share = TripletLoss(0.3, mining)(x, labels)
        (slope,) = torch.autograd.grad(loss, x)
        assert (loss.item(), share.item()) == (0, 0)
        assert not slope.any()


def test_images_that_are_equal_have_a_finite_slope() -> None:
    x = unit_vectors(count=2)[[0, 0, 1]].clone().requires_grad_()
    labels = torch.tensor([0, 0, 1])
    for criterion in (ContrastiveLoss(1, "distance"), lambda x, y: TripletLoss(2.0, "all")(x, y)[0]):
        (slope,) = torch.autograd.grad(criterion(x, labels), x)
        assert slope.isfinite().all()


def test_arcface_by_the_angle() -> None:
    """A sample at 30 degrees from its center and 90 from the other; m = 0.5, s = 2."""
    criterion = ArcFaceLoss(2, 2, margin=0.5, scale=2)
    angle = math.radians(30)
    with torch.no_grad():
        criterion.centers.copy_(torch.tensor([[math.cos(angle), math.sin(angle)], [0, 0]]))
        criterion.centers[1] = torch.tensor([0.0, 3.0])  # of any length
    loss = criterion(torch.tensor([[1.0, 0]]), torch.tensor([0])).detach()
    right, wrong = 2 * math.cos(angle + 0.5), 2 * math.cos(math.pi / 2)
    assert float(loss) == pytest.approx(math.log(1 + math.exp(wrong - right)), abs=1e-6)


def test_arcface_never_rewards_a_larger_angle() -> None:
    criterion = ArcFaceLoss(2, 3, scale=8)
    with torch.no_grad():
        criterion.centers.copy_(torch.tensor([[1.0, 0, 0], [0, 0, 1.0]]))
    angles = torch.linspace(0, math.pi, 50)
    points = torch.stack([angles.cos(), angles.sin(), torch.zeros(50)], 1)
    losses = torch.stack([criterion(point[None], torch.tensor([0])) for point in points])
    assert (losses[1:] > losses[:-1]).all()


def test_proxy_anchor_as_plain_loops() -> None:
    x, criterion = unit_vectors(), ProxyAnchorLoss(5, 4)
    proxies = torch.nn.functional.normalize(criterion.proxies.detach())
    pull, push = [], []
    for k in range(5):
        own = [
            math.exp(-32 * (float(x[i] @ proxies[k]) - 0.1)) for i, label in enumerate(LABELS.tolist()) if label == k
        ]
        rest = [
            math.exp(32 * (float(x[i] @ proxies[k]) + 0.1)) for i, label in enumerate(LABELS.tolist()) if label != k
        ]
        pull += [math.log1p(sum(own))] * bool(own)
        push.append(math.log1p(sum(rest)))
    expected = sum(pull) / len(pull) + sum(push) / len(push)
    assert criterion(x, LABELS).item() == pytest.approx(expected, rel=1e-5)


def test_supervised_contrastive_as_plain_loops() -> None:
    x, labels = unit_vectors(), LABELS.tolist()
    each = []
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        total = sum(math.exp(float(x[i] @ x[j]) / 0.1) for j in others)
        own = [math.log(math.exp(float(x[i] @ x[j]) / 0.1) / total) for j in others if labels[j] == labels[i]]
        each += [-sum(own) / len(own)] if own else []
    assert float(SupervisedContrastiveLoss(0.1)(x, LABELS)) == pytest.approx(sum(each) / len(each), rel=1e-5)


@pytest.mark.parametrize(
    "kind",
    [ContrastiveLoss, SupervisedContrastiveLoss, ProxyAnchorLoss],
    ids=lambda kind: kind.__name__,
)
def test_a_step_down_the_slope_brings_one_class_together(kind: Callable[..., Any]) -> None:
    """From a random start, plain descent on the embeddings themselves sorts them by class."""
    torch.manual_seed(0)
    criterion = kind(4, 4) if kind is ProxyAnchorLoss else kind()
    x = unit_vectors(dim=4).requires_grad_()
    for _ in range(400):
        (slope,) = torch.autograd.grad(criterion(torch.nn.functional.normalize(x), LABELS), x)
        with torch.no_grad():
            x -= 0.3 * slope
    d = distances(torch.nn.functional.normalize(x.detach()))
    same = (LABELS[:, None] == LABELS[None]) & ~torch.eye(len(LABELS), dtype=torch.bool)
    assert float(d[same].mean()) < float(d[LABELS[:, None] != LABELS[None]].mean()) / 2


@pytest.mark.parametrize(
    "bad",
    [
        lambda: ContrastiveLoss(0),
        lambda: TripletLoss(-1),
        lambda: ArcFaceLoss(2, 2, 2),
        lambda: SupervisedContrastiveLoss(0),
    ],
)
def test_values_without_a_meaning_are_refused(bad: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="got"):
        bad()


def test_copies_are_at_distance_zero():
    # torch 2.14.1: torch.cdist of more than 25 rows leaves copies up to 0.0008 apart on the unit sphere.
    generator = torch.Generator().manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(40, 128, generator=generator)).repeat(2, 1).requires_grad_()
    d = distances(x)
    assert d[:40, 40:].diagonal().eq(0).all()
    assert d.diagonal().eq(0).all()
    d.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.002]])
    assert distances(apart)[0, 1].item() == pytest.approx(0.002, abs=1e-4)
