from __future__ import annotations

import dataclasses
import json
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zorki.data.preprocess.contrast import contrast_levels, stretch_contrast
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.letterbox_with_proposals import LetterboxWithProposals
from zorki.data.preprocess.pad import Pad
from zorki.data.preprocess.resize import Resize
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.errors import RecipeError
from zorki.types import Boxes, Keypoints, Mask

KINDS = [
    ResizeCrop(32),
    ResizeCrop(32, 0.875),
    Pad(32),
    Letterbox(32),
    Letterbox(48, 16),
    Letterbox(32, autocontrast=True, dark_ground=True),
]


def make_image(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Smooth noise: neighboring pixels are alike, as in photos."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 5, 5), generator=generator) * 255
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255)[0]
    return (fine + torch.rand((3, height, width), generator=generator) * 20).clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize(("size", "crop_share"), [(32, 1.0), (32, 0.875), (64, 0.9), (96, 1.0), (7, 1.0)])
@pytest.mark.parametrize(("height", "width"), [(60, 80), (80, 60), (33, 32), (50, 50), (31, 101)])
def test_fit_equals_torchvision(size: int, crop_share: float, height: int, width: int) -> None:
    from torchvision.transforms import v2

    image = make_image(height, width)
    theirs = v2.Compose([v2.Resize(round(size / crop_share), antialias=True), v2.CenterCrop(size)])(image)
    ours, _ = ResizeCrop(size, crop_share)([image])
    assert (ours[0].int() - theirs.int()).abs().max() <= 1


def test_fit_equals_pil_to_one_level() -> None:
    from PIL import Image

    image = make_image(60, 80)
    small = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).resize((42, 32), Image.Resampling.BILINEAR)
    theirs = torch.tensor(list(small.tobytes()), dtype=torch.int64).reshape(32, 42, 3).permute(2, 0, 1)[:, :, 5:37]
    ours, placements = ResizeCrop(32)([image])
    assert (ours[0].int() - theirs).abs().max() <= 1
    assert (placements[0].left, placements[0].top, placements[0].scale) == (-5, 0, 32 / 60)


def test_layout_of_the_image_in_memory_does_not_matter() -> None:
    image = make_image(60, 80)
    interleaved = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert not interleaved.is_contiguous()
    for preprocess in [*KINDS, Letterbox(80, 20), Pad(100)]:
        (first, _), (second, _) = preprocess([image]), preprocess([interleaved])
        assert torch.equal(first, second)
        assert first.is_contiguous()
        assert second.is_contiguous()


def test_images_that_fit_pass_unchanged() -> None:
    images = [make_image(32, 32, seed) for seed in range(3)]
    images[1] = images[1].permute(1, 2, 0).contiguous().permute(2, 0, 1)
    for preprocess in (ResizeCrop(32), Pad(32), Letterbox(32)):
        batch, placements = preprocess(images)
        assert batch.is_contiguous()
        assert torch.equal(batch, torch.stack([image.contiguous() for image in images]))
        assert all((p.scale, p.left, p.top) == (1, 0, 0) for p in placements)


def test_pad_by_hand() -> None:
    image = torch.full((3, 2, 3), 9, dtype=torch.uint8)
    batch, placements = Pad(6)([image])
    expected = torch.zeros((3, 6, 6), dtype=torch.uint8)
    expected[:, 2:4, 1:4] = 9
    assert torch.equal(batch[0], expected)
    assert (placements[0].left, placements[0].top, placements[0].scale) == (1, 2, 1)


def test_pad_shrinks_what_is_too_large() -> None:
    batch, placements = Pad(16)([torch.full((3, 32, 64), 200, dtype=torch.uint8)])
    assert placements[0].scale == 0.25
    assert (batch[0, :, 4:12] == 200).all()
    assert (batch[0, :, :4] == 0).all()
    assert (batch[0, :, 12:] == 0).all()


def test_letterbox_by_hand() -> None:
    wide, tall = torch.full((3, 10, 40), 7, dtype=torch.uint8), torch.full((3, 20, 5), 8, dtype=torch.uint8)
    batch, placements = Letterbox(20, 8)([wide])
    assert batch.shape == (1, 3, 8, 24)
    assert (batch[0, :, 1:6, 2:22] == 7).all()
    assert (batch[0] == 114).sum() == 3 * (8 * 24 - 5 * 20)
    assert (placements[0].left, placements[0].top, placements[0].scale) == (2, 1, 0.5)
    batch, placements = Letterbox(20, 8)([wide, tall])
    assert batch.shape == (2, 3, 24, 24)
    assert (batch[1, :, 2:22, 9:14] == 8).all()
    assert placements[1].scale == 1


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    kind=st.sampled_from(KINDS),
)
@settings(max_examples=60)
def test_any_size_gives_the_promised_shape(height: int, width: int, kind: ResizeCrop | Pad | Letterbox) -> None:
    image = make_image(height, width)
    before = image.clone()
    batch, placements = kind([image, image.flip(2)])
    assert batch.dtype == torch.uint8
    assert len(batch) == len(placements) == 2
    assert torch.equal(image, before)
    assert (placements[0].height, placements[0].width) == (height, width)
    if isinstance(kind, Letterbox):
        assert batch.shape[2] % kind.stride == batch.shape[3] % kind.stride == 0
    else:
        assert batch.shape == (2, 3, kind.size, kind.size)


@pytest.mark.parametrize("preprocess", [ResizeCrop(64), ResizeCrop(64, 0.8), Pad(64), Letterbox(64), Pad(200)])
@pytest.mark.parametrize(("height", "width"), [(100, 160), (150, 90), (20, 160)])
def test_placement_finds_a_box_again(preprocess: ResizeCrop | Pad | Letterbox, height: int, width: int) -> None:
    image = torch.full((3, height, width), 30, dtype=torch.uint8)
    left, top = width // 2 - 7, height // 2 - 5
    image[:, top : top + 12, left : left + 16] = 255
    batch, placements = preprocess([image])
    boxes = Boxes(torch.tensor([[left, top, left + 16, top + 12]]).float(), torch.tensor([0])).place(placements[0])
    inside = (batch[0, 0] > 142).nonzero()
    found = torch.cat([inside.min(0).values.flip(0), inside.max(0).values.flip(0) + 1]).float()
    # Within one network pixel, clipped to the canvas.
    limit = torch.tensor([batch.shape[3], batch.shape[2]] * 2)
    assert (boxes.xyxy[0].clamp(min=0).minimum(limit) - found).abs().max() <= 1


def test_a_long_strip_needs_no_gigabyte_and_keeps_its_middle() -> None:
    strip = torch.zeros((3, 1, 5000), dtype=torch.uint8)
    strip[:, :, 2500:] = 255
    batch, placements = ResizeCrop(224)([strip])
    assert placements[0].left == pytest.approx(112 - 2500 * 224, abs=1)
    assert (batch[0, :, :, 0] <= 1).all()
    assert (batch[0, :, :, -1] > 120).all()
    assert torch.equal(ResizeCrop(224)([strip.transpose(1, 2)])[0], batch.transpose(2, 3))


@pytest.mark.parametrize("preprocess", KINDS)
def test_json_and_pickle_give_the_same_value(preprocess: ResizeCrop | Pad | Letterbox) -> None:
    assert preprocess_from_json(json.loads(json.dumps(preprocess.to_json()))) == preprocess
    assert pickle.loads(pickle.dumps(preprocess)) == preprocess


@pytest.mark.parametrize("preprocess", KINDS)
def test_no_images_give_an_empty_batch(preprocess: ResizeCrop | Pad | Letterbox) -> None:
    batch, placements = preprocess([])
    assert len(batch) == len(placements) == 0
    assert batch.ndim == 4


def test_bad_values_are_refused() -> None:
    with pytest.raises(RecipeError, match="size must be at least 1"):
        ResizeCrop(0)
    with pytest.raises(RecipeError, match=r"crop_share must lie in \(0, 1\]"):
        ResizeCrop(32, 1.2)
    with pytest.raises(RecipeError, match="stride"):
        Letterbox(32, 0)
    with pytest.raises(RecipeError, match="Did you mean Letterbox"):
        preprocess_from_json({"kind": "LetterBox", "size": 3})
    with pytest.raises(RecipeError, match="sise"):
        preprocess_from_json({"kind": "Fit", "sise": 3})
    with pytest.raises(RecipeError, match="a clip of shape"):
        ResizeCrop(32)([torch.zeros((8, 3, 32, 32), dtype=torch.uint8)])
    with pytest.raises(RecipeError, match=r"float32"):
        Pad(32)([torch.zeros((3, 32, 32))])


def test_span_scales_the_shorter_side_and_lies_in_the_corner():
    wide, tall = torch.full((3, 100, 300), 7, dtype=torch.uint8), torch.full((3, 80, 40), 9, dtype=torch.uint8)
    batch, (first, second) = ShortestEdge(50, 120, stride=16)([wide, tall])
    # The wide one is held by its longer side: 0.4; the tall one by its shorter: 1.25.
    assert (first.scale, second.scale) == (0.4, 1.25)
    assert tuple(batch.shape) == (2, 3, 112, 128)
    assert (batch[0, :, :40, :120] == 7).all()
    assert (batch[1, :, :100, :50] == 9).all()
    assert batch[1, :, 100, 0].tolist() == batch[0, :, 0, 120].tolist() == [124, 116, 104]
    assert (first.left, first.top, first.input_height, first.input_width) == (0, 0, 112, 128)


def test_span_comes_back_from_json_and_refuses_nonsense():
    span = ShortestEdge(800, 1333)
    assert preprocess_from_json(span.to_json()) == span
    assert len(span([])[0]) == 0
    with pytest.raises(RecipeError, match="longest"):
        ShortestEdge(800, 600)
    with pytest.raises(RecipeError, match="shorter and longest"):
        preprocess_from_json({"kind": "ShortestEdge", "shorter": 5})


def test_stretch_fills_the_square_and_boxes_follow_and_return():
    image = torch.zeros((3, 60, 120), dtype=torch.uint8)
    image[:, 30:, 60:] = 200
    batch, (placement,) = Resize(90)([image])
    assert tuple(batch.shape) == (1, 3, 90, 90)
    assert (batch[0, :, 46:, 46:] == 200).all()
    assert (batch[0, :, :44, :44] == 0).all()
    boxes = Boxes(torch.tensor([[60.0, 30, 120, 60], [10, 20, 30, 40]]), torch.tensor([0, 1]))
    placed = boxes.place(placement)
    # x shrinks to three quarters, y grows by a half.
    assert placed.xyxy.tolist() == [[45, 45, 90, 90], [7.5, 30, 22.5, 60]]
    assert torch.allclose(placed.restore(placement).xyxy, boxes.xyxy)
    assert placement.frame == (0, 0, 90, 90)
    assert preprocess_from_json(Resize(90).to_json()) == Resize(90)


def test_masks_and_points_are_stretched_with_the_image():
    mask = torch.zeros((60, 120), dtype=torch.int64)
    mask[30:, 60:] = 1
    _, (placement,) = Resize(90)([torch.zeros((3, 60, 120), dtype=torch.uint8)])
    placed = Mask(mask).place(placement).classes
    assert placed[45:, 45:].all()
    assert not placed[:45].any()
    assert not placed[:, :45].any()
    points = Keypoints(torch.tensor([[[60.0, 30.0]]]), torch.tensor([[2]]))
    assert points.place(placement).points.tolist() == [[[45, 45]]]


def test_autocontrast_makes_images_alike_that_are_exposed_differently() -> None:
    bright = make_image(64, 64)
    dark = (bright.float() * 0.2 + 9).round().byte()
    (one, other), _ = Letterbox(64, autocontrast=True)([bright, dark])
    assert (one.int() - other.int()).abs().max() <= 6, "but for what five levels cannot tell apart"
    assert (bright.int() - dark.int()).abs().max() > 100
    assert int(other.min()) == 0
    assert int(other.max()) == 255


def test_black_and_white_are_percentiles_of_all_channels_together() -> None:
    image = torch.arange(3 * 50 * 100).reshape(3, 50, 100).div(15_000 / 200, rounding_mode="floor").byte()
    flat = image.flatten().sort().values
    black, white = contrast_levels(image)
    assert (black, white) == (int(flat[149]), int(flat[14_969]))
    stretched = stretch_contrast(image, black, white)
    expected = ((image.double() - black) / (white - black)).clamp(0, 1) * 255
    assert (stretched - expected).abs().max() <= 0.51


def test_noise_is_not_made_a_image() -> None:
    noise = 30 + torch.randint(0, 3, (3, 20, 20), dtype=torch.uint8)
    stretched = stretch_contrast(noise, *contrast_levels(noise))
    assert int(stretched.max()) <= 2 * 255 / 16 + 1
    one_color = torch.full((3, 8, 8), 255, dtype=torch.uint8)
    assert not stretch_contrast(one_color, *contrast_levels(one_color)).any()


def spotted(ground: int, spots: int) -> torch.Tensor:
    """40 x 40: three spots over a quarter of a flat ground."""
    image = torch.full((3, 40, 40), ground, dtype=torch.uint8)
    image[:, 4:24, 4:12] = image[:, 4:24, 16:24] = image[:, 30:34, 2:22] = spots
    return image


def test_what_is_stained_and_what_shines_become_one_kind() -> None:
    shining, stained = spotted(40, 200), spotted(215, 55)
    (one, other), _ = Letterbox(40, 8, dark_ground=True)([shining, stained])
    assert torch.equal(one, shining)
    assert torch.equal(other, shining)
    (one, other), _ = Letterbox(40, 8, autocontrast=True, dark_ground=True)([shining, stained])
    assert torch.equal(one, spotted(0, 255))
    assert torch.equal(other, spotted(0, 255))
    (one, other), _ = Letterbox(40, 8, autocontrast=True)([shining, stained])
    assert torch.equal(other, spotted(255, 0))


def test_a_ground_is_bright_beside_what_lies_on_it() -> None:
    dim = spotted(90, 20)  # all of it in the lower half of 0..255
    (inverted,), _ = Letterbox(40, 8, dark_ground=True)([dim])
    assert torch.equal(inverted, 255 - dim)
    dark, bright = (torch.full((3, 40, 40), level, dtype=torch.uint8) for level in (40, 200))
    (one, other), _ = Letterbox(40, 8, dark_ground=True)([dark, bright])
    assert torch.equal(one, dark)
    assert torch.equal(other, 255 - bright)
    stretched, _ = Letterbox(40, 8, autocontrast=True, dark_ground=True)([dark, bright])
    assert not stretched.any(), "nothing lies on either ground"


def test_parts_are_negatives_where_the_whole_is() -> None:
    stained = spotted(215, 55)
    part = stained[:, 4:24, 4:12]  # nothing but a spot
    for prepared in (Letterbox(20, 4, dark_ground=True), Letterbox(20, 4, autocontrast=True, dark_ground=True)):
        (whole,), _ = dataclasses.replace(prepared, size=40)([stained])
        (cut,), (placement,) = prepared.for_parts_of(stained)([part])
        left = int(placement.left)
        assert torch.equal(cut[:, :, left : left + 8], whole[:, 4:24, 4:12])
        assert prepared.levels is None


def test_parts_have_the_contrast_of_the_whole() -> None:
    image = make_image(64, 96)
    whole, _ = (prepared := Letterbox(96, 16, autocontrast=True))([image])
    part, _ = Letterbox(48, 16, autocontrast=True).for_parts_of(image)([image[:, :48, :48]])
    assert torch.equal(part[0], whole[0, :, :48, :48])
    assert prepared.levels is None
    assert Letterbox(48).for_parts_of(image) == Letterbox(48)


@pytest.mark.parametrize(("values", "words"), [
    ({"kind": [1]}, r"kind \[1\] is not known"),
    ({"kind": None}, "kind None is not known"),
    ({"kind": "ResizeCrop", "size": "224"}, "size is '224'; expected int"),
    ({"kind": "ResizeCrop", "size": True}, "size is True; expected int"),
    ({"kind": "ResizeCrop", "size": 224, "crop_share": None}, "crop_share is None; expected float"),
    ({"kind": "Letterbox", "size": 224, "padded": 1}, "padded is 1; expected bool"),
    ({"kind": "Letterbox", "size": 10**8}, "size must be at most 65,536 pixels, but is 100000000"),
])  # fmt: skip
def test_saved_values_of_a_wrong_kind_are_told(values, words):
    with pytest.raises(RecipeError, match=words):
        preprocess_from_json(values)


def test_the_canvas_of_a_strip_has_a_least_side():
    strip = torch.full((3, 8, 3000), 7, dtype=torch.uint8)
    plain, _ = Letterbox(96, stride=16)([strip])
    assert plain.shape == (1, 3, 16, 96)
    batch, (placement,) = Letterbox(96, stride=16, least=32)([strip])
    assert batch.shape == (1, 3, 32, 96)
    assert (placement.input_height, placement.input_width) == (32, 96)
    assert (batch[0, 0] == 7).sum() == 96, "one row, in the middle"
    assert Letterbox(96, stride=16, least=32)([strip.transpose(1, 2)])[0].shape == (1, 3, 96, 32)
    assert preprocess_from_json({"kind": "Letterbox", "size": 96, "stride": 16}).least == 1, "of earlier versions"


def test_fields_of_older_runs_are_read_by_todays_names() -> None:
    found = preprocess_from_json({"kind": "Propose", "size": 320, "least_side": 12.0})
    assert found == LetterboxWithProposals(320, min_side=12.0)
