"""Whether a file predicts as the network that it was made of: on real images, through the whole path."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zorki.contracts import Metric
from zorki.contracts.capabilities import ExportGraph, TakesReference
from zorki.engine.export.feeds import Feed, feed_of
from zorki.engine.export.runtimes import Runtime
from zorki.engine.run.open import TrainedModel
from zorki.errors import WeightsError, ZorkiError
from zorki.exported.decoding import Decoder, decoder

RELATIVE = 1e-3
"""Share of an output's largest value by which a file in float32 may differ."""
AGREED = 0.99
"""Share of labels, pixels or boxes that must agree."""
LOSS = 0.01
"""By which the metric may fall: a point."""


class ParityError(ZorkiError):
    """A file that was written, and differs from its run."""


@dataclass
class Parity:
    """What was measured. `outputs` has the largest and the mean difference of each output, `agreement` shares.

    `metric` has the run's and the file's number on the same images, `ms` the milliseconds of both for an image.
    """

    images: int
    source: str
    precision: str
    runtime: dict[str, str]
    outputs: dict[str, dict[str, float]] = field(default_factory=dict)
    agreement: dict[str, float] = field(default_factory=dict)
    metric: dict[str, Any] | None = None
    ms: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the file may be used in the place of the run."""
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        """As parity.json holds it."""
        tolerance = {"relative": RELATIVE, "agreement": AGREED, "metric": LOSS}
        return {**asdict(self), "tolerance": tolerance, "passed": self.passed}

    def __str__(self) -> str:
        parts = [f"largest difference {max((one['largest'] for one in self.outputs.values()), default=0):.2g}"]
        parts += [f"{name} {share:.4g}" for name, share in self.agreement.items()]
        if self.metric is not None:
            parts.append("{name} {run:.4f} (run), {file:.4f} (file)".format(**self.metric))
        parts.append("{run:.1f} ms (run), {file:.1f} ms (file) an image".format(**self.ms))
        return f"{self.images} images of {self.source}: " + "; ".join(parts)


def measure(
    run: TrainedModel,
    graph: ExportGraph,
    runtime: Runtime,
    samples: Sequence[Any],
    *,
    source: str,
    precision: str,
    batch_size: int = 4,
) -> Parity:
    """Compares a file with the network of a run.

    Args:
        run: whose model has the thresholds of the file.
        graph: of the file, by PyTorch: what its outputs are compared with, on the same inputs.
        samples: with targets; those without give no metric.
        source: where they are from, for people.
    """
    metrics, compared = _Metrics(run, graph), _Comparison(graph, runtime)
    for first in range(0, len(samples), batch_size):
        part = samples[first : first + batch_size]
        feed = feed_of(run.model.preprocess, graph, [sample.image for sample in part])
        outputs = compared.run(feed.arrays, len(part))
        metrics.update(feed, outputs, [sample.target for sample in part])
    return compared.parity(source, precision, metrics.compute(run.task.monitor))


def measure_on(
    graph: ExportGraph, runtime: Runtime, feeds: Sequence[dict[str, np.ndarray]], *, precision: str
) -> Parity:
    """The same on inputs that are made up, where no data are."""
    compared = _Comparison(graph, runtime)
    for feed in feeds:
        compared.run(feed, len(feed["images"]))
    return compared.parity("synthetic images", precision)


def synthetic_feeds(graph: ExportGraph, count: int) -> list[dict[str, np.ndarray]]:
    """Smooth pixels in the place of images, in batches of two; other inputs as the graph has them."""
    generator, feeds = torch.Generator().manual_seed(0), []
    for _ in range(-(-count // 2)):
        feed = {}
        for name, value in graph.inputs.items():
            if name in ("images", "flow"):
                flat = value.flatten(1, -3)
                coarse = torch.rand((2, flat.shape[1], 8, 8), generator=generator) * 255
                large = torch.nn.functional.interpolate(coarse, value.shape[-2:], mode="bicubic").clamp(0, 255)
                value = large.reshape(value.shape).to(value.dtype)
            elif name == "exemplars":
                value = torch.rand(value.shape, generator=generator)
            feed[name] = value.numpy()
        feeds.append(feed)
    return feeds


def run_graph(graph: ExportGraph, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What PyTorch makes of the inputs."""
    with torch.inference_mode():
        found = graph.network(*(torch.from_numpy(feed[name]) for name in graph.inputs))
    values = found if isinstance(found, tuple) else (found,)
    return {name: value.numpy() for name, value in zip(graph.outputs, values, strict=True)}


class _Metrics:
    """The metric of the run's predictions and of the file's, where the file's outputs can be read."""

    def __init__(self, run: TrainedModel, graph: ExportGraph) -> None:
        self._run, self._decode = run, _decoder(run, graph)
        self._metrics: list[Metric[Any, Any]] = [run.task.evaluation.metric(run.info) for _ in range(2)]
        self._possible = self._decode is not None and not isinstance(self._metrics[0], TakesReference)

    def update(self, feed: Feed, outputs: dict[str, np.ndarray], targets: Sequence[Any]) -> None:
        if not self._possible:
            return
        assert self._decode is not None
        model = self._run.model
        with torch.inference_mode():
            own = model.decode(model(feed.inputs), feed.own_placements)
        of_file = [one.tensors() for one in self._decode(outputs, feed.placements)]
        for metric, predictions in zip(self._metrics, (own, of_file), strict=True):
            metric.update(predictions, list(targets))

    def compute(self, monitor: str) -> dict[str, Any] | None:
        """The monitored number of both; None: there is none."""
        if not self._possible:
            return None
        run, file = (metric.compute().scalars().get(monitor) for metric in self._metrics)
        return None if run is None or file is None else {"name": monitor, "run": float(run), "file": float(file)}


def _decoder(run: TrainedModel, graph: ExportGraph) -> Decoder | None:
    try:
        return decoder(graph.decoding.to_json(), Path(run.model_name))
    except WeightsError:  # a kind that only the run itself makes predictions of
        return None


class _Comparison:
    """Outputs of a file and of the graph that it was made of, batch after batch."""

    def __init__(self, graph: ExportGraph, runtime: Runtime) -> None:
        self._graph, self._runtime = graph, runtime
        self._images, self._seconds = 0, {"file": 0.0, "run": 0.0}
        self._boxes = "count" in graph.outputs
        self._largest: dict[str, float] = defaultdict(float)
        self._scale: dict[str, float] = defaultdict(float)
        self._sum: dict[str, float] = defaultdict(float)
        self._number: dict[str, int] = defaultdict(int)
        self._agreed: dict[str, list[float]] = defaultdict(list)

    def run(self, feed: dict[str, np.ndarray], images: int) -> dict[str, np.ndarray]:
        """The file's outputs for a batch of so many images, after they were compared."""
        start = time.perf_counter()
        outputs = self._runtime.run(feed)
        middle = time.perf_counter()
        expected = run_graph(self._graph, feed)
        self._seconds["file"] += middle - start
        self._seconds["run"] += time.perf_counter() - middle
        self._images += images
        self._update(expected, outputs)
        return outputs

    def parity(self, source: str, precision: str, metric: dict[str, Any] | None = None) -> Parity:
        """What was found."""
        runtime = {"name": self._runtime.name, "version": self._runtime.version, "torch": torch.__version__}
        outputs, agreement = self._results()
        ms = {name: seconds / max(1, self._images) * 1e3 for name, seconds in self._seconds.items()}
        found = Parity(self._images, source, precision, runtime, outputs, agreement, metric, ms)
        found.failures = _failures(found)
        return found

    def _update(self, expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
        if self._boxes:
            for row in range(len(expected["count"])):
                self._match({k: v[row] for k, v in expected.items()}, {k: v[row] for k, v in found.items()})
            return
        for name, value in expected.items():
            if value.dtype.kind != "i":
                self._add(name, value, found[name])
        for name, agreement in (("scores", "labels"), ("logits", "pixels"), ("main", "pixels")):
            if name in expected and expected[name].ndim > 1:
                same = expected[name].argmax(1) == found[name].argmax(1)
                self._agreed[agreement] += [float(same.mean())] * len(same)
        if "embedding" in expected:
            self._agreed["cosine"] += (expected["embedding"] * found["embedding"]).sum(1).tolist()

    def _match(self, expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
        """Boxes of one image: of each the nearest one of its class, where that is nearly the same."""
        here, there = int(expected["count"]), int(found["count"])
        rows, matched = list(range(there)), 0
        for row in range(here):
            same = [one for one in rows if found["labels"][one] == expected["labels"][row]]
            if not same:
                continue
            distances = np.abs(found["xyxy"][same] - expected["xyxy"][row]).max(1)
            best = same[int((distances + np.abs(found["scores"][same] - expected["scores"][row])).argmin())]
            if _iou(found["xyxy"][best], expected["xyxy"][row]) < 0.9:
                continue
            rows.remove(best)
            matched += 1
            for name in set(expected) - {"count", "labels"}:
                self._add(name, np.asarray(expected[name][row]), np.asarray(found[name][best]))
        self._agreed["matched_boxes"].append(matched / max(1, here, there) if here or there else 1.0)

    def _add(self, name: str, expected: np.ndarray, found: np.ndarray) -> None:
        away = np.abs(expected.astype(np.float64) - found.astype(np.float64))
        self._largest[name] = max(self._largest[name], float(away.max(initial=0)))
        self._scale[name] = max(self._scale[name], float(np.abs(expected.astype(np.float64)).max(initial=0)))
        self._sum[name] += float(away.sum())
        self._number[name] += away.size

    def _results(self) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
        """Differences by output, and shares that agree."""
        outputs = {
            name: {
                "largest": self._largest[name],
                "mean": self._sum[name] / max(1, self._number[name]),
                "largest_value": self._scale[name],
            }
            for name in self._number
        }
        return outputs, {name: float(np.mean(shares)) for name, shares in self._agreed.items()}


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0)
    areas = [float((one[2] - one[0]) * (one[3] - one[1])) for one in (a, b)]
    return float(width * height) / max(1e-12, sum(areas) - float(width * height))


def _failures(found: Parity) -> list[str]:
    """What is out of tolerance, in words."""
    failures = []
    exact = found.precision == "float32"
    for name, one in found.outputs.items():
        most = RELATIVE * max(1.0, one["largest_value"])
        if name == "stylized":
            most = 1.0  # a level: values are rounded
        if exact and one["largest"] > most:
            failures.append(f"{name} differs by {one['largest']:.3g}, more than {most:.3g}")
    for name, share in found.agreement.items():
        if exact and share < AGREED:
            failures.append(f"{name} agree to {share:.4f}, less than {AGREED}")
    if found.metric is not None and found.metric["run"] - found.metric["file"] > LOSS:
        failures.append("{name} falls from {run:.4f} to {file:.4f}, more than a point".format(**found.metric))
    return failures
