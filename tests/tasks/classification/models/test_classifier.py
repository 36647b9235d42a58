import math

import pytest
import torch
from torch import Tensor, nn

from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.losses.cross_entropy import CrossEntropy
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.heads.class_heads import PooledHead
from zorki.tasks.classification.classifier import Classifier, Logits
from zorki.types import Label, Placement
from zorki.weights.weight_map import WeightMap


class Tiny(Backbone):
    channels = (4,)
    strides = (2,)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, stride=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.conv(x)]

    def top_and_sides(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        maps = self.forward(x)
        return maps[-1], maps

    def stages(self) -> list[nn.Module]:
        return [self.conv]


class Sides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = PooledHead(4, 3), PooledHead(4, 3)

    def forward(self, sides: list[Tensor]) -> list[Tensor]:
        return [self.first(sides[0]), self.second(sides[0])]


def classifier(**settings):
    torch.manual_seed(0)
    return Classifier(Tiny(), PooledHead(4, 3), num_classes=3, preprocess=ResizeCrop(8), **settings)


def make_images():
    return torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_forward_is_normalize_backbone_head():
    model = classifier()
    expected = model.head(model.backbone.top(model.normalize(make_images())))
    assert torch.equal(model(make_images()).main, expected)


def test_outputs_have_one_type_and_auxiliary_heads_run_in_training_only():
    model = classifier(auxiliary=Sides())
    training, evaluation = model.train()(make_images()), model.eval()(make_images())
    assert type(training) is type(evaluation) is Logits
    assert [len(training.auxiliary), len(evaluation.auxiliary)] == [2, 0]
    assert torch.equal(training.main, evaluation.main)


def test_auxiliary_losses_are_weighted_and_added():
    model = classifier(auxiliary=Sides(), auxiliary_weight=0.3)
    targets = [Label(i) for i in (0, 1, 2, 1)]
    outputs = model(make_images())
    losses = model.loss(outputs, targets)
    index = torch.tensor([0, 1, 2, 1])
    assert torch.allclose(losses["cross_entropy"], nn.functional.cross_entropy(outputs.main, index))
    sides = sum(nn.functional.cross_entropy(one, index) for one in outputs.auxiliary)
    assert torch.allclose(losses["auxiliary"], 0.3 * sides)
    assert set(model.loss(model.eval()(make_images()), targets)) == {"cross_entropy"}


def test_one_hot_scores_equal_the_index_and_mixed_batches_work():
    model = classifier()
    outputs = model(make_images())
    hard = [Label(i) for i in (0, 1, 2, 1)]
    soft = [Label(0, torch.eye(3)[label.index]) for label in hard]
    expected = model.loss(outputs, hard)["cross_entropy"]
    assert torch.allclose(model.loss(outputs, soft)["cross_entropy"], expected)
    assert torch.allclose(model.loss(outputs, [*hard[:2], *soft[2:]])["cross_entropy"], expected)


def test_the_criterion_can_be_replaced():
    model = classifier()
    model.replace_criterion(lambda own: CrossEntropy(label_smoothing=0.5))
    outputs = model(make_images())
    index = torch.tensor([0, 1, 2, 1])
    expected = nn.functional.cross_entropy(outputs.main, index, label_smoothing=0.5)
    assert torch.allclose(model.loss(outputs, [Label(i) for i in index.tolist()])["cross_entropy"], expected)


def test_decode_by_hand():
    logits = Logits(torch.tensor([[0.0, math.log(3.0), 0.0], [math.log(8.0), 0.0, 0.0]], requires_grad=True))
    first, second = classifier().decode(logits, [Placement(5, 6)] * 2)
    assert (first.index, second.index) == (1, 0)
    assert first.scores.tolist() == pytest.approx([0.2, 0.6, 0.2])
    assert second.scores.tolist() == pytest.approx([0.8, 0.1, 0.1])
    assert not first.scores.requires_grad
    assert isinstance(first.index, int)


def test_decode_in_half_precision_sums_to_one():
    logits = Logits(torch.randn(3, 1000).bfloat16())
    for label in classifier().decode(logits, [Placement(5, 6)] * 3):
        assert label.scores.sum().item() == pytest.approx(1, abs=1e-5)


def test_names_of_weights():
    model = classifier(weight_map=WeightMap({"fc.": "head.fc.", "fc.old.": "head.pool.", ".linear_1.": ".0."}))
    assert model.weight_map.rename("fc.weight", model) == "head.fc.weight"
    assert model.weight_map.rename("fc.old.weight", model) == "head.pool.weight"  # the longest beginning counts
    assert model.weight_map.rename("conv.weight", model) == "backbone.conv.weight"
    assert model.weight_map.rename("a.linear_1.bias", model) == "backbone.a.0.bias"
    for own in model.state_dict():
        assert model.weight_map.rename(own, model) == own


def test_stages_and_expected_loss():
    model = classifier()
    assert model.backbone_stages() == [model.backbone.conv]
    assert model.expected_loss() == pytest.approx(math.log(3))


def test_a_network_of_one_channel_takes_rgb():
    class Gray(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 2, stride=2)

    model = Classifier(Gray(), PooledHead(4, 3), num_classes=3, preprocess=ResizeCrop(8), channels=1)
    assert model(make_images()).main.shape == (4, 3)
