"""A box head beside a class head: its losses, its two kinds of data, and the exported graph."""

from __future__ import annotations

import pytest
import torch

from zorki import registry
from zorki.contracts.capabilities import Exportable, FitsToData, Selection
from zorki.errors import RecipeError
from zorki.tasks.localization.models.localizer import EVEN_LOGIT, BoxCriterion, LocalizerOutputs
from zorki.types import Boxes, Placement

NAME = "localizer_squeezenet1_1"
SIDE = 64
UPRIGHT = Placement(SIDE, SIDE, input_height=SIDE, input_width=SIDE)


def built(num_classes=3, name=NAME, **options):
    torch.manual_seed(0)
    return registry.build(name, num_classes, {"image_size": SIDE, **options}).eval()


@pytest.fixture(scope="module")
def network():
    return built()


@pytest.fixture(scope="module")
def parts():
    model = built()
    model.fit_to_data(
        [Boxes(torch.tensor([[0.0, 0.0, 32.0, 32.0], [16.0, 0.0, 64.0, 64.0]]), torch.tensor([0, 2]))], [(64, 64)]
    )
    return model


def images(count=2):
    return torch.randint(0, 256, (count, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def outputs(logits, boxes):
    return LocalizerOutputs(torch.tensor(logits), torch.tensor(boxes), torch.tensor([100.0, 50.0, 100.0, 50.0]))


@pytest.mark.parametrize("place", ["last_conv", "fc"])
@pytest.mark.parametrize(("per_class", "rows"), [(True, 3), (False, 1)])
def test_every_combination_of_place_and_kind_has_its_shape(place, per_class, rows):
    model = built(place=place, per_class=per_class)
    found = model(images())
    assert found.logits.shape == (2, 3)
    assert found.boxes.shape == (2, rows, 4)
    assert [len(one) for one in model.decode(found, [UPRIGHT, UPRIGHT])] == [3, 3]


@pytest.mark.parametrize("name", ["localizer_vgg11", "localizer_vit_tiny_16", "localizer_mobilenet_v3_small"])
@pytest.mark.parametrize("place", ["last_conv", "fc"])
def test_any_classifier_carries_a_box_head(name, place):
    with torch.device("meta"):
        model = registry.build(name, 3, {"place": place})
        x = torch.zeros(1, 3, 224, 224)
        if place == "last_conv":
            assert model.box_head(model.backbone.top_and_map(x)[1]).shape == (1, 12)
        else:
            assert model.box_head(model.head.with_vector(model.backbone.top(x))[1]).shape == (1, 12)


def test_other_models_and_other_words_are_refused():
    with pytest.raises(RecipeError, match="a model of detection"):
        registry.find("localizer_fcos_squeezenet")
    with pytest.raises(RecipeError, match="place is 'middle'"):
        built(place="middle")
    with pytest.raises(RecipeError, match="box_loss"):
        built(box_loss="l3")


def test_boxes_are_the_inverse_of_their_shares(network):
    found = outputs([[0.0, 9.0, 0.0]], [[[0.5, 0.5, 1.0, 1.0], [0.3, 0.4, 0.2, 0.4], [0.5, 0.5, 0.1, 0.1]]])
    placement = Placement(25, 200, 2.0, input_height=50, input_width=100, stretch=0.25)
    best = network.decode(found, [placement])[0][0]
    assert best.labels.tolist() == [1]
    torch.testing.assert_close(best.xyxy, torch.tensor([[40.0, 5.0, 80.0, 15.0]]))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("l2", {"l2": 10 * (0.01 + 0.04)}),
        ("smooth_l1", {"smooth_l1": 5 * (0.1 - 0.05 + 0.2 - 0.05)}),
        ("giou", {"giou": 2 * (1 - 1 / 3)}),
        ("smooth_l1_giou", {"smooth_l1": 5 * 0.2, "giou": 2 * (1 - 1 / 3)}),
    ],
)
def test_losses_of_a_box_by_hand(kind, expected):
    target = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    predicted = torch.tensor([[0.5, 0.5, 0.2, 0.6]]) if kind == "giou" else torch.tensor([[0.6, 0.5, 0.4, 0.2]])
    if kind == "smooth_l1_giou":
        assert set(BoxCriterion(kind)(predicted, target)) == set(expected)
        return
    found = BoxCriterion(kind)(predicted, target)
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected)


def test_only_the_box_of_the_right_class_learns(network):
    boxes = torch.rand(1, 3, 4, requires_grad=True)
    found = LocalizerOutputs(torch.zeros(1, 3), boxes, torch.tensor([64.0, 64.0, 64.0, 64.0]))
    target = Boxes(torch.tensor([[4.0, 4.0, 40.0, 50.0]]), torch.tensor([2]))
    torch.stack(list(network.loss(found, [target]).values())).sum().backward()
    assert boxes.grad[0, :2].abs().sum() == 0
    assert boxes.grad[0, 2].abs().sum() > 0


def test_a_hidden_part_has_no_box_to_learn_but_is_learned_as_hidden(parts):
    boxes = torch.rand(1, 3, 4, requires_grad=True)
    logits = torch.zeros(1, 3, requires_grad=True)
    found = LocalizerOutputs(logits, boxes, torch.tensor([64.0, 64.0, 64.0, 64.0]))
    target = Boxes(torch.tensor([[4.0, 4.0, 40.0, 50.0], [0.0, 0.0, 9.0, 9.0]]), torch.tensor([2, 0]))
    torch.stack(list(parts.loss(found, [target]).values())).sum().backward()
    assert boxes.grad[0, 1].abs().sum() == 0
    assert logits.grad.sign().tolist() == [[-1.0, 1.0, -1.0]]


def test_all_parts_are_predicted_each_with_its_visibility(parts):
    found = outputs([[2.0, -2.0, 0.0]], [[[0.5, 0.5, 1.0, 1.0]] * 3])
    (boxes,) = parts.decode(found, [Placement(50, 100, input_height=50, input_width=100)])
    assert boxes.labels.tolist() == [0, 2, 1]
    torch.testing.assert_close(boxes.scores, (torch.tensor([2.0, 0.0, -2.0]) - EVEN_LOGIT).sigmoid())
    assert boxes.scores[1] < 0.1, "hidden, though heads that end in a ReLU have no logit below 0"


def test_images_without_objects_have_a_loss(network, parts):
    nothing = Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    for model in (network, parts):
        total = torch.stack(list(model.loss(model(images(1)), [nothing]).values())).sum()
        assert bool(total.isfinite())


def test_training_starts_with_the_mean_training_box(parts):
    assert isinstance(parts, FitsToData)
    start = built()
    start.fit_to_data([Boxes(torch.tensor([[10.0, 20.0, 50.0, 40.0]]), torch.tensor([1]))], [(50, 100)])
    with torch.no_grad():
        start.box_head.boxes.weight.zero_()
        found = start.decode(start(images(1)), [Placement(50, 100, 1.28, input_height=64, input_width=64, stretch=0.5)])
    torch.testing.assert_close(found[0].xyxy[0], torch.tensor([10.0, 20.0, 50.0, 40.0]), atol=1e-3, rtol=0)
    assert not start.one_of_each
    assert parts.one_of_each


@pytest.mark.parametrize("place", ["last_conv", "fc"])
def test_a_box_head_does_not_hang_on_how_large_a_backbone_s_values_are(place):
    head = built(place=place).box_head
    width = head.norm.weight.numel()
    shape = (2, width, 4, 4) if place == "last_conv" else (2, width)
    found = torch.rand(shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(head(1000 * found), head(found), atol=1e-3, rtol=1e-3)
        assert head(found).abs().max() < 1  # near the mean training box, and not at the sigmoid's ends


def test_one_box_for_all_parts_is_refused():
    two = Boxes(torch.tensor([[0.0, 0.0, 3.0, 3.0]] * 2), torch.tensor([0, 1]))
    with pytest.raises(RecipeError, match="per_class"):
        built(per_class=False).fit_to_data([two], [(9, 9)])


def test_the_box_head_alone_learns_and_the_classifier_stays_in_evaluation():
    model = built(box_head_alone=True).train()
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"box_head"}
    assert not model.backbone.training
    assert not model.head.training
    assert model.box_head.training


def test_a_classification_run_s_weights_fit_by_their_own_names():
    classifier, model = registry.build("squeezenet1_1", 3, {"image_size": SIDE}), built()
    assert set(classifier.state_dict()) < set(model.state_dict())


def test_a_selection_leaves_what_was_asked_for(network):
    found = network(images(1))
    (all_,) = network.decode(found, [UPRIGHT])
    (first,) = network.with_selection(Selection(max_count=1)).decode(found, [UPRIGHT])
    assert first.labels.tolist() == all_.labels[:1].tolist()
    (none,) = network.with_selection(Selection(min_score=0.99)).decode(found, [UPRIGHT])
    assert len(none) == 0
    (only,) = network.with_selection(Selection(labels=(2,))).decode(found, [UPRIGHT])
    assert only.labels.tolist() == [2]


@pytest.mark.parametrize("kind", ["network", "parts"])
def test_the_graph_for_export_predicts_what_decode_does(kind, request):
    model = request.getfixturevalue(kind)
    assert isinstance(model, Exportable)
    graph = model.export_graph(SIDE, SIDE)
    with torch.no_grad():
        (xyxy, *_), (scores, *_), (labels, *_), count = graph.network(images(1))
        (eager,) = model.decode(model(images(1)), [UPRIGHT])
    torch.testing.assert_close(xyxy, eager.xyxy)
    torch.testing.assert_close(scores, eager.scores)
    assert labels.tolist() == eager.labels.tolist()
    assert count.tolist() == [len(eager)]
