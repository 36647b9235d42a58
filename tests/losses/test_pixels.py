import math

import pytest
import slow_pixel_losses as slow
import torch

from zorki.errors import RecipeError
from zorki.losses.dice import soft_dice_loss
from zorki.losses.focal import focal_of_shares
from zorki.losses.lovasz import lovasz_softmax_loss
from zorki.losses.pixels import TERMS, PixelLoss
from zorki.losses.tversky import tversky_loss

CHANCE = torch.Generator().manual_seed(0)
LOGITS = torch.randn(2, 4, 3, 5, generator=CHANCE) * 2
EXPECTED = torch.randint(0, 3, (2, 3, 5), generator=CHANCE)  # class 3 is wanted nowhere
EXPECTED[0, 0, :3] = 255
EXPECTED[1, 2, 4] = 255
WEIGHTS = torch.rand(2, 3, 5, generator=CHANCE) * 3
WEIGHTS[1, 0, 0] = 0
ALL = "ce,dice,focal,lovasz,tversky"


def loss_of(text, logits=LOGITS, target=EXPECTED, weights=None, **settings):
    return PixelLoss.of(text, **settings)(logits, target, weights)[TERMS[text.partition(":")[0]]]


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("class_weights", [None, torch.tensor([1.0, 3.0, 0.5, 2.0])], ids=["", "classes"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_and_focal_equal_their_slow_twins(weights, class_weights, smoothing):
    pixels = slow.pixels_of(LOGITS, EXPECTED, weights)
    alphas = [1.0] * 4 if class_weights is None else class_weights.tolist()
    found = loss_of("ce", weights=weights, class_weights=class_weights, label_smoothing=smoothing)
    assert found.item() == pytest.approx(slow.cross_entropy(pixels, alphas, smoothing), rel=1e-5)
    found = loss_of("focal", weights=weights, class_weights=class_weights)
    assert found.item() == pytest.approx(slow.focal(pixels, alphas), rel=1e-5)


@pytest.mark.parametrize("word", ["dice", "tversky", "lovasz"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_regions_equal_their_slow_twins(word, weights):
    """Weights above 0 change nothing, and a weight of 0 is as if the pixel is ignored."""
    pixels = slow.pixels_of(LOGITS, EXPECTED, weights)
    found = loss_of(word, weights=weights).item()
    assert found == pytest.approx(getattr(slow, word)(pixels), rel=1e-5)
    assert 0 < found < 1


def test_cross_entropy_equals_torchs():
    weights = torch.tensor([1.0, 3.0, 0.5, 2.0])
    theirs = torch.nn.functional.cross_entropy(LOGITS, EXPECTED, weights, ignore_index=255, label_smoothing=0.1)
    assert torch.allclose(loss_of("ce", class_weights=weights, label_smoothing=0.1), theirs)


def test_by_hand():
    # Two pixels, the first of class 0 with a share of 3/4, the second of class 1 with a share of 1/2.
    logits = torch.tensor([[[[math.log(3.0), 0.0]], [[0.0, 0.0]]]])
    target = torch.tensor([[[0, 1]]])
    assert loss_of("ce", logits, target).item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert loss_of("focal", logits, target).item() == pytest.approx((math.log(4 / 3) / 16 + math.log(2) / 4) / 2)
    # Shares of class 0 are 3/4 and 1/2, of class 1 1/4 and 1/2.
    dice = (2 * 0.75 / (0.5625 + 0.25 + 1), 2 * 0.5 / (0.0625 + 0.25 + 1))
    assert loss_of("dice", logits, target).item() == pytest.approx(1 - sum(dice) / 2)
    tversky = (0.75 / (0.75 + 0.3 * 0.5 + 0.7 * 0.25), 0.5 / (0.5 + 0.3 * 0.25 + 0.7 * 0.5))
    assert loss_of("tversky", logits, target).item() == pytest.approx(1 - sum(tversky) / 2)
    # Class 0: the larger error, 1/2, is where it is not wanted: IoU falls to 1/2; the other, 1/4, takes the rest.
    # Class 1: the larger error, 1/2, is where it is wanted: nothing is left, and the other costs nothing more.
    assert loss_of("lovasz", logits, target).item() == pytest.approx((0.5 * 0.5 + 0.25 * 0.5 + 0.5) / 2)


def test_with_predictions_that_are_sure_lovasz_is_the_iou_and_tversky_too():
    predicted = torch.tensor([[[0, 0, 1], [1, 1, 2]]])
    target = torch.tensor([[[0, 1, 1], [1, 1, 0]]])
    shares = torch.nn.functional.one_hot(predicted, 3).permute(0, 3, 1, 2).float()
    valid = torch.ones_like(target, dtype=torch.bool)
    # Class 0: 1 shared of 3; class 1: 3 shared of 4; class 2 is not wanted.
    expected = 1 - (1 / 3 + 3 / 4) / 2
    assert lovasz_softmax_loss(shares, target, valid).item() == pytest.approx(expected)
    assert tversky_loss(shares, target, valid, alpha=1, beta=1).item() == pytest.approx(expected)
    # Dice of predictions that are 0 or 1: squares change nothing, and alpha and beta of 1/2 are the same.
    assert soft_dice_loss(shares, target, valid).item() == pytest.approx(1 - (2 / 4 + 6 / 7) / 2)
    halves = tversky_loss(shares, target, valid, alpha=0.5, beta=0.5)
    assert halves.item() == pytest.approx(1 - (2 / 4 + 6 / 7) / 2)


@pytest.mark.parametrize("word", ["dice", "tversky", "lovasz", "ce", "focal"])
def test_slopes_equal_differences(word):
    logits = LOGITS.double().requires_grad_()
    function = {"dice": soft_dice_loss, "tversky": tversky_loss, "lovasz": lovasz_softmax_loss}.get(word)
    if function is None:
        x = LOGITS.clone().requires_grad_()
        loss_of(word, x, weights=WEIGHTS).backward()
        pixels = {"ce": slow.cross_entropy, "focal": slow.focal}[word]

        def value(at):
            args = ([1.0] * 4, 0.0) if word == "ce" else ([1.0] * 4,)
            return pixels(slow.pixels_of(at, EXPECTED, WEIGHTS), *args)
    else:
        x = LOGITS.clone().requires_grad_()
        loss_of(word, x).backward()

        def value(at):
            return getattr(slow, word)(slow.pixels_of(at, EXPECTED))

    for place in [(0, 0, 1, 1), (0, 1, 2, 4), (1, 2, 0, 2), (1, 3, 2, 3), (1, 1, 1, 0), (0, 2, 0, 0)]:
        step = torch.zeros_like(logits)
        step[place] = 1e-6
        with torch.no_grad():
            slope = (value(logits + step) - value(logits - step)) / 2e-6
        assert x.grad[place].item() == pytest.approx(slope, abs=2e-6)


@pytest.mark.parametrize("word", TERMS)
def test_slopes_are_finite_where_a_class_is_missing_and_zero_where_nobody_evaluated(word):
    x = (LOGITS * 60).requires_grad_()  # shares of exactly 0 and 1 are among them
    loss = loss_of(word, x, torch.full_like(EXPECTED, 2))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()
    for weights in (None, torch.zeros_like(WEIGHTS)):
        x = LOGITS.clone().requires_grad_()
        loss = loss_of(word, x, torch.full_like(EXPECTED, 255 if weights is None else 1), weights)
        loss.backward()
        assert loss.item() == 0
        assert x.grad.abs().max() == 0


@pytest.mark.parametrize("word", TERMS)
def test_what_nobody_evaluated_has_no_slope_and_changes_nothing(word):
    x = LOGITS.clone().requires_grad_()
    loss_of(word, x).backward()
    unjudged = (EXPECTED == 255)[:, None].expand_as(x)
    assert x.grad[unjudged].abs().max() == 0
    assert x.grad[~unjudged].abs().max() > 0
    other = torch.where(unjudged, LOGITS.flip(1) * 3, LOGITS)
    assert loss_of(word, other).item() == pytest.approx(loss_of(word).item(), rel=1e-6)


@pytest.mark.parametrize("word", TERMS)
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_evaluated_in_float32(word, kind):
    x = LOGITS.to(kind).requires_grad_()
    loss = loss_of(word, x)
    loss.backward()
    assert loss.dtype == torch.float32
    assert x.grad.dtype == kind
    assert loss.item() == loss_of(word, x.detach().float()).item()


@pytest.mark.parametrize("word", TERMS)
def test_the_right_prediction_costs_nothing_and_steps_lead_there(word):
    target = torch.where(EXPECTED == 255, 0, EXPECTED)
    right = torch.nn.functional.one_hot(target, 4).permute(0, 3, 1, 2) * 40.0
    assert loss_of(word, right, target).item() == pytest.approx(0, abs=1e-6)
    x = torch.zeros_like(LOGITS).requires_grad_()
    optimizer = torch.optim.Adam([x], 0.3)
    for _ in range(60):
        optimizer.zero_grad()
        loss_of(word, x, target).backward()
        optimizer.step()
    assert (x.argmax(1) == target).all()


def test_many_pixels_are_summed_exactly():
    """Sums that reach 2^20 in float32 would round each pixel more."""
    target = torch.zeros(1, 1024, 1100, dtype=torch.int64)
    shares = torch.stack([torch.full((1, 1024, 1100), 0.9), torch.full((1, 1024, 1100), 0.1)], 1)
    found = soft_dice_loss(shares, target, torch.ones_like(target, dtype=torch.bool)).item()
    assert found == pytest.approx(1 - 2 * 0.9 / (0.81 + 1), abs=5e-5)


def test_terms_are_weighted_and_named_in_their_order():
    losses = PixelLoss.of("dice : 0.5, ce")(LOGITS, EXPECTED)
    assert list(losses) == ["dice", "cross_entropy"]
    assert losses["dice"].item() == pytest.approx(0.5 * loss_of("dice").item())
    assert losses["cross_entropy"].item() == pytest.approx(loss_of("ce").item())
    together = PixelLoss.of(ALL)(LOGITS, EXPECTED, WEIGHTS)
    for word, name in TERMS.items():
        assert together[name].item() == pytest.approx(loss_of(word, weights=WEIGHTS).item(), rel=1e-6)


def test_nothing_said_is_the_cross_entropy():
    assert list(PixelLoss()(LOGITS, EXPECTED)) == ["cross_entropy"]
    assert str(PixelLoss({"ce": 1.0, "dice": 0.25})) == "ce,dice:0.25"


def test_a_network_that_knows_nothing_is_expected_to_lose_this():
    flat = torch.zeros(1, 4, 3, 3)
    target = torch.arange(9).view(1, 3, 3) % 4
    for text in ("ce", "focal:2", "ce:0.5,focal"):
        loss = PixelLoss.of(text)
        assert sum(loss(flat, target).values()).item() == pytest.approx(loss.expected_loss(4), rel=1e-5)
    assert PixelLoss.of("ce,dice").expected_loss(4) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dise", ["'dise'", "ce, dice, focal, lovasz, tversky", "Did you mean dice?"]),
        ("ce,lovas", ["Did you mean lovasz?"]),
        ("", ["loss names ''", "ce, dice"]),
        ("ce,", ["loss names ''"]),
        ("ce:x", ["'x' is no weight", "ce:1,dice:0.5"]),
        ("ce:", ["'' is no weight"]),
        ("ce:0", ["weight of 0", "leave ce out"]),
        ("ce:-1", ["weight of -1"]),
        ("ce:nan", ["weight of nan"]),
        ("ce:inf", ["weight of inf"]),
        ("ce,dice,ce:2", ["names ce twice"]),
    ],
)
def test_bad_texts_say_what_was_expected(text, words):
    with pytest.raises(RecipeError) as caught:
        PixelLoss.of(text)
    for word in words:
        assert word in str(caught.value)


def test_settings_without_their_term_are_refused():
    with pytest.raises(RecipeError, match=r"label_smoothing is 0\.1.*dice"):
        PixelLoss.of("dice", label_smoothing=0.1)
    with pytest.raises(RecipeError, match=r"weights of classes.*lovasz,dice"):
        PixelLoss.of("lovasz,dice", class_weights=torch.ones(3))
    with pytest.raises(RecipeError, match="share"):
        PixelLoss(label_smoothing=1.0)


def test_class_weights_move_but_are_not_saved():
    loss = PixelLoss(class_weights=torch.ones(4))
    assert loss.state_dict() == {}
    assert loss.to(torch.float64).class_weights.dtype == torch.float64


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 3.0])
def test_focal_of_shares_has_finite_slopes_and_is_the_cross_entropy_without_focus(gamma):
    logs = torch.tensor([0.0, -1e-9, -0.3, -80.0], requires_grad=True)
    loss = focal_of_shares(logs, gamma=gamma)
    loss.sum().backward()
    assert torch.isfinite(logs.grad).all()
    assert loss[2].item() == pytest.approx((1 - math.exp(-0.3)) ** gamma * 0.3)
    assert loss[3].item() == pytest.approx(80)
