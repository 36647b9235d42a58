"""What U-Nets, FC-DenseNets, SegNets and networks at full resolution have in common."""

import pytest
import torch
from lessons import check_that_the_loss_falls
from torch.nn.modules.batchnorm import _BatchNorm

from zorki import registry
from zorki.nn.layers.initialize import without_values
from zorki.nn.layers.upsample import UPSAMPLING
from zorki.types import Mask

K = 3
# Small ones that can be run, with their options.
SMALL = {
    "unet": {"width": 4, "depth": 2, "dropout": 0.0},
    "unet_resnet18": {},
    "unet_squeezenet": {},
    "unet_mobilenet_v3_large": {},
    "unet_timm:convnext_atto": {},
    "unet_darknet24": {"finest": 2},
    "fc_densenet56": {"dropout": 0.0},
    "full_resolution": {"width": 8},
    "full_resolution_dilated": {"width": 8},
    "segnet_basic": {},
}
CHEAP = ["unet", "unet_squeezenet", "fc_densenet56", "full_resolution", "full_resolution_dilated", "segnet_basic"]


def built(name, **options):
    torch.manual_seed(0)
    return registry.build(name, K, {"image_size": 64, **SMALL[name], **options})


def make_images(count, height, width):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)


def lesson(count, height, width):
    """Images whose brightness in blocks of eight pixels tells the class, with a strip that is ignored."""
    classes = torch.randint(0, K, (count, height // 8, width // 8), generator=torch.Generator().manual_seed(0))
    classes = classes.repeat_interleave(8, 1).repeat_interleave(8, 2)
    inputs = (classes[:, None] * 100 + make_images(count, height, width) // 8).clamp_max(255).to(torch.uint8)
    classes[:, :, :3] = 255
    return inputs, [Mask(one) for one in classes]


def total(model, inputs, targets):
    return torch.stack(list(model.loss(model(inputs), targets).values())).sum()


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(64, 96), (45, 71)])
def test_every_size_is_predicted_at_its_own(name, size):
    model = built(name).eval()
    with torch.no_grad():
        outputs = model(make_images(2, *size))
    assert outputs.main.shape == (2, K, *size)
    assert not outputs.auxiliary
    assert bool(outputs.main.isfinite().all())


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_gets_a_gradient(name):
    model = built(name).train()
    total(model, *lesson(2, 64, 64)).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None]
    zero = [n for n, p in model.named_parameters() if not bool(p.grad.abs().sum() > 0)]
    # The bias of a convolution in front of a batch norm is taken away again, and a stage of one pixel norms to 0.
    assert len(zero) < len(list(model.parameters())) / 4, zero


@pytest.mark.parametrize("name", CHEAP)
def test_the_loss_falls_on_one_repeated_batch(name):
    model = built(name)
    losses = check_that_the_loss_falls(model, *lesson(2, 32, 32), to=0.5, rate=1e-2)
    assert losses[0]["sum"] == pytest.approx(model.expected_loss(), rel=0.35)


@pytest.mark.parametrize("name", SMALL)
def test_four_images_are_predicted_as_one_by_one(name):
    model = built(name)
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():  # statistics as after some training, so that there is something to mistake
        if isinstance(module, _BatchNorm):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    model.eval()
    four = make_images(4, 40, 56)
    with torch.inference_mode():
        inputs, placements = model.preprocess(list(four))
        together = model.probabilities(model(inputs), placements)
        for image, probabilities in zip(four, together, strict=True):
            one, placement = model.preprocess([image])
            (alone,) = model.probabilities(model(one), placement)
            assert probabilities.shape == (K, 40, 56)
            assert torch.allclose(alone, probabilities, atol=1e-4)
            (mask,) = model.decode(model(one), placement)
            assert mask.classes.shape == (40, 56)


@pytest.mark.parametrize("name", ["unet", "unet_squeezenet", "fc_densenet56", "segnet_basic"])
@pytest.mark.parametrize("upsampling", UPSAMPLING)
def test_every_way_up_works(name, upsampling):
    if (name, upsampling) == ("unet", "unpool"):
        pytest.skip("refused: see test_unet")
    model = built(name, upsampling=upsampling).train()
    outputs = model(make_images(2, 32, 48))
    assert outputs.main.shape == (2, K, 32, 48)
    outputs.main.square().mean().backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None]


@pytest.mark.parametrize("name", SMALL)
def test_gray_images_are_taken(name):
    model = built(name).eval()
    gray = make_images(1, 40, 48)[:, :1]
    with torch.no_grad():
        assert torch.allclose(model(gray).main, model(gray.expand(-1, 3, -1, -1)).main, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["unet", "unet_resnet34", "fc_densenet67", "fc_densenet103", "segnet_vgg16", "full_resolution"]
)
def test_stages_are_the_way_down(name):
    with without_values():
        model = registry.build(name, K)
    parameters = {id(p) for p in model.parameters()}
    inside = {id(p) for stage in model.backbone_stages() for p in stage.parameters()}
    assert inside < parameters
    assert id(model.output.weight if hasattr(model, "output") else model.network.output.weight) not in inside
