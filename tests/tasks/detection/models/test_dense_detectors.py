"""What RetinaNet and FCOS on small backbones keep alike."""

from pathlib import Path

import pytest
import torch
from lessons import check_that_the_loss_falls

from zorki import registry
from zorki.engine.run.class_names import num_classes_of
from zorki.errors import RecipeError
from zorki.nn.layers.initialize import without_values
from zorki.tasks.detection.networks.coco_category_ids import NUMBERS, UNUSED
from zorki.types import Boxes
from zorki.weights import Weights, load_into, read_weights, save_weights

SMALL = ["retinanet_squeezenet", "fcos_squeezenet"]
OPTIONS = {"image_size": 96, "channels": 32, "depth": 1}
TARGETS = [
    Boxes(torch.tensor([[8.0, 6, 40, 30], [50, 20, 80, 60]]), torch.tensor([0, 2])),
    Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
]


def built(name, **options):
    torch.manual_seed(0)
    model = registry.build(name, 3, {**OPTIONS, **options})
    with torch.no_grad():
        model.class_output.bias.zero_()  # predictions above the least score
    return model


def make_images(*sizes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes]


def total(model, inputs, targets=TARGETS):
    return torch.stack(list(model.loss(model(inputs), targets).values())).sum()


@pytest.mark.parametrize("name", [*SMALL, "retinanet_mobilenet_v3_small", "fcos_resnet18"])
@pytest.mark.parametrize("targets", [TARGETS, TARGETS[1:] * 2], ids=["boxes", "none"])
def test_every_parameter_gets_a_gradient_and_losses_are_finite(name, targets):
    model = built(name).train()
    inputs, _ = model.preprocess(make_images((70, 96), (70, 96)))
    before = inputs.clone()
    loss = total(model, inputs, targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.equal(inputs, before)
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("name", SMALL)
def test_the_loss_falls_on_one_repeated_batch(name):
    model = built(name)
    inputs, _ = model.preprocess(make_images((70, 96), (70, 96)))
    check_that_the_loss_falls(model, inputs, TARGETS, to=0.5, rate=2e-3)


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_is_predicted_as_its_images_one_by_one_and_inside_of_them(name):
    model = built(name).eval()
    images = make_images((140, 192), (140, 192))
    with torch.inference_mode():
        inputs, placements = model.preprocess(images)
        together = model.decode(model(inputs), placements)
        for image, boxes in zip(images, together, strict=True):
            one, placement = model.preprocess([image])
            (alone,) = model.decode(model(one), placement)
            assert len(boxes) > 0
            assert len(boxes) == len(alone)
            torch.testing.assert_close(boxes.scores, alone.scores, atol=1e-4, rtol=1e-4)
            assert (boxes.xyxy >= 0).all()
            assert (boxes.xyxy[:, 2] <= 192).all()
            assert (boxes.xyxy[:, 3] <= 140).all()
            assert boxes.scores.tolist() == sorted(boxes.scores.tolist(), reverse=True)


@pytest.mark.parametrize("name", SMALL)
def test_weights_survive_saving_and_tell_the_number_of_classes(name, tmp_path):
    model, other = built(name).eval(), registry.build(name, 3, OPTIONS).eval()
    save_weights(tmp_path / "w.safetensors", model, {})
    weights = read_weights(tmp_path / "w.safetensors")
    match = load_into(other, weights, other.weight_map)
    assert [*match.new, *match.mismatched, *match.unused] == []
    inputs, _ = model.preprocess(make_images((70, 96)))
    with torch.no_grad():
        assert torch.equal(model.candidates(model(inputs)).xyxy, other.candidates(other(inputs)).xyxy)
    default = registry.build(name, 5)
    save_weights(tmp_path / "five.safetensors", default, {})
    assert num_classes_of(read_weights(tmp_path / "five.safetensors"), registry.find(name)) == 5


@pytest.mark.parametrize("name", SMALL)
def test_half_precision_changes_little(name):
    model = built(name).train()
    inputs, _ = model.preprocess(make_images((70, 96), (70, 96)))
    whole = total(model, inputs).detach()
    with torch.autocast("cpu", torch.bfloat16):
        half = total(model, inputs).detach()
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(float(whole), rel=0.05)


@pytest.mark.parametrize("name", SMALL)
def test_an_untrained_network_believes_in_nothing(name):
    model = registry.build(name, 3, OPTIONS).eval()
    inputs, _ = model.preprocess(make_images((70, 96)))
    with torch.no_grad():
        scores = model.candidates(model(inputs)).scores
    assert scores.max() < 0.15


@pytest.mark.parametrize("name", SMALL)
def test_weights_for_cocos_numbers_prediction_its_80_classes_alike(name):
    numbers, classes = registry.build(name, 91, OPTIONS).eval(), registry.build(name, 80, OPTIONS).eval()
    match = load_into(classes, Weights(numbers.state_dict(), {}, Path("coco.pth")), classes.weight_map)
    assert [*match.new, *match.mismatched, *match.unused] == []
    inputs, _ = numbers.preprocess(make_images((70, 96)))
    used = [number for number in range(NUMBERS) if number not in UNUSED]
    with torch.no_grad():
        for all_logits, logits in zip(numbers(inputs).logits, classes(inputs).logits, strict=True):
            torch.testing.assert_close(all_logits[..., used], logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["retinanet_timm:vit_tiny_patch16_224", "fcos_timm:convnext_atto"])
def test_networks_of_timm_learn_and_prediction(name):
    model = built(name).train()
    inputs, placements = model.preprocess(make_images((70, 96), (70, 96)))
    total(model, inputs).backward()
    with torch.no_grad():
        assert len(model.decode(model.eval()(inputs), placements)) == 2


@pytest.mark.parametrize("prefix", ["retinanet_", "fcos_"])
def test_any_backbone_can_be_named(prefix):
    entry = registry.find(f"{prefix}timm:resnet18")
    assert entry.weights == {"imagenet": "timm:resnet18"}
    assert "backbone" not in entry.options()
    assert entry.summary.endswith("on timm:resnet18.")
    with without_values():
        model = entry.build(3)
    assert model.neck.strides == (8, 16, 32, 64, 128)
    assert model.weight_map.rename("layer1.0.conv1.weight", model) == "backbone.network.layer1.0.conv1.weight"
    with pytest.raises(RecipeError, match="Did you mean resnet50"):
        registry.find(f"{prefix}resnet5")


@pytest.mark.parametrize("name", ["retinanet_resnet50_fpn", "fcos_resnet50_fpn"])
def test_twins_have_as_many_parameters_as_published(name):
    from torchvision.models import detection

    with without_values():
        model = registry.build(name, 91)
    weights = {"retinanet": detection.RetinaNet_ResNet50_FPN_Weights, "fcos": detection.FCOS_ResNet50_FPN_Weights}
    published = weights[name.split("_")[0]].COCO_V1.meta["num_params"]
    # Batch norms are frozen, there so much that their scales and shifts are no parameters.
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == published
    assert not model.train().backbone.bn1.training
    assert not model.backbone.bn1.weight.requires_grad
