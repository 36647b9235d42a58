"""The sliding window: its windows by a slow twin, balanced draws, and one type of outputs for both modes."""

import math

import pytest
import segmenter_laws as laws
import torch

from zorki.errors import RecipeError
from zorki.introspection.ledger import ledger
from zorki.nn.layers.initialize import without_values
from zorki.nn.layers.mirror import mirror
from zorki.tasks.semantic_segmentation.models.sliding_window import WindowMaps, draw_places
from zorki.types import Mask

NAMES = ["sliding_window_small", "sliding_window_squeezenet"]


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_the_laws_of_segmenters(name):
    model = laws.built(name, step=8)
    laws.check_odd_sizes(model)
    laws.check_together(model)
    laws.check_original_pixels(model)
    laws.check_gradients(model)


def test_the_loss_falls_on_one_repeated_batch():
    laws.check_learning(laws.built("sliding_window_small", count=16))


def test_one_by_one_it_predicts_as_a_loop_over_pixels_does():
    model = laws.built("sliding_window_small", step=1).eval()
    inputs = torch.stack(laws.make_images(2, 10, 13))
    with torch.inference_mode():
        got = model(inputs).main
        pixels = model.normalize(inputs)
        framed = mirror(pixels, 16, 16, 16, 16)
        for image, row, column in ((0, 0, 0), (1, 4, 7), (0, 9, 12)):
            window = framed[image, :, row : row + 33, column : column + 33]
            assert torch.equal(framed[image, :, row + 16, column + 16], model.normalize(inputs)[image, :, row, column])
            assert torch.allclose(got[image, :, row, column], model.head(model.body(window[None]))[0], atol=1e-5)


@pytest.mark.parametrize("step", [2, 3, 4])
def test_between_the_pixels_that_are_evaluated_it_interpolates(step):
    every, some = (laws.built("sliding_window_small", step=each).eval() for each in (1, step))
    inputs = torch.stack(laws.make_images(1, 24, 26))
    with torch.inference_mode():
        fine, coarse = every(inputs).main, some(inputs).main
    rows, columns = torch.arange(step // 2, 24, step), torch.arange(step // 2, 26, step)
    known = fine[:, :, rows][..., columns]
    if step % 2:  # else the middle between pixels is half a pixel from any
        assert torch.allclose(coarse[:, :, rows][..., columns], known, atol=1e-5)
        between = coarse[:, :, rows[0], columns[0] + 1]
        left, right = known[:, :, 0, 0], known[:, :, 0, 1]
        assert torch.allclose(between, left + (right - left) / step, atol=1e-5)
    assert float((coarse - fine).abs().mean()) < float(fine.std())


def test_outputs_have_one_type_and_training_carries_the_images():
    model = laws.built("sliding_window_small")
    inputs, targets = laws.lesson(model, 2)
    training, answering = model.train()(inputs), model.eval()(inputs)
    assert type(training) is type(answering) is WindowMaps
    assert training.main.shape == (2, 3, 0, 0)
    assert training.framed.shape == (2, 3, inputs.shape[2] + 32, inputs.shape[3] + 32)
    assert answering.framed is None
    assert set(model.loss(training, targets)) == set(model.loss(answering, targets)) == {"cross_entropy"}


def test_classes_are_drawn_alike_however_rare():
    torch.manual_seed(0)
    classes = torch.zeros(2, 20, 30, dtype=torch.int64)
    classes[0, :2, :2] = 2  # 4 pixels of 1200
    classes[1, 10:] = 255
    places = draw_places(classes, 90, 4)
    drawn = classes[places.unbind(1)]
    assert drawn.bincount().tolist() == [45, 0, 45]
    assert {tuple(place) for place in places[drawn == 2].tolist()} == {(0, r, c) for r in (0, 1) for c in (0, 1)}
    assert len({tuple(place) for place in places[drawn == 0].tolist()}) > 30


def test_a_batch_that_nobody_evaluated_teaches_nothing():
    model = laws.built("sliding_window_small").train()
    inputs, targets = laws.lesson(model, 2)
    nothing = [Mask(torch.full_like(target.classes, 255)) for target in targets]
    assert draw_places(nothing[0].classes[None], 8, 3).shape == (0, 3)
    loss = laws.total_loss(model, inputs, nothing)
    loss.backward()
    assert float(loss.detach()) == 0


def test_weights_of_pixels_count():
    model = laws.built("sliding_window_small").train()
    inputs, targets = laws.lesson(model, 2)
    outputs = model(inputs)

    def loss(weights):
        torch.manual_seed(1)
        return float(model.loss(outputs, weights)["cross_entropy"].detach())

    height, width = targets[0].classes.shape
    left = torch.zeros(height, width)
    left[:, : width // 4] = 1
    plain = loss(targets)
    assert loss([Mask(t.classes, weights=torch.ones(height, width)) for t in targets]) == pytest.approx(plain, abs=1e-5)
    assert loss([Mask(t.classes, weights=left) for t in targets]) != pytest.approx(plain, abs=1e-4)


def test_the_ledger_counts_every_window():
    with without_values():
        model = laws.registry.build("sliding_window_small", 3, {"step": 4})
    table = ledger(model, torch.empty(1, 3, 64, 48, dtype=torch.uint8, device="meta"))
    first = table.rows[1]
    assert (first.shape, first.receptive_field) == ((32, 30, 30), (4, 4))
    assert first.macs == 16 * 12 * 30 * 30 * 32 * 3 * 4 * 4
    assert table.rows[-1].receptive_field == table.receptive_field == (33, 33)
    assert table.parameters == sum(p.numel() for p in model.parameters())


def test_the_class_of_an_untrained_network_is_a_guess():
    model = laws.built("sliding_window_small").train()
    inputs, targets = laws.lesson(model, 2)
    assert float(laws.total_loss(model, inputs, targets).detach()) == pytest.approx(math.log(3), abs=0.05)


def test_what_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match="odd, not 64"):
        laws.built("sliding_window_squeezenet", window=64)
    with pytest.raises(RecipeError, match="at least 1, but are 0 and 128"):
        laws.built("sliding_window_small", step=0)
