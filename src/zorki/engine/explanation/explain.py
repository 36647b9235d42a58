"""Maps over images for what a run predicts of them, with what tells whether they can be believed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zorki.contracts.capabilities import Focus, LooksAtRegions
from zorki.data.images import MAX_PIXELS
from zorki.data.video.films import open_film
from zorki.engine.data_source import data_of_run, read_data
from zorki.engine.device import channels_last, check_device, on_device
from zorki.engine.explanation.cam import activation_maps
from zorki.engine.explanation.explanation import Explanation
from zorki.engine.explanation.heat_map import HeatMap, enlarged
from zorki.engine.explanation.layers import ExcitingPatch, Unit, UnitWatch, watch
from zorki.engine.explanation.network import ExplainedNetwork, ask
from zorki.engine.explanation.occlusion import occlusion_map
from zorki.engine.explanation.page import write_explanations
from zorki.engine.explanation.sanity import check
from zorki.engine.prediction.inference import predict_images
from zorki.engine.prediction.selection import labels_of
from zorki.engine.prediction.sources import Source, expand
from zorki.engine.run.open import RunLike, TrainedModel, open_all
from zorki.errors import DataError, RecipeError, did_you_mean
from zorki.introspection.attention import attention_maps, attention_rollout, patch_grid, rollout_map
from zorki.output import say
from zorki.types import Boxes, Embedding, Placement, map_tensors
from zorki.types.arrays import array_of

METHODS = ("grad-cam", "layer-cam", "attention-rollout", "occlusion")
MAX_IMAGES = 1000  # of a dataset that are looked through for exciting patches


def explain(
    run: RunLike,
    images: Any,
    *,
    label: str | int | None = None,
    box: Sequence[float] | None = None,
    reference: Any = None,
    layer: str | None = None,
    methods: Sequence[str] | None = None,
    window: int | None = None,
    weights: str | Path | None = None,
    device: str | int | None = None,
    options: Mapping[str, str] | None = None,
    out: str | Path | None = None,
    patches: Mapping[str, Sequence[ExcitingPatch]] | None = None,
    quiet: bool = True,
) -> list[Explanation]:
    """Maps of what a run looked at, for each image.

    Args:
        run: a run, its folder, or a model's name with `weights`.
        images: files, folders, addresses or images in memory, as for `zorki.predict`; videos for networks of films,
            of which one clip is taken, from the middle.
        label: the class, or joint, that is explained, by name or label; None: what is predicted.
        box: left, top, right, bottom in pixels of the image, of the object or region that is explained; None: the most
            certain object, or the whole image.
        reference: the image with which embeddings are compared.
        layer: whose maps Grad-CAM and LayerCAM read; None: the deepest on which the score depends.
        methods: of `METHODS`; None: all that the network allows.
        window: side of the occlusion's window, in pixels of the network; None: a seventh of its longer side.
        out: HTML page to write; None: none.
        patches: what `exciting_patches` gave, for that page.
        quiet: print nothing.

    Raises:
        ZorkiError: no such run or image, the network gives no score, or there is nothing of it in an image.
    """
    chosen = check_methods(methods)
    where = check_device(device)
    (opened,) = open_all(run, weights, options=options)
    work = Explainer(opened, where, label, box, reference, layer, chosen, window, methods is not None)
    found = []
    for source in _sources(images, films=work.is_clip):
        if not quiet:
            say(f"{source}: {', '.join(chosen)}", flush=True)
        found.append(work.explain(source))
    if out is not None:
        write_explanations(Path(out), opened, found, patches or {})
    return found


def exciting_patches(
    run: RunLike,
    units: Sequence[str],
    data: Any = None,
    *,
    split: str | None = None,
    format: str | None = None,
    weights: str | Path | None = None,
    device: str | int | None = None,
    options: Mapping[str, str] | None = None,
    max_images: int = MAX_IMAGES,
) -> dict[str, list[ExcitingPatch]]:
    """The patches of a dataset that excite channels most, by LAYER:CHANNEL, most exciting first.

    Args:
        data: the dataset; None: what the run was trained on.
        split: None: test, else val, else all.
        max_images: that are looked through, from the first on.

    Raises:
        ZorkiError: no such run, data, layer or channel.
    """
    where = check_device(device)
    (opened,) = open_all(run, weights, options=options)
    model = on_device(opened.model, where).eval()
    watches = [UnitWatch(model, Unit.read(words), where) for words in units]
    data, _ = data_of_run(opened.about, opened.class_names, data)
    dataset = read_data(opened.task, data, opened.recipe, format=format)  # of any classes: images alone are looked at
    split = split or next((one for one in ("test", "val") if dataset.splits.get(one)), "all")
    if split != "all" and split not in dataset.splits:
        raise RecipeError(f"split is {split!r}; the data have {', '.join(dataset.splits)}, and all")
    indices = range(len(dataset)) if split == "all" else dataset.splits[split]
    for index in itertools.islice(indices, max_images):
        try:
            sample = dataset[index]
        except DataError:
            continue
        if not isinstance(sample.image, Tensor) or sample.image.ndim != 3:
            raise RecipeError(f"{opened.task.name} is about {opened.task.unit}s; patches are of images")
        watch(watches, sample.image, sample.path)
    return {str(one.unit): one.best() for one in watches}


def _sources(images: Any, *, films: bool) -> list[Source]:
    return [] if isinstance(images, list | tuple) and not images else expand(images, films=films)


def check_methods(methods: Sequence[str] | None) -> tuple[str, ...]:
    """Those that are named, or all. Raises RecipeError where there is no such method."""
    for name in methods or ():
        if name not in METHODS:
            raise RecipeError(f"there is no method {name!r}.{did_you_mean(name, METHODS)} It is {', '.join(METHODS)}")
    return METHODS if methods is None else tuple(name for name in METHODS if name in methods)


@dataclass
class Explainer:
    """One run, and what is asked of it for every image.

    Attributes:
        strict: methods were named: one that the network does not allow is refused, and not only noted.
    """

    run: TrainedModel
    device: str
    label: str | int | None
    box: Sequence[float] | None
    reference: Any
    layer: str | None
    methods: tuple[str, ...]
    window: int | None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise RecipeError(f"window is {self.window}; expected a side in pixels, at least 1")
        if self.box is not None and not (
            len(self.box) == 4 and self.box[0] < self.box[2] and self.box[1] < self.box[3]
        ):
            raise RecipeError(f"box is {tuple(self.box)}; expected left, top, right, bottom in pixels of the image")
        if self.run.task.unit == "video":
            raise RecipeError(
                f"{self.run.task.name} follows an object through a video; explained are scores of images and of films"
            )
        self.model = on_device(self.run.model, self.device).eval()
        self.is_clip = self.run.task.unit == "clip"
        if self.is_clip and self.box is not None:
            raise RecipeError("a film is explained as a whole: leave --box out")
        self._reference = None if self.reference is None else self._embedding(self.reference)

    def explain(self, source: Source) -> Explanation:
        """All that is asked, for one image. Raises as `explain`."""
        if source.kind != "image" and not self.is_clip:
            raise RecipeError(f"{source}: explained are images, and this is a video")
        image = self._film(source) if self.is_clip else source.image(self.run.recipe.max_pixels or MAX_PIXELS)
        inputs, placement = self._prepared(image)
        try:
            network = ask(self.model, inputs, placement, self._focus(placement), self.device)
        except RecipeError as error:
            raise RecipeError(f"{source}: {error}") from error
        found = Explanation(
            str(source), array_of(network.pixels[0] if self.is_clip else image),
            predict_images(self.model, [image], self.device)[0], network.focus,
            network.placement, self._words(network.focus), network.own_score(), network.unit, frames=network.frames,
        )  # fmt: skip
        random = network.randomized()
        for method in self.methods:
            self._add(found, network, random, method)
        return found

    def _film(self, source: Source) -> Any:
        """All that there is of it, from which preprocessing takes a clip."""
        if source.path is None:
            return source.image()
        return open_film(source.path, max_pixels=self.run.recipe.max_pixels or MAX_PIXELS)

    def _prepared(self, image: Any) -> tuple[Any, Placement]:
        preprocess: Any = self.model.preprocess
        if self.is_clip:  # one clip, from the middle
            preprocess = dataclasses.replace(preprocess, clips=1)
        if isinstance(preprocess, LooksAtRegions) and self.box is not None:
            region = Boxes(torch.tensor([list(map(float, self.box))]), torch.zeros(1, dtype=torch.int64))
            inputs, placements = preprocess.in_regions([image], [region])
        else:
            inputs, placements = preprocess([image])
        return inputs, placements[0]

    def _focus(self, placement: Placement) -> Focus:
        box = None
        if self.box is not None:
            region = Boxes(torch.tensor([list(map(float, self.box))]), torch.zeros(1, dtype=torch.int64))
            left, top, right, bottom = region.place(placement).xyxy[0].tolist()
            box = left, top, right, bottom
        info = self.run.info
        names = info.names if info.skeleton is None else info.skeleton.names
        label = None if self.label is None else labels_of(self.label, names)[0]
        return Focus(label, box, reference=self._reference, background=info.background)

    def _words(self, focus: Focus) -> str:
        info = self.run.info
        names = info.names if info.skeleton is None else info.skeleton.names
        if focus.reference is not None:
            return "similarity to the reference image"
        name = "all joints" if focus.label is None else names[focus.label]
        if focus.pixels is None:
            return name if focus.box is None else f"{name}, one object"
        return f"{name}, {int(focus.pixels.sum()):,} pixels"

    def _embedding(self, reference: Any) -> Tensor:
        (source,) = expand(reference)
        (found,) = predict_images(self.model, [source.image()], self.device)
        if not isinstance(found, Embedding):
            raise RecipeError(f"reference is an image, but {self.run.task.name} compares none; leave it out")
        return torch.nn.functional.normalize(found.vector.float(), dim=0)

    def _add(self, found: Explanation, network: ExplainedNetwork, random: ExplainedNetwork, method: str) -> None:
        """One method's map and what it is worth; a note where the network does not allow it."""
        values = self._map(found, network, method)
        if isinstance(values, str):
            if self.strict:
                raise RecipeError(f"{found.name}: {values}")
            found.notes += [values] if method != "attention-rollout" else []  # most networks have none
            return
        found.maps[method] = HeatMap(values, network.placement)
        other = self._map(None, random, method, found.layer)
        map_of_random = None if isinstance(other, str) else HeatMap(other, network.placement)
        found.checks[method] = check(network, found.maps[method], map_of_random)

    def _map(
        self, found: Explanation | None, network: ExplainedNetwork, method: str, layer: str | None = None
    ) -> Tensor | str:
        """The map, or why there is none."""
        if method == "occlusion":
            return occlusion_map(network, self.window)
        if method == "attention-rollout":
            return _rollout(network)
        maps = activation_maps(network, layer or self.layer)
        if maps is None and self.layer is not None and found is not None:
            raise RecipeError(f"the layer {self.layer} gives no map over the image that this score depends on")
        if maps is None:
            return f"no {method}: no layer has a map of the whole image on which this score depends by a gradient"
        if found is not None:
            found.layer, found.activations = maps.layer, maps.activations[-1].cpu()
        return maps.grad_cam(network.size) if method == "grad-cam" else maps.layer_cam(network.size)


def _rollout(network: ExplainedNetwork) -> Tensor | str:
    inputs = channels_last(map_tensors(network.inputs, lambda tensor: tensor.to(network.device)))
    with torch.inference_mode():
        maps = attention_maps(lambda: network.model(inputs))
    if not maps:
        return "no attention-rollout: the network has no attention"
    grids = {patch_grid(one.shape[-1], *network.size) for one in maps if one.shape[-1] == one.shape[-2]}
    if len({one.shape[-2:] for one in maps}) != 1 or len(grids) != 1 or (grid := grids.pop()) is None:
        return "no attention-rollout: not every layer attends from all patches of the image to all"
    return enlarged(rollout_map(attention_rollout(maps), grid), network.size)
