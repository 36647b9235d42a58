"""What every segmenter must keep, one function a law; each builds the network anew by `built`."""

import copy

import torch
from lessons import check_that_the_loss_falls

from zorki import registry
from zorki.introspection.receptive_field.gradient import _positive
from zorki.types import Mask

NUM_CLASSES = 3


def built(name, **options):
    """The named model, small, without chance in its layers."""
    torch.manual_seed(0)
    known = registry.find(name).options()
    settings = {
        key: value
        for key, value in {"image_size": 64, "dropout": 0.0}.items()
        if key in registry.canonical_options(known)
    }
    return registry.build(name, NUM_CLASSES, settings | registry.canonical_options(options))


def wake(model, seed=0):
    """Score layers that start at 0 prediction nothing: they get values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 4 and not parameter.any():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def make_images(count, height=40, width=56, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8) for _ in range(count)]


def painted(count, height=48, width=64):
    """Images of three flat colors with a little noise, and the class of each pixel."""
    generator = torch.Generator().manual_seed(0)
    colors = torch.tensor([[200, 40, 40], [40, 180, 60], [60, 60, 220]])
    images, masks = [], []
    for index in range(count):
        classes = torch.zeros(height, width, dtype=torch.int64)
        classes[:, width // 3 + 4 * index :] = 1
        classes[height // 2 :, : width // 2] = 2
        noise = torch.randint(-20, 20, (height, width, 3), generator=generator)
        images.append((colors[classes] + noise).clamp(0, 255).permute(2, 0, 1).to(torch.uint8))
        masks.append(Mask(classes))
    return images, masks


def total_loss(model, inputs, targets):
    return torch.stack(list(model.loss(model(inputs), targets).values())).sum()


def lesson(model, count):
    images, masks = painted(count)
    inputs, placements = model.preprocess(images)
    return inputs, [mask.place(placement) for mask, placement in zip(masks, placements, strict=True)]


def check_odd_sizes(model, least=33):
    """Logits at the input's size, whatever it is."""
    for height, width in ((64, 96), (least + 28, least + 50), (least, least + 14)):
        inputs = torch.zeros(1, 3, height, width, dtype=torch.uint8)
        with torch.inference_mode():
            assert model.eval()(inputs).main.shape == (1, NUM_CLASSES, height, width)


def check_gradients(model):
    model.train()
    inputs, targets = lesson(model, 2)
    total_loss(model, inputs, targets).backward()
    assert not [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]


def check_learning(model, *, count=2):
    check_that_the_loss_falls(model, *lesson(model, count))


def check_together(model):
    """Four images are predicted as one by one."""
    images = make_images(4)
    with torch.no_grad():
        model.train()(model.preprocess(images)[0])  # measures the norms: else the predictions of some hardly differ
    model.eval()
    with torch.inference_mode():
        inputs, placements = model.preprocess(images)
        together = model(inputs)
        likely = model.probabilities(together, placements)
        for image, expected in zip(images, likely, strict=True):
            one, placement = model.preprocess([image])
            (alone,) = model.probabilities(model(one), placement)
            assert torch.allclose(alone, expected, atol=1e-4)
    assert any(float(maps.std(dim=(1, 2)).max()) > 1e-6 for maps in likely), "the prediction depends on the image"


def check_original_pixels(model):
    """An image that is not square, and of another size than the network's input."""
    model.eval()
    (wide,), (tall,) = make_images(1, 30, 100), make_images(1, 90, 50, seed=1)
    with torch.inference_mode():
        inputs, placements = model.preprocess([wide, tall])
        answers = model.decode(model(inputs), placements)
    for image, mask in zip((wide, tall), answers, strict=True):
        assert mask.classes.shape == image.shape[1:]
        assert mask.classes.device.type == "cpu"
        assert 0 <= int(mask.classes.min()) <= int(mask.classes.max()) < NUM_CLASSES


def center_of_sight(model, side, at):
    """The middle (row, column) of the pixels on which the prediction at a pixel depends, weighted by how much.

    Of a network of positive weights, where nothing cancels; what upsamples keeps its own, which are positive.
    """
    positive = _positive(copy.deepcopy(model).eval()).double()
    for changed, own in zip(positive.modules(), model.modules(), strict=False):
        if isinstance(own, torch.nn.ConvTranspose2d):
            changed.weight.data.copy_(own.weight)
    positive.normalize = torch.nn.Identity()
    pixels = torch.ones(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    logits = positive(pixels).main
    logits[0, :, at[0], at[1]].sum().backward()
    weight = pixels.grad[0].abs().sum(0)
    line = torch.arange(side, dtype=torch.float64) + 0.5
    total = weight.sum()
    return float((weight.sum(1) * line).sum() / total), float((weight.sum(0) * line).sum() / total)
