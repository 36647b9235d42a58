"""SiamFC: fully convolutional Siamese networks for object tracking (Bertinetto et al., 2016)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts import Model, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus
from zorki.data.preprocess.tracking.pairs import ExemplarSearchPairs
from zorki.data.preprocess.tracking.windows import cut_windows, exemplar_sides
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone, last_maps
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from zorki.nn.necks.one_map import drop_later_maps
from zorki.ops.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from zorki.registry import Variant, model
from zorki.tasks.tracking.models.siamfc.alexnet import UnpaddedAlexNet
from zorki.tasks.tracking.models.siamfc.correlation import CosineCorrelation, CrossCorrelation
from zorki.tasks.tracking.task import Tracking
from zorki.types import Boxes, ExemplarSearch, Placement, TrackedBoxes
from zorki.weights.weight_map import WeightMap

MIN_SIDE = 4.0  # pixels of a tracked box: of less nothing can be seen
SIZE_RANGE = (0.2, 5.0)  # of a box beside the one that was given, as in the authors' program
WIDENED = 2  # steps by which the search of a lost object is widened at most

SIAMFC_DEFAULTS = TrainingDefaults(
    optimizer="adamw", lr=1e-3, finetune_lr=1e-4, weight_decay=1e-4, batch_size=16, clip_grad=10.0, random_crop=1.0
)


@dataclass(frozen=True)
class ResponseSettings:
    """How maps of responses become boxes (section 4.2; the numbers are those of the authors' SiamFC-3s).

    Attributes:
        scale_step: factor between neighboring of the three scales that are searched.
        scale_penalty: factor on the responses of a scale that is not the present one.
        scale_damping: share of a found scale by which a box is changed.
        window: weight of the cosine window, which holds an object near its last place; the rest is the response's.
        upsampling: by which a map is enlarged before its peak is sought.
        lost_share: below this share of the score that the object usually had, it is lost: its box is held, and it is
            sought in a wider region, without window; 0: never.
        found_share: from this share on it is found again.
        memory: share by which a frame's score changes what is usual.
    """

    scale_step: float = 1.0375
    scale_penalty: float = 0.9745
    scale_damping: float = 0.59
    window: float = 0.176
    upsampling: int = 16
    lost_share: float = 0.2
    found_share: float = 0.27
    memory: float = 0.1


@dataclass
class ResponseMaps:
    """Logits of the object's center at each place of the search region.

    A step in the map is `stride` pixels of the search region, and the place of its middle is `origin`.
    """

    logits: Float[Tensor, "B H W"]
    stride: int
    origin: float


@dataclass(frozen=True)
class SiamFcState:
    """What is known of N objects after a frame; boxes are cxcywh in pixels of the frame.

    Attributes:
        exemplars: features of each, of the first frame: nothing is learned on the way, so nothing drifts.
        first, boxes: as given, and as they are now.
        usual: score that each has usually.
        misses: frames since each was lost; 0: it is not.
    """

    exemplars: Float[Tensor, "N C h w"]
    first: Float[Tensor, "N 4"]
    boxes: Float[Tensor, "N 4"]
    labels: Int64[Tensor, " N"]
    usual: Float[Tensor, " N"]
    misses: Int64[Tensor, " N"]

    def __getitem__(self, rows: Tensor) -> SiamFcState:
        """Some of the objects, by a mask or by indices."""
        return SiamFcState(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class SiamFc(Model[ResponseMaps, TrackedBoxes, Boxes]):
    """An exemplar's features correlated over those of a search region; the object is where the response is largest.

    Args:
        backbone: of which the last map is read.
        correlation: how alike features are.
        trim: rows and columns of features that are cut off at each side of the exemplar, of what padding has changed:
            a network with padding sees zeros where the search region has surroundings.
        tracker: how responses become boxes.
    """

    normalize: Normalize

    def __init__(
        self,
        backbone: Backbone,
        correlation: CrossCorrelation | CosineCorrelation,
        *,
        preprocess: ExemplarSearchPairs,
        trim: int = 0,
        radius: float = 16.0,
        tracker: ResponseSettings = ResponseSettings(),
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        weight_map: WeightMap = WeightMap(),
        defaults: TrainingDefaults = TrainingDefaults(),
    ) -> None:
        super().__init__()
        self.preprocess: ExemplarSearchPairs = preprocess
        self.normalize = Normalize(3, mean, std)
        self.backbone, self.trim = backbone, trim
        self.stride = backbone.strides[-1]
        self.correlation = correlation
        self.focus_unit = f"{correlation.unit} at the object's place"
        self.radius, self.tracker = radius, tracker
        self.weight_map, self.defaults = weight_map, SIAMFC_DEFAULTS | defaults

    # -- training

    def forward(self, inputs: ExemplarSearch) -> ResponseMaps:
        """Responses of each pair."""
        exemplars = self.exemplar_features(inputs.exemplars)
        searches = self.features(inputs.searches)
        return ResponseMaps(self._correlate(exemplars, searches[:, None])[:, 0], self.stride, self._origin())

    def features(self, images: Tensor) -> Float[Tensor, "B C h w"]:
        """The map of images, uint8 or floats 0..255."""
        return self.backbone(self.normalize(images))[-1].float()

    def _correlate(self, exemplars: Tensor, searches: Tensor) -> Float[Tensor, "N S H W"]:
        """In float32, whatever the precision of the network: peaks of sums over thousands of products lie near."""
        if exemplars.is_meta:  # by shapes alone, where there is no precision to be lowered
            return self.correlation(exemplars, searches)  # type: ignore[no-any-return]
        with torch.autocast(exemplars.device.type, enabled=False):
            return self.correlation(exemplars, searches)  # type: ignore[no-any-return]

    def exemplar_features(self, images: Tensor) -> Float[Tensor, "B C h w"]:
        """The map of exemplars, without what padding has changed. Raises RecipeError where nothing is left."""
        maps = self.features(images)
        end = maps.shape[-1] - self.trim
        if end <= self.trim:
            raise RecipeError(
                f"trim is {self.trim}, but an exemplar has {maps.shape[-1]} features a side; set it lower"
            )
        return maps[:, :, self.trim : end, self.trim : end]

    def _origin(self, size: int | None = None) -> float:
        """The place in a map of the middle of a search region."""
        return ((size or self.preprocess.size) - self.preprocess.exemplar) / 2 / self.stride + self.trim

    def loss(self, outputs: ResponseMaps, targets: Sequence[TrackedBoxes]) -> dict[str, Tensor]:
        """Logistic loss (eq. 3): places within the radius of the center are positive, and both kinds weigh alike."""
        logits = outputs.logits.float()
        boxes = torch.stack([target.xyxy[target.frames.argmax()] for target in targets]).to(logits.device)
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2 - self.preprocess.size / 2
        positive = self._near(centers / outputs.stride + outputs.origin, logits)
        losses = functional.binary_cross_entropy_with_logits(logits, positive.float(), reduction="none").flatten(1)
        flat = positive.flatten(1)
        halves = [(losses * part).sum(1) / part.sum(1).clamp_min(1) for part in (flat.float(), (~flat).float())]
        return {"logistic": torch.stack(halves).mean()}

    def _near(self, places: Float[Tensor, "B 2"], logits: Float[Tensor, "B H W"]) -> Tensor:
        """Which places of each map lie within the radius of a place (x, y) of it: (B, H, W)."""
        height, width = logits.shape[1:]
        rows = torch.arange(height, device=logits.device)[None, :, None] - places[:, 1, None, None]
        columns = torch.arange(width, device=logits.device)[None, None] - places[:, 0, None, None]
        return (rows.square() + columns.square()).sqrt() * self.stride <= self.radius

    @torch.no_grad()
    def decode(self, outputs: ResponseMaps, placements: Sequence[Placement]) -> list[Boxes]:
        """A square around the best place of each search region, as large as what an exemplar shows usually."""
        found = []
        for logits, placement in zip(outputs.logits.float(), placements, strict=True):
            scores = self.correlation.scores(logits.amax()[None]).cpu()
            box = Boxes(torch.tensor([self._best_box(logits, outputs)]), torch.zeros(1, dtype=torch.int64), scores)
            found.append(box.restore(placement))
        return found

    def _best_box(self, logits: Float[Tensor, "H W"], outputs: ResponseMaps) -> tuple[float, float, float, float]:
        """In pixels of the search region."""
        size, half = self.preprocess.size, self.preprocess.exemplar / 4
        row, column = divmod(int(logits.argmax()), logits.shape[1])
        x, y = ((place - outputs.origin) * outputs.stride + size / 2 for place in (column, row))
        return x - half, y - half, x + half, y + half

    # -- tracking

    @torch.no_grad()
    def start(self, frame: UInt8[Tensor, "3 H W"], box: Boxes) -> SiamFcState:
        """The state of N objects, whose boxes lie in the frame's pixels.

        Raises:
            RecipeError: a box is empty, or lies outside of the frame.
        """
        check_prompt(frame, box)
        frame, boxes = frame.to(self._device()), xyxy_to_cxcywh(box.xyxy.float()).to(self._device())
        size = self.preprocess.exemplar
        crops = cut_windows(frame, boxes[:, :2], exemplar_sides(boxes[:, 2:]), size, frame.float().mean((1, 2)))
        exemplars = self.exemplar_features(crops)
        count = boxes.new_zeros(len(boxes))
        return SiamFcState(exemplars, boxes, boxes, box.labels.to(boxes.device), count, count.long())

    @torch.no_grad()
    def step(self, state: SiamFcState, frame: UInt8[Tensor, "3 H W"]) -> tuple[SiamFcState, Boxes]:
        """The objects in the next frame: all that are searched in a region of one size, in one batch."""
        frame = frame.to(self._device())
        color = frame.float().mean((1, 2))
        boxes, scores = state.boxes.clone(), torch.zeros_like(state.usual)
        for level in state.misses.clamp(max=WIDENED).unique().tolist():
            rows = state.misses.clamp(max=WIDENED) == level
            boxes[rows], scores[rows] = self._search(state[rows], frame, color, level)
        return self._judge(state, boxes, scores, frame)

    def _search(
        self, state: SiamFcState, frame: Tensor, color: Tensor, level: int
    ) -> tuple[Float[Tensor, "N 4"], Float[Tensor, " N"]]:
        """Boxes (cxcywh) and scores where the responses are best; the higher the level, the wider the region."""
        exemplar, tracker = self.preprocess.exemplar, self.tracker
        size = self.preprocess.size + level * (exemplar // (2 * self.stride) + 1) * 2 * self.stride
        count = len(state.boxes)
        factors = tracker.scale_step ** torch.arange(-1, 2, device=frame.device)
        sides = exemplar_sides(state.boxes[:, 2:])[:, None] * factors
        centers = state.boxes[:, None, :2].expand(-1, 3, -1).flatten(0, 1)
        crops = cut_windows(frame, centers, sides.flatten() * size / exemplar, size, color)
        maps = self._search_features(crops.contiguous(memory_format=torch.channels_last))
        logits = self._correlate(state.exemplars, maps.unflatten(0, (count, 3)))
        response = _enlarged(logits, tracker.upsampling)
        best = self._best_scales(response.flatten(2).amax(2))
        chosen = response[torch.arange(count, device=frame.device), best]
        places = self._peaks(chosen, windowed=level == 0)
        offsets = (places / tracker.upsampling - self._origin(size)) * self.stride
        scale = factors[best][:, None]
        moved = state.boxes[:, :2] + offsets * sides.gather(1, best[:, None]) / exemplar
        resized = state.boxes[:, 2:] * (1 + tracker.scale_damping * (scale - 1))
        scores = self.correlation.scores(chosen.flatten(1).gather(1, _flat(places, chosen.shape[-1])[:, None])[:, 0])
        return torch.cat([moved, resized], 1), scores

    def _search_features(self, crops: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C h w"]:
        """The maps of search regions: one by one on the CPU, whose caches hold the maps of one; else in one batch."""
        if crops.device.type != "cpu":
            return self.features(crops)
        return torch.cat([self.features(crop[None]) for crop in crops])

    def _best_scales(self, peaks: Float[Tensor, "N 3"]) -> Int64[Tensor, " N"]:
        """The scale with the largest probability, where other scales than the present one are penalized."""
        scores = self.correlation.scores(peaks)
        penalty = scores.new_tensor([self.tracker.scale_penalty, 1.0, self.tracker.scale_penalty])
        return (scores * penalty).argmax(1)

    def _peaks(self, response: Float[Tensor, "N H W"], *, windowed: bool) -> Int64[Tensor, "N 2"]:
        """(x, y) of the best place of each map, responses shifted to 0 and summing up to 1, beside the window."""
        flat = response.flatten(1)
        if windowed:
            lifted = flat - flat.amin(1, keepdim=True)
            window = _cosine_window(response.shape[-1], response.device)
            weight = self.tracker.window
            flat = (1 - weight) * lifted / lifted.sum(1, keepdim=True).clamp_min(1e-12) + weight * window
        best = flat.argmax(1)
        return torch.stack([best % response.shape[-1], best // response.shape[-1]], 1)

    def _judge(
        self, state: SiamFcState, boxes: Float[Tensor, "N 4"], scores: Float[Tensor, " N"], frame: Tensor
    ) -> tuple[SiamFcState, Boxes]:
        """The state with the boxes of objects that are found; those that are lost keep the last one."""
        seen = state.usual > 0
        lost = state.misses > 0
        least = torch.where(lost, self.tracker.found_share, self.tracker.lost_share) * state.usual
        found = (scores >= least) | ~seen
        usual = torch.where(seen, state.usual + self.tracker.memory * (scores - state.usual), scores)
        kept = torch.where(found[:, None], self._bounded(boxes, state.first, frame), state.boxes)
        state = SiamFcState(
            state.exemplars, state.first, kept, state.labels,
            torch.where(found, usual, state.usual), torch.where(found, 0, state.misses + 1),
        )  # fmt: skip
        boxes_found = Boxes(cxcywh_to_xyxy(kept).cpu(), state.labels.cpu(), scores.cpu(), lost=~found.cpu())
        return state, boxes_found

    def _bounded(self, boxes: Tensor, first: Tensor, frame: Tensor) -> Tensor:
        """Centers within the frame, and sizes within their range."""
        edge = boxes.new_tensor([frame.shape[2], frame.shape[1]])
        least, most = (first[:, 2:] * share for share in SIZE_RANGE)
        sizes = torch.minimum(torch.maximum(boxes[:, 2:], least.clamp_min(MIN_SIDE)), most.clamp_min(MIN_SIDE))
        return torch.cat([torch.minimum(boxes[:, :2].clamp_min(0), edge), sizes], 1)

    def _device(self) -> torch.device:
        return self.normalize.mean.device

    # -- capabilities

    def complete_focus(self, outputs: ResponseMaps, focus: Focus, placement: Placement) -> Focus:
        """The box where the response is largest, where none is given."""
        box = self._best_box(outputs.logits[0].float(), outputs) if focus.box is None else focus.box
        return dataclasses.replace(focus, box=box)

    def focus_scores(self, outputs: ResponseMaps, focus: Focus) -> Float[Tensor, " B"]:
        """The response at the place that is nearest to the middle of the box."""
        assert focus.box is not None
        left, top, right, bottom = focus.box
        rows, columns = outputs.logits.shape[1:]
        row, column = (
            min(max(0, round(self._place((low + high) / 2, outputs))), count - 1)
            for low, high, count in ((top, bottom, rows), (left, right, columns))
        )
        return outputs.logits[:, row, column]

    def response_map(self, outputs: ResponseMaps) -> Float[Tensor, "B H W"]:
        """Scores between the places bilinear; NaN in the rim of the region, in which the exemplar would stick out."""
        scores, size = self.correlation.scores(outputs.logits.float()), self.preprocess.size
        steps = self._place(torch.arange(size, device=scores.device) + 0.5, outputs)
        grids = [steps / max(1, count - 1) * 2 - 1 for count in scores.shape[:0:-1]]
        grid = torch.stack([grids[0][None].expand(size, -1), grids[1][:, None].expand(-1, size)], 2)
        found = functional.grid_sample(
            scores[:, None], grid.expand(len(scores), -1, -1, -1), padding_mode="border", align_corners=True
        )
        return found[:, 0].masked_fill((grid.abs() > 1).any(2), torch.nan)

    def _place(self, pixels: Any, outputs: ResponseMaps) -> Any:
        """Pixels of the search region, along one axis, as places of the map."""
        return (pixels - self.preprocess.size / 2) / outputs.stride + outputs.origin

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def export_parts(self) -> dict[str, ExportGraph]:
        """Two graphs: "exemplar", once an object, and "search", once a frame; both of crops, floats 0..255.

        From "images" (B, 3, h, w) to "exemplars" (B, C, i, j); from "exemplars" and the "images" (B, S, 3, H, W) of its
        search regions at S scales to "logits" (B, S, I, J).
        """
        side, size = self.preprocess.exemplar, self.preprocess.size
        crops, regions = torch.zeros((2, 3, side, side)), torch.zeros((2, 3, 3, size, size))
        exemplar = ExportedExemplar(self)
        with torch.no_grad():
            exemplars = exemplar(crops)
        decoding = Decoding("siamfc", self._tracking_numbers())
        return {
            "exemplar": ExportGraph(exemplar, {"images": crops}, ("exemplars",), decoding),
            "search": ExportGraph(
                ExportedSearch(self), {"images": regions, "exemplars": exemplars}, ("logits",), decoding
            ),
        }

    def _tracking_numbers(self) -> dict[str, Any]:
        """What `step` does with responses, in numbers."""
        scores = (
            "clamp" if isinstance(self.correlation, CosineCorrelation) and self.correlation.gain is None else "sigmoid"
        )
        return {
            **dataclasses.asdict(self.tracker),
            "stride": self.stride,
            "origin": self._origin(),
            "exemplar": self.preprocess.exemplar,
            "search": self.preprocess.size,
            "scores": scores,
            "min_side": MIN_SIDE,
            "size_range": list(SIZE_RANGE),
        }

    def trace(self, images: Tensor) -> Any:
        """An exemplar and a search region through the network, whatever the size of the images."""
        search = functional.interpolate(images.float(), (self.preprocess.size,) * 2)
        exemplar = search[:, :, : self.preprocess.exemplar, : self.preprocess.exemplar]
        return self._correlate(self.exemplar_features(exemplar), self.features(search)[:, None])


class ExportedExemplar(nn.Module):
    """The features of exemplars."""

    def __init__(self, model: SiamFc) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C i j"]:
        return self.model.exemplar_features(images)


class ExportedSearch(nn.Module):
    """How alike the places of search regions are to exemplars."""

    def __init__(self, model: SiamFc) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, images: Float[Tensor, "B S 3 H W"], exemplars: Float[Tensor, "B C i j"]
    ) -> Float[Tensor, "B S I J"]:
        maps = self.model.features(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return self.model.correlation(exemplars, maps)  # type: ignore[no-any-return]


MAX_COORDINATE = 1_000_000  # pixels


def check_prompt(frame: Tensor, box: Boxes) -> None:
    """Raises RecipeError where a box is empty or lies outside of the frame in which it is given."""
    height, width = frame.shape[-2:]
    for left, top, right, bottom in box.xyxy.tolist():
        x, y, w, h = (f"{value:g}" for value in (left, top, right - left, bottom - top))
        if not max(abs(left), abs(top), abs(right), abs(bottom)) <= MAX_COORDINATE:
            raise RecipeError(f"the box {x},{y},{w},{h} reaches beyond {MAX_COORDINATE:,} pixels")
        if not (right > left and bottom > top):
            raise RecipeError(f"the box {x},{y},{w},{h} is empty; expected x,y,w,h with a width and height above 0")
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            raise RecipeError(f"the box {x},{y},{w},{h} lies outside of the frame, which is {width} x {height} pixels")


def _flat(places: Int64[Tensor, "N 2"], width: int) -> Int64[Tensor, " N"]:
    return places[:, 1] * width + places[:, 0]


def _enlarged(logits: Float[Tensor, "N S H W"], upsampling: int) -> Float[Tensor, "N S I J"]:
    """Maps enlarged by bicubic interpolation, as a product with a matrix a side: thirty times as fast on the CPU.

    Places of the map stay places of the enlarged one: between two of them, ties would all go to one side.
    """
    rows, columns = (_bicubic(side, upsampling, logits.device) for side in logits.shape[2:])
    return rows @ logits @ columns.T


@functools.lru_cache(maxsize=8)
def _bicubic(side: int, upsampling: int, device: torch.device) -> Float[Tensor, "I L"]:
    """Weights of a line's values in each value of the enlarged line."""
    size = (side, (side - 1) * upsampling + 1)
    with torch.inference_mode(False), torch.autocast(device.type, enabled=False):
        unit = torch.eye(side, device=device)
        return functional.interpolate(unit[None, None], size, mode="bicubic", align_corners=True)[0, 0].T.contiguous()


def _cosine_window(side: int, device: torch.device) -> Float[Tensor, " L"]:
    """A flattened square window that sums up to 1."""
    hann = torch.hann_window(side, periodic=False, device=device)
    window = hann[:, None] * hann
    return (window / window.sum()).flatten()


_TITLES = {"squeezenet": "SqueezeNet 1.0", "resnet18": "ResNet-18", "mobilenet_v3_small": "MobileNetV3 small"}
STRIDE = 8
"""Pixels: what the paper's network has; coarser maps tell places less exactly."""


@model(Tracking)
def siamfc(
    num_classes: int,
    *,
    image_size: int = 255,
    radius: float = 16.0,
    scale_step: float = 1.0375,
    scale_penalty: float = 0.9745,
    scale_damping: float = 0.59,
    window: float = 0.176,
    lost_share: float = 0.2,
) -> SiamFc:
    """SiamFC with the paper's network, AlexNet's convolutions without padding (Bertinetto et al., 2016).

    Args:
        image_size: side of the search region; the exemplar's is half of it.
        radius: pixels of the search region around the center that are positive.
        scale_step: factor between neighboring scales of the search.
        scale_penalty: factor on the scores of another scale.
        scale_damping: share of a found change of scale by which the box is changed.
        window: weight of the cosine window.
        lost_share: an object is lost where its score is below this share of what is usual; 0: never.
    """
    tracker = _tracker(scale_step, scale_penalty, scale_damping, window, lost_share)
    preprocess = ExemplarSearchPairs(image_size, image_size // 2)
    return SiamFc(UnpaddedAlexNet(), CrossCorrelation(), preprocess=preprocess, radius=radius, tracker=tracker)


@model(
    Tracking,
    variants=[
        Variant(f"siamfc_{name}", f"SiamFC on {title}, by the cosine of its features.", {"backbone": name})
        for name, title in _TITLES.items()
    ],
    any_backbone="siamfc_{backbone}",
)
def siamfc_on_backbone(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 255,
    radius: float = 16.0,
    trim: int = 2,
    scale_step: float = 1.0375,
    scale_penalty: float = 0.9745,
    scale_damping: float = 0.59,
    window: float = 0.176,
    lost_share: float = 0.2,
) -> SiamFc:
    """SiamFC on any backbone: the cosine of its features of stride 8, with a learned factor and bias.

    Args:
        backbone: name of the network of features.
        image_size: side of the search region; the exemplar's is half of it.
        radius: pixels of the search region around the center that are positive.
        trim: features at the exemplar's edges, changed by padding, that are cut off.
        scale_step: factor between neighboring scales of the search.
        scale_penalty: factor on the scores of another scale.
        scale_damping: share of a found change of scale by which the box is changed.
        window: weight of the cosine window.
        lost_share: an object is lost where its score is below this share of what is usual; 0: never.
    """
    tracker = _tracker(scale_step, scale_penalty, scale_damping, window, lost_share)
    return _on_backbone(backbone, image_size, radius, trim, tracker, learned=True)


@model(
    Tracking,
    variants=[
        Variant(
            f"siamese_features_{name}",
            f"Features of {title} as they are, compared by their cosine: a tracker without training.",
            {"backbone": name},
        )
        for name, title in _TITLES.items()
    ],
    any_backbone="siamese_features_{backbone}",
)
def siamese_features(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 255,
    trim: int = 2,
    scale_step: float = 1.0375,
    scale_penalty: float = 0.9745,
    scale_damping: float = 0.59,
    window: float = 0.176,
    lost_share: float = 0.2,
) -> SiamFc:
    """SiamFC without training: the cosine of a classification network's features.

    Args:
        backbone: name of the network of features.
        image_size: side of the search region; the exemplar's is half of it.
        trim: features at the exemplar's edges, changed by padding, that are cut off.
        scale_step: factor between neighboring scales of the search.
        scale_penalty: factor on the scores of another scale.
        scale_damping: share of a found change of scale by which the box is changed.
        window: weight of the cosine window.
        lost_share: an object is lost where its score is below this share of what is usual; 0: never.
    """
    tracker = _tracker(scale_step, scale_penalty, scale_damping, window, lost_share)
    return _on_backbone(backbone, image_size, 16.0, trim, tracker, learned=False)


def _tracker(step: float, penalty: float, damping: float, window: float, lost_share: float) -> ResponseSettings:
    for name, value, most in (("scale_damping", damping, 1), ("window", window, 1), ("lost_share", lost_share, 1)):
        if not 0 <= value <= most:
            raise RecipeError(f"{name} is {value}; expected 0..{most}")
    if not (1 <= step < 2 and 0 < penalty <= 1):
        raise RecipeError(f"expected scale_step in 1..2 and scale_penalty in 0..1; got {step} and {penalty}")
    return ResponseSettings(
        step, penalty, damping, window, lost_share=lost_share, found_share=min(1.0, lost_share * 4 / 3)
    )


def _on_backbone(
    backbone: str, image_size: int, radius: float, trim: int, tracker: ResponseSettings, *, learned: bool
) -> SiamFc:
    network = named_backbone(backbone)
    if STRIDE not in network.strides:
        raise RecipeError(f"{backbone} has maps of strides {network.strides}, none of {STRIDE}; choose another")
    drop_later_maps(network, last_maps(network)[STRIDE])
    mean, std = backbone_statistics(backbone)
    # Networks with padding learn where the middle of an image is, unless objects stand elsewhere, too (Li et al., 2019:
    # SiamRPN++, section 3.2).
    preprocess = ExemplarSearchPairs(image_size, image_size // 2, shift=image_size // 4, stretch=0.05)
    return SiamFc(
        network,
        CosineCorrelation(learned=learned),
        preprocess=preprocess,
        trim=trim,
        radius=radius,
        tracker=tracker,
        mean=mean,
        std=std,
        weight_map=WeightMap(backbone_published(backbone)),
    )
