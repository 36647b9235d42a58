import pytest
import torch
from segmenter_fields import by_gradient, by_rules
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.layers.initialize import without_values
from zorki.tasks.semantic_segmentation.models.unet import ValidUNet, unet
from zorki.tiles import Tiles
from zorki.types import Placement


def small(depth=2, **options):
    torch.manual_seed(0)
    return unet(3, depth=depth, width=4, dropout=0.0, **options).eval()


def make_image(height, width):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_the_papers_parameters():
    """Of figure 1, one gray channel in and two classes out: 31,030,658.

    A 3x3 convolution has 9 * into * out weights and out biases, an up-convolution of 2x2 has 4 * into * out and out.
    Down: (640 + 36,928) + (73,856 + 147,584) + (295,168 + 590,080) + (1,180,160 + 2,359,808) + (4,719,616 + 9,438,208)
    = 18,842,048. Up: (2,097,664 + 4,719,104 + 2,359,808) + (524,544 + 1,179,904 + 590,080) + (131,200 + 295,040 +
    147,584) + (32,832 + 73,792 + 36,928) = 12,188,480. The last 1x1: 2 * 64 + 2 = 130.
    """
    with without_values():
        gray, color = unet(2, in_channels=1), unet(2)
    assert sum(p.numel() for p in gray.network.down.parameters()) == 18_842_048
    assert sum(p.numel() for p in gray.parameters()) == 18_842_048 + 12_188_480 + 130 == 31_030_658
    assert sum(p.numel() for p in color.parameters()) == 31_030_658 + 2 * 9 * 64


def test_the_papers_sizes():
    """Figure 1: 572 pixels become 388."""
    with without_values():
        network = ValidUNet(1, 2)
        assert network.eval()(torch.empty(1, 1, 572, 572)).shape == (1, 2, 388, 388)
    assert network.border == (572 - 388) // 2 == 92
    assert network.input_size(388) == 572
    assert network.input_size(389) == 588


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_input_sizes_are_the_smallest_that_go_through_exactly(depth):
    network = ValidUNet(1, 1, depth=depth, width=1).eval()
    for wanted in (1, 4, 5, 11, 16):
        side = network.input_size(wanted)
        with torch.no_grad():
            assert network(torch.zeros(1, 1, side, side)).shape[2] == side - 2 * network.border >= wanted
        assert side - 2 * network.border < wanted + 2**depth or side == network.input_size(1)


def test_predictions_lie_on_the_image_and_know_its_real_surroundings():
    """Far from the edges the prediction is that of the bare network on a window of the image."""
    model, pixels = small(), make_image(90, 110)
    border, step = model.network.border, 4
    with torch.no_grad():
        answer = model.maps(pixels)[0]
        for top, left in ((20, 24), (40, 44), (24, 20)):  # at least `border` pixels from the edges
            side = model.network.input_size(12)
            window = pixels[:, :, top - border : top - border + side, left - border : left - border + side]
            assert window.shape[2:] == (side, side)
            bare = model.network(window)
            assert torch.allclose(bare, answer[:, :, top : top + bare.shape[2], left : left + bare.shape[3]], atol=1e-5)
            assert top % step == left % step == 0


def test_edges_are_mirrored():
    """The prediction for all of an image is that of the bare network on the image with mirrored edges."""
    model, pixels = small(), make_image(24, 32)
    border = model.network.border
    mirrored = functional.pad(pixels, (border,) * 4, mode="reflect")  # predictions of 4 + 4k pixels need no more
    with torch.no_grad():
        assert torch.allclose(model.maps(pixels)[0], model.network(mirrored), atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (3, 90), (37, 41)])
def test_images_of_any_size_are_predicted(size):
    with torch.no_grad():
        assert small().maps(make_image(*size))[0].shape == (1, 3, *size)


@pytest.mark.parametrize(("depth", "margin"), [(1, 8), (2, 20), (3, 48), (4, 96)])
def test_the_margin_is_the_border_in_whole_steps(depth, margin):
    """Borders are 8, 20, 44 and 92 pixels."""
    with without_values():
        assert unet(2, depth=depth).margin == margin


@pytest.mark.parametrize("depth", [2, 3])
def test_tiles_with_the_margin_prediction_as_the_whole_image_does(depth):
    model = small(depth)
    step, margin = 2**depth, model.margin
    tile = 2 * margin + 8 * step
    pixels = make_image(2 * tile - 2 * margin, 3 * tile - 4 * margin)  # so that the last tiles lie on the steps as well
    tiles = Tiles(*pixels.shape[2:], tile, overlap=2 * margin, margin=margin)
    assert len(tiles) == 6
    assert all(window.top % step == window.left % step == 0 for window in tiles)
    with torch.no_grad():
        whole = model.maps(pixels)[0]
        worst = 0.0
        for window, (row, column) in zip(
            tiles, ((row, column) for row in tiles.rows for column in tiles.columns), strict=True
        ):
            left, top, right, bottom = window.xyxy
            alone = model.maps(pixels[:, :, top:bottom, left:right])[0]
            counts = alone[:, :, row.inside, column.inside]
            wanted = whole[:, :, row.begin : row.end, column.begin : column.end]
            assert torch.allclose(counts, wanted, atol=1e-5)
            worst = max(worst, float((alone - whole[:, :, top:bottom, left:right]).abs().max()))
    assert worst > 1e-3, "without the margin they differ"


def test_stitched_tiles_have_no_seams():
    model = small()
    pixels = (make_image(104, 136) * 255).to(torch.uint8)
    tiles = Tiles(104, 136, 72, overlap=40, margin=model.margin)
    stitcher = model.stitcher(tiles)
    with torch.inference_mode():
        for window in tiles:
            left, top, right, bottom = window.xyxy
            place = Placement(window.height, window.width, input_height=window.height, input_width=window.width)
            stitcher.add(model(pixels[:, :, top:bottom, left:right]), [place])
        whole = model.decode(model(pixels), [Placement(104, 136, input_height=104, input_width=136)])
    assert torch.equal(stitcher.finish().classes.long(), whole[0].classes)


@pytest.mark.parametrize(("depth", "low", "high"), [(1, -9, 10), (2, -23, 24), (3, -51, 52)])
def test_receptive_fields_by_rules_and_by_gradients(depth, low, high):
    """A pixel sees its step's other pixels beside the border: 6 * 2^d - 4 + 2^d - 1 to each side."""
    assert high - 1 == -low == 7 * 2**depth - 5
    model = unet(1, depth=depth, width=1, dropout=0.0)
    side = 4 * 8 * 2**depth
    assert by_rules(model, side, side) == by_gradient(model, side, side, 2**depth) == ((low, high),) * 2


def test_the_papers_network_sees_215_pixels():
    model = unet(1, width=1)
    assert by_rules(model, 240, 256) == by_gradient(model, 320, 320, (4, 15)) == ((-107, 108),) * 2


def test_the_deepest_maps_drop_out_in_training_alone():
    torch.manual_seed(0)
    model, pixels = unet(2, depth=2, width=4, dropout=0.5), make_image(16, 16)
    with torch.no_grad():
        assert torch.equal(model.eval().maps(pixels)[0], model.maps(pixels)[0])
        assert not torch.equal(model.train().maps(pixels)[0], model.maps(pixels)[0])


def test_gray_networks_turn_images_gray():
    model = small(in_channels=1)
    pixels = (make_image(20, 20) * 255).to(torch.uint8)
    luma = pixels.float() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    with torch.no_grad():
        assert torch.allclose(model(pixels).main, model(luma.sum(1, keepdim=True)).main, atol=1e-4)


def test_what_cannot_be_is_refused():
    with pytest.raises(RecipeError, match="unet cannot unpool"):
        unet(2, upsampling="unpool")
    with pytest.raises(RecipeError, match="unet has depth 0"):
        unet(2, depth=0)
    with pytest.raises(RecipeError, match="Did you mean nearest"):
        unet(2, upsampling="nearst")
