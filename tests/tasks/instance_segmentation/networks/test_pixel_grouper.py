"""What all networks keep that group pixels into objects."""

from pathlib import Path

import pytest
import torch
from touching_cells import make_image, nothing, touching

from zorki import registry
from zorki.errors import RecipeError
from zorki.nn.layers.initialize import without_values
from zorki.tasks.instance_segmentation.networks.pixel_grouper import GroupingMaps
from zorki.types import Instances
from zorki.weights import Weights, load_into

METHODS = ["plain_unet", "border_unet", "deep_watershed", "deep_coloring"]


def built(method, num_classes=1, **options):
    torch.manual_seed(0)
    return registry.build(f"{method}_squeezenet", num_classes, {"image_size": 64, **options})


def batch(model, targets):
    inputs, placements = model.preprocess([make_image(target) for target in targets])
    return inputs, [target.place(placement) for target, placement in zip(targets, placements, strict=True)]


def total(model, inputs, targets):
    return torch.stack(list(model.loss(model(inputs), targets).values())).sum()


@pytest.mark.parametrize("num_classes", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_every_parameter_gets_a_gradient(method, num_classes):
    model = built(method, num_classes).train()
    total(model, *batch(model, [touching((0, num_classes - 1, 0, 0)), nothing()])).backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert all(bool(parameter.grad.isfinite().all()) for parameter in model.parameters())


@pytest.mark.parametrize("num_classes", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_the_decoder_may_stop_early(method, num_classes):
    """A single class has no maps of classes, and maps of no channels are brought to size, too."""
    model = built(method, num_classes, finest=2, autocontrast=True, dark_ground=True).train()
    assert model.preprocess.autocontrast
    assert model.preprocess.dark_ground
    inputs, targets = batch(model, [touching()])
    outputs = model(inputs)
    assert outputs.main.shape[2:] == outputs.classes.shape[2:] == inputs.shape[2:]
    assert bool(torch.stack(list(model.loss(outputs, targets).values())).isfinite().all())


@pytest.mark.parametrize("method", METHODS)
def test_images_without_objects_are_fine(method):
    model = built(method, 2).train()
    inputs, targets = batch(model, [nothing(), nothing()])
    loss = total(model, inputs, targets)
    loss.backward()
    assert bool(loss.isfinite())
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("method", METHODS)
def test_crowds_teach_nothing(method):
    model = built(method).eval()
    inputs, (target,) = batch(model, [touching()])
    outputs = model(inputs)
    crowd = torch.ones(4, dtype=torch.bool)
    crowded = Instances(target.xyxy, target.labels, target.masks, crowd=crowd)
    outputs.main.retain_grad()
    torch.stack(list(model.loss(outputs, [crowded]).values())).sum().backward()
    covered = target.masks.any(0)
    assert float(outputs.main.grad[0][:, covered].abs().max()) == 0
    assert float(outputs.main.grad[0][:, ~covered].abs().max()) > 0


@pytest.mark.parametrize("method", METHODS)
def test_four_images_are_predicted_as_one_by_one_in_their_own_pixels(method):
    model = built(method, 2, min_area=4).eval()
    with torch.no_grad():
        model.output.weight.mul_(30)  # else nothing would be told apart
    generator = torch.Generator().manual_seed(0)
    sizes = [(48, 64), (64, 48), (30, 90), (100, 70)]
    images = [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes]
    with torch.inference_mode():
        inputs, placements = model.preprocess(images)
        together = model.decode(model(inputs), placements)
    found = 0
    for image, answer in zip(images, together, strict=True):
        assert answer.masks.shape[1:] == image.shape[1:]
        assert bool((answer.scores.diff() <= 0).all())
        assert set(answer.labels.tolist()) <= {0, 1}
        found += len(answer)
        for mask, box in zip(answer.masks, answer.xyxy, strict=True):
            rows, columns = mask.nonzero().unbind(1)
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert found > 0
    same = [images[0], images[0].flip(2)]
    with torch.inference_mode():
        inputs, placements = model.preprocess(same)
        outputs = model(inputs)
        (second,) = model.decode(GroupingMaps(outputs.main[1:], outputs.classes[1:]), placements[1:])
        (alone,) = model.decode(model(inputs[1:]), placements[1:])
    assert len(second) == len(alone)
    torch.testing.assert_close(second.scores, alone.scores, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_sure_background_is_a_prediction_of_no_rows(method):
    model = built(method).eval()
    inputs, placements = model.preprocess([torch.zeros(3, 30, 50, dtype=torch.uint8)])
    with torch.inference_mode():
        outputs = model(inputs)
        outputs.main[:, 0] = 50.0
        (answer,) = model.decode(outputs, placements)
    assert isinstance(answer, Instances)
    assert len(answer) == 0
    assert answer.masks.shape == (0, 30, 50)


@pytest.mark.parametrize("method", METHODS)
def test_published_weights_of_any_backbone_fit(method):
    from torchvision.models import resnet18

    state = resnet18(weights=None).state_dict()
    model = registry.build(f"{method}_resnet18", 1, {})
    assert registry.find(f"{method}_resnet18").weights["imagenet"].startswith("torchvision:")
    match = load_into(model, Weights(state, {}, Path("published.pth")), model.weight_map)
    own = {key for key in model.state_dict() if key.startswith("backbone.") and "num_batches" not in key}
    assert own <= set(match.matched)
    with without_values():
        assert registry.build(f"{method}_mobilenet_v3_small", 2, {"max_objects": 7}).limits.max_objects == 7


def test_senseless_options_are_refused():
    for options in ({"min_area": 0}, {"max_objects": 0}):
        with pytest.raises(RecipeError, match="expected at least 1"):
            registry.build("border_unet_mobilenet_v3_small", 1, options)
    with pytest.raises(RecipeError, match="cut is 99"):
        built("deep_watershed", cut=99)
    with pytest.raises(RecipeError, match="1 colors"):
        built("deep_coloring", colors=1)
    with pytest.raises(RecipeError, match="border is -1"):
        built("border_unet", border=-1)
