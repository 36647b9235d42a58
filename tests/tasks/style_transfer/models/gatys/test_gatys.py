"""Stylizing one image: losses by tiles, regions, colors, divergence, chance."""

import copy
import dataclasses

import pytest
import torch

from zorki import registry
from zorki.contracts.capabilities import Stylizes
from zorki.data.strokes import paint_strokes
from zorki.errors import RecipeError, ZorkiError
from zorki.tasks.style_transfer.models.gatys import optimization
from zorki.tasks.style_transfer.models.gatys.colors import gray, matched_colors, with_colors_of
from zorki.tasks.style_transfer.models.gatys.image_tiles import tiles_of
from zorki.tasks.style_transfer.models.gatys.objective import ImageObjective, PlacedStyle
from zorki.tasks.style_transfer.perceptual import PerceptualNetwork, Rectifier, UnshuffledStem
from zorki.types.stylization import StyleImage, Stylization


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return registry.build("gatys_squeezenet", 1, {"style_layers": "relu1,fire2", "content_layers": "fire2"})


@pytest.fixture(scope="module")
def content():
    generator = torch.Generator().manual_seed(1)
    small = torch.randint(0, 256, (1, 3, 6, 8), generator=generator).float()
    return torch.nn.functional.interpolate(small, (48, 64), mode="bilinear")[0].to(torch.uint8)


@pytest.fixture(scope="module")
def styles():
    return [StyleImage(paint_strokes(64))]


def run(model, content, styles, **settings):
    steps, words = [], []
    image = model.stylize(content, styles, Stylization(**{"steps": 6, **settings}), steps.append, words.append)
    return image, steps, words


def test_it_has_the_capability(model):
    assert isinstance(model, Stylizes)
    assert not registry.find("gatys_vgg19").trainable


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}, {"start": "noise"}, {"smoothness": 0.1}])
def test_the_loss_falls_and_chance_is_seeded(model, content, styles, settings):
    image, steps, words = run(model, content, styles, **settings)
    assert image.shape == content.shape
    assert image.dtype == torch.uint8
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[-1].total < 0.9 * steps[0].total
    assert not words
    assert torch.equal(image, run(model, content, styles, **settings)[0])


def test_images_as_they_come_from_files_are_optimized_by_lbfgs(model, content, styles):
    """Rows of pixels, which are channels-last; L-BFGS of torch 2.14 steps contiguous parameters alone."""
    interleaved = content.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    turned = copy.deepcopy(model).to(memory_format=torch.channels_last)
    image = run(turned, interleaved, styles)[0]
    assert (image.float() - run(model, content, styles)[0].float()).abs().mean() < 1


def test_losses_at_step_0_are_1_whatever_the_network(model, content, styles):
    _, steps, _ = run(model, content, styles, steps=1)
    assert steps[0].style == pytest.approx(1.0, abs=1e-4)
    assert steps[0].content == pytest.approx(0.0, abs=1e-6)
    assert steps[0].total == pytest.approx(0.5, abs=1e-4)
    _, steps, _ = run(model, content, styles, steps=1, start="noise")
    assert steps[0].content == pytest.approx(1 / 20, rel=1e-3)


def test_strength_0_leaves_the_content_and_more_is_more_style(model, content, styles):
    assert torch.equal(run(model, content, styles, strength=0.0)[0], content)
    weak, strong = (run(model, content, styles, strength=share, steps=15)[1][-1] for share in (0.01, 0.9))
    assert strong.style < weak.style
    assert strong.content > weak.content


def test_from_coarse_to_fine(model, content, styles):
    image, steps, words = run(model, content, styles, size=128, coarse=40, steps=4)
    assert image.shape == (3, 96, 128)
    assert [step.side for step in steps] == [32, 32, 32, 32, 64, 64, 128]
    assert words == ["from coarse to fine: 4 at 32, 2 at 64, 1 at 128 pixels"]
    assert steps[0].image().shape == (3, 24, 32)
    assert optimization.level_sides(512, 512) == [512]
    assert optimization.level_sides(100, 512) == [100]


def objectives(network, content, styles, tile):
    normalized = network.normalize(content[None])
    settings = {"strength": 0.7, "smoothness": 0.1, "form": "paper", "seed": 0}
    return ImageObjective(network, normalized, styles, tile=tile, **settings), normalized


@pytest.mark.parametrize("name", ["vgg16", "squeezenet"])
@pytest.mark.parametrize("masked", [False, True])
def test_losses_and_gradients_by_tiles_are_those_of_the_whole(name, masked):
    torch.manual_seed(0)
    layers = {"vgg16": ("relu2_1", "conv1_1,relu2_2"), "squeezenet": ("fire2", "relu1,fire4")}[name]
    network = PerceptualNetwork(name, content_layers=layers[0], style_layers=layers[1]).double()
    content = torch.randint(0, 256, (3, 171, 203), dtype=torch.uint8)
    half = (torch.arange(203) < 100).double().expand(171, 203)
    style = network.normalize(paint_strokes(150)[None])
    placed = [PlacedStyle(style, 0.6, half if masked else None), PlacedStyle(style.flip(1), 0.4)]
    found = []
    for tile in (400, 128):
        objective, normalized = objectives(network, content, placed, tile)
        image = (normalized + 0.1 * torch.sin(normalized)).requires_grad_()
        image.grad = torch.zeros_like(image)
        losses = objective(image)
        assert losses.total == pytest.approx(objective.losses(image).total, rel=1e-9)
        found.append((len(objective.tiles), losses, image.grad))
    assert [count for count, _, _ in found] == [1, found[1][0]]
    assert found[1][0] > 1
    for name in ("content", "style", "smoothness", "total"):
        assert getattr(found[0][1], name) == pytest.approx(getattr(found[1][1], name), rel=1e-7)
    torch.testing.assert_close(found[0][2], found[1][2], rtol=1e-6, atol=1e-12)


def test_tiles_cover_an_image_once():
    network = PerceptualNetwork("vgg16", content_layers="relu2_1", style_layers="relu2_1")
    tiles = tiles_of(300, 500, network.geometry, 128)
    rows = {(tile.rows.start, tile.rows.end) for tile in tiles}
    assert sum(end - start for start, end in rows) == 300
    assert max(tile.rows.high - tile.rows.low for tile in tiles) <= 128 + 16


def test_a_style_stays_in_its_region(model, content):
    mask = torch.zeros((6, 8))
    mask[:, :3] = 1
    image, _, _ = run(model, content, [StyleImage(paint_strokes(64), mask=mask)], strength=0.9, steps=10)
    change = (image.float() - content.float()).abs().mean(0)
    assert float(change[:, :20].mean()) > 5 * float(change[:, 40:].mean())


def test_several_styles_are_weighed(model, content, styles):
    plain = StyleImage(torch.full((3, 64, 64), 128, dtype=torch.uint8))
    of_both = [dataclasses.replace(styles[0], weight=3.0), plain]
    _, steps, _ = run(model, content, of_both, steps=2)
    assert steps[0].style == pytest.approx(1.0, abs=1e-4)
    assert not torch.equal(run(model, content, of_both)[0], run(model, content, styles)[0])


def test_luminance_keeps_the_colors(model, content, styles):
    image, _, _ = run(model, content, styles, preserve_color="luminance")
    inside = ((image > 0) & (image < 255)).all(0)
    for first, second in ((0, 1), (1, 2)):
        ours = (image[first].int() - image[second].int())[inside]
        theirs = (content[first].int() - content[second].int())[inside]
        assert int((ours - theirs).abs().max()) <= 1
    assert not torch.equal(image, content)


def test_colors_of_one_image_in_another(content):
    assert torch.equal(with_colors_of(gray(content), content), content) or (
        int((with_colors_of(gray(content), content).int() - content.int()).abs().max()) <= 1
    )
    content = content // 8 + 96  # of so few colors that nothing is cut off at 0 and 255
    matched = matched_colors(paint_strokes(64), content).double().flatten(1)
    flat = content.double().flatten(1)
    torch.testing.assert_close(matched.mean(1), flat.mean(1), atol=0.5, rtol=0.0)
    torch.testing.assert_close(matched.std(1), flat.std(1), atol=0.5, rtol=0.0)
    one_color = torch.full((3, 8, 8), 77, dtype=torch.uint8)
    assert int(matched_colors(one_color, content).float().std(dim=(1, 2)).max()) == 0


def test_what_diverges_begins_anew_softer_and_says_so(model, content, styles):
    image, steps, words = run(model, content, styles, optimizer="adam", lr=40.0, steps=12)
    assert any("begins anew from the content, at a learning rate of" in word for word in words)
    assert steps[-1].step == 12
    assert image.shape == content.shape
    with pytest.raises(ZorkiError, match="the optimization diverges at learning rates from 1e"):
        run(model, content, styles, optimizer="adam", lr=1e9)


def test_settings_out_of_range_are_refused():
    for name, value in (("strength", 1.5), ("steps", 0), ("size", 8), ("start", "black"), ("style_size", 0.0)):
        with pytest.raises(RecipeError, match=f"{name} is"):
            Stylization(**{name: value})


def test_batches_are_stylized_by_the_styles_of_the_builder(tmp_path):
    torch.manual_seed(0)
    options = {"style": "scenes:strokes", "steps": 2, "style_layers": "relu1", "content_layers": "relu1"}
    model = registry.build("gatys_squeezenet", 1, options)
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in ((40, 56), (60, 44))]
    with torch.inference_mode():
        inputs, placements = model.preprocess(images)
        outputs = model(inputs)
        answers = model.decode(outputs, placements)
        losses = model.loss(outputs, [])
    assert [answer.image.shape for answer in answers] == [image.shape for image in images]
    assert 0 < float(losses["style"]) < 0.5
    with pytest.raises(RecipeError, match="no style is given"):
        registry.build("gatys_squeezenet", 1)(inputs)
    with pytest.raises(RecipeError, match="there is no layer 'relu9_9'"):
        registry.build("gatys_vgg16", 1, {"style_layers": "relu9_9"})


@pytest.mark.parametrize("size", [(21, 22), (40, 40), (33, 64), (64, 65)])
def test_a_stem_over_four_pixels_at_a_time_is_the_stem(size):
    layer = torch.nn.Conv2d(3, 8, 7, 2).double()
    stem = UnshuffledStem(layer)
    assert stem.weight is layer.weight
    image = torch.randn((2, 3, *size), dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(stem(image), layer(image))
    gradients = [torch.autograd.grad(one(image).square().sum(), image)[0] for one in (stem, layer)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("inplace", [False, True])
def test_a_rectifier_whose_gradient_takes_the_memory_of_another_has_the_same(inplace):
    image = torch.randn((1, 4, 5, 6)).to(memory_format=torch.channels_last).requires_grad_()
    gradients = []
    for rectifier in (Rectifier(inplace=inplace), torch.nn.ReLU()):
        left, right = torch.cat([rectifier(image * 2), rectifier(image * 3)], 1).split([3, 5], 1)
        gradients.append(torch.autograd.grad((left.square().sum() + right.sin().sum()), image)[0])
    torch.testing.assert_close(*gradients)
