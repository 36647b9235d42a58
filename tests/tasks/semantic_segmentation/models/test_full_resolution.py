import pytest
import torch
from segmenter_fields import by_gradient, by_rules

from zorki.errors import RecipeError
from zorki.introspection.ledger import ledger
from zorki.nn.layers.initialize import without_values
from zorki.tasks.semantic_segmentation.models.full_resolution import (
    full_resolution,
    full_resolution_dilated,
    growing_dilations,
)


def test_dilations_and_fields_are_the_papers():
    """Yu and Koltun (2016), Table 1: fields of 3, 5, 9, 17, 33, 65 and 67 pixels."""
    assert growing_dilations(7) == (1, 1, 2, 4, 8, 16, 1)
    with without_values():
        rows = ledger(full_resolution_dilated(21), torch.empty(1, 3, 128, 128, dtype=torch.uint8)).rows
    seen = [row.receptive_field[0] for row in rows if row.kind.startswith("CONV3")]
    assert seen == [3, 5, 9, 17, 33, 65, 67]


@pytest.mark.parametrize(("build", "reach"), [(full_resolution, 7), (full_resolution_dilated, 33)])
def test_receptive_fields_by_rules_and_by_gradients(build, reach):
    model = build(2, width=2)
    assert model.margin == reach
    assert by_rules(model, 90, 100) == by_gradient(model, 90, 100, 1) == ((-reach, reach + 1),) * 2


def test_dilation_costs_nothing_and_resolution_costs_much():
    """3 -> 32 and six times 32 -> 32 by 3x3 at every pixel, then 1x1: the multiply-adds and values by hand."""
    images = torch.empty(1, 3, 64, 64, dtype=torch.uint8)
    with without_values():
        plain, dilated = ledger(full_resolution(5), images), ledger(full_resolution_dilated(5), images)
    a_pixel = 9 * 3 * 32 + 6 * 9 * 32 * 32 + 32 * 5
    assert plain.macs == dilated.macs == 64 * 64 * a_pixel
    assert plain.parameters == dilated.parameters == a_pixel + 5 + 7 * 2 * 32
    assert plain.values == 64 * 64 * (3 + 7 * 2 * 32 + 5), "a convolution's and a norm's maps, all at full size"


@pytest.mark.parametrize("build", [full_resolution, full_resolution_dilated])
def test_windows_with_the_margin_prediction_as_the_whole_image(build):
    torch.manual_seed(0)
    model = build(3, width=4).eval()
    pixels, margin = torch.randn(1, 3, 100, 110), model.margin
    with torch.no_grad():
        whole = model.maps(pixels)[0]
        window = model.maps(pixels[:, :, 7:95, 11:97])[0]
    inside = window[:, :, margin:-margin, margin:-margin]
    assert inside.numel() > 0
    wanted = whole[:, :, 7:95, 11:97][:, :, margin:-margin, margin:-margin]
    assert torch.allclose(inside, wanted, atol=1e-5)
    assert not torch.allclose(window[:, :, 0], whole[:, :, 7, 11:97], atol=1e-3)


def test_what_cannot_be_is_refused():
    with pytest.raises(RecipeError, match="depth is 2 and width 8; expected a depth of 3"):
        full_resolution_dilated(2, depth=2, width=8)
    with pytest.raises(RecipeError, match="depth is 0"):
        full_resolution(2, depth=0)
