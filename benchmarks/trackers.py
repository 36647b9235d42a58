"""Trackers beside baselines on sequences, and the speed of one step beside the plain way.

    python benchmarks/trackers.py SEQUENCES RUN_OR_MODEL [--weights FILE] [--opencv] [--options NAME=VALUE ...]
    python benchmarks/trackers.py SEQUENCES RUN_OR_MODEL [--weights FILE] --speed [--frames N]
    python benchmarks/trackers.py IMAGES MODEL --training

The table holds OTB's success and precision by sequence: the still box, normalized cross-correlation, OpenCV's trackers,
and the model. With --speed the plain way is PyTorch as it comes: float32, one scale after the other, each cut out and
enlarged by itself; ours is channels last, correlated by a product of matrices, enlarged in one batch, and bf16 where
the processor is quick at it. Both follow the same sequence in turn, a frame each, from the state of the plain way, so
that load of the machine meets both. --training times a step of 8 pairs of images with boxes: pairs drawn of parts of
the images and of whole ones, and the network with correlation as a product of matrices and as a convolution.
"""

import argparse
import copy
import itertools
import time
from pathlib import Path

import torch
from torch import Tensor

from zorki import registry
from zorki.data.formats.readers import read_tracks
from zorki.data.preprocess.tracking.windows import cut_windows, exemplar_sides
from zorki.engine.device import autocast, best_precision, laid_out, on_device
from zorki.engine.run.open import open_run
from zorki.metrics.tracks.otb import mean_curves, otb_curves
from zorki.tasks.tracking import pairs
from zorki.tasks.tracking.models.siamfc import correlation
from zorki.tasks.tracking.settings import TrackingSettings
from zorki.tasks.tracking.task import Tracking
from zorki.tasks.tracking.template_matching import TemplateMatching
from zorki.tasks.tracking.tracks import aligned, join_frames, still_boxes
from zorki.types import Boxes, ClassInfo


class OpenCvTracker:
    """One of OpenCV's trackers, which keep their state themselves."""

    def __init__(self, make) -> None:
        self.make = make

    def start(self, frame: Tensor, box: Boxes):
        tracker = self.make()
        left, top, right, bottom = box.xyxy[0].tolist()
        tracker.init(_bgr(frame), (round(left), round(top), round(right - left), round(bottom - top)))
        return tracker, box

    def step(self, state, frame: Tensor):
        tracker, last = state
        there, found = tracker.update(_bgr(frame))
        if there:
            x, y, width, height = found
            last = Boxes(torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32), last.labels)
        return (tracker, last), last


def _bgr(frame: Tensor):
    return frame.flip(0).permute(1, 2, 0).contiguous().numpy()


def followed(tracker, sample):
    box = Boxes(sample.target.xyxy[:1], torch.zeros(1, dtype=torch.int64))
    frames, found, state = iter(sample.image), [box], None
    state = tracker.start(next(frames), box)
    began = time.process_time()
    for frame in frames:
        state, boxes = tracker.step(state, frame)
        found.append(boxes)
    return join_frames(found), (len(found) - 1) / (time.process_time() - began)


def row(name, dataset, track) -> None:
    curves, speeds = [], []
    for index in range(len(dataset)):
        sample = dataset[index]
        prediction, speed = track(sample)
        predicted, ground_truth, annotated = aligned(prediction, sample.target)
        curves.append(otb_curves(predicted, ground_truth, annotated))
        speeds.append(speed)
    mean = mean_curves(curves)
    own = "".join(f"{one.auc:8.3f}/{one.precision_at_20:.2f}" for one in curves)
    print(f"{name:32}{mean.auc:8.3f}/{mean.precision_at_20:.2f}{own}{min(speeds):10.1f}", flush=True)


def table(dataset, run, opencv: bool) -> None:
    names = "".join(f"{dataset.name(index):>13}" for index in range(len(dataset)))
    print(f"{'AUC / precision at 20 px':32}{'mean':>13}{names}{'frames/CPU s':>13}")
    row("still box", dataset, lambda sample: (still_boxes(sample.target), float("inf")))
    row("normalized cross-correlation", dataset, lambda sample: followed(TemplateMatching(), sample))
    if opencv:
        import cv2

        for name in ("MIL", "KCF", "CSRT"):
            if make := getattr(cv2, f"Tracker{name}_create", None):
                row(
                    f"OpenCV {cv2.__version__} {name}",
                    dataset,
                    lambda sample, make=make: followed(OpenCvTracker(make), sample),
                )
    model = on_device(run.model, "cpu").eval()
    for precision in dict.fromkeys(("32", best_precision("cpu")[0])):
        with torch.inference_mode(), autocast("cpu", precision):
            row(f"{run.model_name}, {precision}", dataset, lambda sample: followed(model, sample))


@torch.no_grad()
def plain_step(model, state, frame: Tensor):
    """The step of `SiamFc`, scale by scale."""
    color, exemplar, size = frame.float().mean((1, 2)), model.preprocess.exemplar, model.preprocess.size
    side, responses = exemplar_sides(state.boxes[:, 2:]), []
    factors = [model.tracker.scale_step**power for power in (-1, 0, 1)]
    for factor in factors:
        crop = cut_windows(frame, state.boxes[:, :2], side * factor * size / exemplar, size, color)
        features = model.features(crop)[:, None]
        logits = plain_correlation(model.correlation, state.exemplars, features)
        enlarged = [(one - 1) * model.tracker.upsampling + 1 for one in logits.shape[2:]]
        responses.append(torch.nn.functional.interpolate(logits, enlarged, mode="bicubic", align_corners=True))
    response = torch.cat(responses, 1)
    best = model._best_scales(response.flatten(2).amax(2))
    chosen = response[:, best[0]]
    place = model._peaks(chosen, windowed=True)
    offset = (place / model.tracker.upsampling - model._origin(size)) * model.stride
    factor = factors[int(best[0])]
    moved = state.boxes[:, :2] + offset * side[:, None] * factor / exemplar
    boxes = torch.cat([moved, state.boxes[:, 2:] * (1 + model.tracker.scale_damping * (factor - 1))], 1)
    scores = model.correlation.scores(chosen.flatten(1).amax(1))
    return model._judge(state, boxes, scores, frame)


def plain_correlation(module, exemplars: Tensor, searches: Tensor) -> Tensor:
    product, correlation._products_along_diagonals = correlation._products_along_diagonals, convolved
    try:
        return module(exemplars, searches)
    finally:
        correlation._products_along_diagonals = product


def speed(dataset, run, most: int | None) -> None:
    """CPU seconds of both, and how far their boxes lie apart: step by step, and each on its own."""
    plain, ours = copy.deepcopy(run.model).eval(), on_device(copy.deepcopy(run.model), "cpu").eval()
    for precision in dict.fromkeys(("32", best_precision("cpu")[0])):
        spent, apart, drift = [0.0, 0.0], 0.0, 0.0
        count = 0
        for index in range(len(dataset)):
            sample = dataset[index]
            box = Boxes(sample.target.xyxy[:1], torch.zeros(1, dtype=torch.int64))
            frames = itertools.islice(sample.image, most)
            first = next(frames)
            state, own = plain.start(first, box), ours.start(first, box)
            for frame in frames:
                if int(state.misses[0]):
                    break  # the plain way widens nothing
                began = time.process_time()
                following, expected = plain_step(plain, state, frame)
                middle = time.process_time()
                with torch.inference_mode(), autocast("cpu", precision):
                    _, found = ours.step(state, frame)
                spent[0] += middle - began
                spent[1] += time.process_time() - middle
                with torch.inference_mode(), autocast("cpu", precision):
                    own, alone = ours.step(own, frame)
                apart = max(apart, float((found.xyxy - expected.xyxy).abs().max()))
                drift = max(drift, float((alone.xyxy - expected.xyxy).abs().max()))
                state = following
                count += 1
        rates = f"plain {count / spent[0]:.1f}, ours {count / spent[1]:.1f} frames a CPU second"
        print(f"{run.model_name}, {precision}: {rates}, {spent[0] / spent[1]:.2f} times", flush=True)
        print(f"  boxes at most {apart:.2f} pixels apart in a step, {drift:.2f} over {count} frames on their own")


def training(folder: Path, name: str, count: int = 8) -> None:
    """CPU seconds of the parts of a training step, the least of four."""
    dataset = Tracking.data.read(folder)
    samples = [dataset[index] for index in dataset.splits["train"][:count]]
    recipe = TrackingSettings(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.03, blur=1.0)
    model = on_device(registry.build(name, 1, {}), "cpu").train()
    around, product = pairs._around, correlation._products_along_diagonals

    def batch():
        chance = [torch.Generator().manual_seed(number) for number in range(count)]
        made = [
            Tracking.data.augment(sample, recipe, ClassInfo(("object",)), one)
            for sample, one in zip(samples, chance, strict=True)
        ]
        inputs, places = model.preprocess.in_regions(
            [one.image for one in made], [one.target.regions() for one in made], chance
        )
        return inputs, [one.target.place(place) for one, place in zip(made, places, strict=True)]

    inputs, targets = batch()

    def step(precision):
        with autocast("cpu", precision):
            loss = sum(model.loss(model(laid_out(inputs, model)), targets).values())
        loss.backward()

    for words, cut in (("whole images", lambda frames, xyxy, _: (frames, xyxy)), ("parts of images", around)):
        pairs._around = cut
        print(f"{count} pairs of {words}: {least(batch):.2f} s", flush=True)
    for precision in dict.fromkeys(("32", best_precision("cpu")[0])):
        for words, made in (("convolution", convolved), ("product of matrices", product)):
            correlation._products_along_diagonals = made
            print(f"{name}, {precision}, {words}: {least(lambda: step(precision)):.2f} s", flush=True)  # noqa: B023


def convolved(exemplars: Tensor, searches: Tensor) -> Tensor:
    count, scales = searches.shape[:2]
    kernels = exemplars.repeat_interleave(scales, 0)
    maps = torch.nn.functional.conv2d(searches.reshape(1, -1, *searches.shape[3:]), kernels, groups=count * scales)
    return maps.reshape(count, scales, *maps.shape[2:])


def least(work) -> float:
    spent = []
    for _ in range(4):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sequences", type=Path)
    parser.add_argument("run")
    parser.add_argument("--weights")
    parser.add_argument("--opencv", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--frames", type=int, help="of each sequence, for --speed")
    parser.add_argument("--options", nargs="*", default=[])
    given = parser.parse_args()
    if given.training:
        training(given.sequences, given.run)
        return
    options = dict(one.split("=") for one in given.options)
    run = open_run(given.run, given.weights, options=options)
    dataset = read_tracks(given.sequences)
    if given.speed:
        speed(dataset, run, given.frames)
    else:
        table(dataset, run, given.opencv)


if __name__ == "__main__":
    main()
