"""Maps over images for what a run predicts of them, with what tells whether they can be believed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zorki.contracts.capabilities import AnswersByPlace, Explainable, Focus, LooksAtRegions
from zorki.data.images import MAX_PIXELS
from zorki.data.video.films import open_film
from zorki.engine.data_source import data_of_run, read_data
from zorki.engine.device import check_device, laid_out
from zorki.engine.explanation.cam import activation_maps
from zorki.engine.explanation.explanation import Explanation
from zorki.engine.explanation.heat_map import HeatMap, enlarged
from zorki.engine.explanation.layers import ExcitingPatch, Unit, UnitWatch, watch
from zorki.engine.explanation.network import ExplainedNetwork, ask
from zorki.engine.explanation.occlusion import occlusion_map
from zorki.engine.explanation.page import write_explanations
from zorki.engine.explanation.sanity import check
from zorki.engine.explanation.tracked_film import MAX_FRAMES, TrackedFrame, tracked_frames
from zorki.engine.prediction.inference import predict_images
from zorki.engine.prediction.selection import labels_of
from zorki.engine.prediction.sources import Source, expand
from zorki.engine.run.open import RunLike, TrainedModel, open_all
from zorki.errors import DataError, RecipeError, did_you_mean
from zorki.introspection.attention import attention_maps, attention_rollout, patch_grid, rollout_map
from zorki.output import say
from zorki.types import Boxes, Embedding, Placement, map_tensors
from zorki.types.arrays import array_of

METHODS = ("response", "grad-cam", "layer-cam", "attention-rollout", "occlusion")
RARE = ("response", "attention-rollout")  # which most networks lack: nothing that has to be told
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
    max_frames: int | None = None,
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
            of which one clip is taken, from the middle; of a tracker one video, or the images that are its frames, of
            which eight are explained.
        label: the class, or joint, that is explained, by name or label; None: what is predicted.
        box: left, top, right, bottom in pixels of the image, of the object or region that is explained; None: the most
            certain object, or the whole image. Of a tracker that of the object in the first frame.
        reference: the image with which embeddings are compared.
        layer: whose maps Grad-CAM and LayerCAM read; None: the deepest on which the score depends.
        methods: of `METHODS`; None: all that the network allows.
        window: side of the occlusion's window, in pixels of the network; None: a seventh of its longer side.
        max_frames: of a video through which a tracker follows an object; None: 300.
        out: HTML page to write; None: none.
        patches: what `exciting_patches` gave, for that page.
        quiet: print nothing.

    Raises:
        ZorkiError: no such run or image, the network gives no score, or there is nothing of it in an image.
    """
    chosen = check_methods(methods)
    where = check_device(device)
    (opened,) = open_all(run, weights, options=options)
    work = Explainer(opened, where, label, box, reference, layer, chosen, window, max_frames, methods is not None)
    found = []
    for name, question in work.questions(images):
        if not quiet:
            say(f"explaining {name}", flush=True)
        found.append(question())
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
    model = opened.on_device(where).eval()
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
    max_frames: int | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise RecipeError(f"window is {self.window}; expected a side in pixels, at least 1")
        if self.box is not None and not (
            len(self.box) == 4 and self.box[0] < self.box[2] and self.box[1] < self.box[3]
        ):
            raise RecipeError(f"box is {tuple(self.box)}; expected left, top, right, bottom in pixels of the image")
        if self.max_frames is not None and not self.follows:
            raise RecipeError(f"{self.run.task.name} follows nothing through a video; leave --max-frames out")
        self.model = self.run.on_device(self.device).eval()
        if self.is_clip and self.box is not None:
            raise RecipeError("a film is explained as a whole: leave --box out")
        if self.follows:
            self._check_tracker()
        self._reference = None if self.reference is None else self._embedding(self.reference)

    @property
    def is_clip(self) -> bool:
        """Whether clips of films are explained."""
        return self.run.task.unit == "clip"

    @property
    def follows(self) -> bool:
        """Whether it is a tracker, which is explained in frames of a film."""
        return self.run.task.unit == "video"

    def _check_tracker(self) -> None:
        if self.box is None:
            raise RecipeError("a tracker follows what it is shown: expected the object's box in the first frame")
        for name, value in (("--class", self.label), ("--reference", self.reference)):
            if value is not None:
                raise RecipeError(f"a tracker knows no classes, and compares no whole images: leave {name} out")
        if not isinstance(self.model, Explainable):
            raise RecipeError(f"{self.run.model_name} gives a frame no score to explain")

    def questions(self, images: Any) -> Iterator[tuple[str, Callable[[], Explanation]]]:
        """What is explained, by name, each to be answered when it is called."""
        if self.follows:
            box = Boxes(torch.tensor([list(map(float, self.box or ()))]), torch.zeros(1, dtype=torch.int64))
            for frame in tracked_frames(self.run, images, box, self.device, self.max_frames or MAX_FRAMES):
                yield f"frame {frame.number}", partial(self.explain_frame, frame)
            return
        for source in _sources(images, films=self.is_clip):
            yield str(source), partial(self.explain, source)

    def explain(self, source: Source) -> Explanation:
        """All that is asked, for one image. Raises as `explain`."""
        if source.kind != "image" and not self.is_clip:
            raise RecipeError(f"{source}: explained are images, and this is a video")
        image = self._film(source) if self.is_clip else source.image(self.run.recipe.max_pixels or MAX_PIXELS)
        inputs, placement = self._prepared(image)
        network = self._asked(str(source), inputs, placement, self._focus(placement, self.box))
        shown = network.pixels[0] if self.is_clip else image
        prediction = predict_images(self.model, [image], self.device)[0]
        return self._answered(str(source), network, shown, prediction, self._words(network.focus))

    def explain_frame(self, frame: TrackedFrame) -> Explanation:
        """All that is asked, for one frame of a film: why the object is where the tracker found it."""
        preprocess: Any = self.model.preprocess
        inputs, (placement,) = preprocess.in_regions([frame.pair], [frame.boxes])
        name = f"frame {frame.number}"
        network = self._asked(name, inputs, placement, self._focus(placement, frame.found.xyxy[0].tolist()))
        words = "the object, which is lost: where it was seen last" if frame.lost else "the object"
        return self._answered(name, network, frame.pair[1], frame.found, words)

    def _asked(self, name: str, inputs: Any, placement: Placement, focus: Focus) -> ExplainedNetwork:
        try:
            return ask(self.model, inputs, placement, focus, self.device)
        except RecipeError as error:
            raise RecipeError(f"{name}: {error}") from error

    def _answered(
        self, name: str, network: ExplainedNetwork, shown: Tensor, prediction: Any, words: str
    ) -> Explanation:
        found = Explanation(
            name, array_of(shown), prediction, network.focus, network.placement, words, network.own_score(),
            network.unit, frames=network.frames,
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

    def _focus(self, placement: Placement, xyxy: Sequence[float] | None) -> Focus:
        box = None
        if xyxy is not None:
            region = Boxes(torch.tensor([list(map(float, xyxy))]), torch.zeros(1, dtype=torch.int64))
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
            found.notes += [] if method in RARE else [values]
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
        if method == "response":
            return _response(network)
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


def _response(network: ExplainedNetwork) -> Tensor | str:
    if not isinstance(network.model, AnswersByPlace):
        return "no response: the network's answer is no map over the image, as a tracker's is"
    inputs = laid_out(map_tensors(network.inputs, lambda tensor: tensor.to(network.device)), network.model)
    with torch.inference_mode():
        outputs: Any = network.model(inputs)  # type: ignore[operator]
        return network.model.response_map(outputs)[0].cpu()


def _rollout(network: ExplainedNetwork) -> Tensor | str:
    inputs = laid_out(map_tensors(network.inputs, lambda tensor: tensor.to(network.device)), network.model)
    with torch.inference_mode():
        maps = attention_maps(lambda: network.model(inputs))
    if not maps:
        return "no attention-rollout: the network has no attention"
    grids = {patch_grid(one.shape[-1], *network.size) for one in maps if one.shape[-1] == one.shape[-2]}
    if len({one.shape[-2:] for one in maps}) != 1 or len(grids) != 1 or (grid := grids.pop()) is None:
        return "no attention-rollout: not every layer attends from all patches of the image to all"
    return enlarged(rollout_map(attention_rollout(maps), grid), network.size)
