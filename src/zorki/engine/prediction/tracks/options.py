"""What `zorki predict --track` was told: thresholds, an embedding run, and lines and zones that count."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.errors import RecipeError, did_you_mean
from zorki.tracks.counting import Counter, CountPlace, count_line, count_zone
from zorki.tracks.tracker import TrackerSettings
from zorki.types import ClassInfo, Embedding
from zorki.types.arrays import array_of, tensor_of

if TYPE_CHECKING:
    from jaxtyping import Float64
    from numpy import ndarray

    from zorki.engine.run.open import RunLike

Track = bool | Mapping[str, Any] | TrackerSettings | None
Places = Sequence[str | Sequence[float]]

CROPS = 64  # that are embedded at once


class AppearanceEmbedder:
    """What objects look like, by a run that embeds images: `--embed`.

    Args:
        run: a run, or its folder.
    """

    def __init__(self, run: RunLike, device: str) -> None:
        from zorki.engine.run.open import open_all

        (self.run,) = open_all(run)
        self._device = device
        self._model = self.run.on_device(device).eval()

    def __call__(self, image: ndarray, xyxy: Float64[ndarray, "N 4"]) -> Float64[ndarray, "N D"]:
        """Unit vectors of the boxes of an image (3, H, W). Raises RecipeError where the run embeds nothing."""
        from zorki.engine.prediction.inference import predict_images

        crops = [tensor_of(_crop(image, box)) for box in xyxy.tolist()]
        found: list[Any] = []
        for first in range(0, len(crops), CROPS):
            found += predict_images(self._model, crops[first : first + CROPS], self._device)
        if not all(isinstance(one, Embedding) for one in found):
            raise RecipeError(
                f"{self.run.folder} is a run of {self.run.task.name}, which embeds no images; name one that does"
            )
        vectors = np.stack([array_of(one.vector) for one in found]).astype(np.float64)
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _crop(image: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """The pixels of a box, one at least."""
    height, width = image.shape[-2:]
    left, top = min(max(0, int(box[0])), width - 1), min(max(0, int(box[1])), height - 1)
    right, bottom = max(left + 1, min(width, round(box[2]))), max(top + 1, min(height, round(box[3])))
    return image[:, top:bottom, left:right]


@dataclass(frozen=True)
class TrackOptions:
    """How the objects of a video get ids, and what is counted."""

    settings: TrackerSettings
    embedder: AppearanceEmbedder | None
    counter: Counter
    info: ClassInfo  # of the run

    def describe(self) -> str:
        """What was chosen, in a line."""
        settings = self.settings
        appearance = "" if self.embedder is None else f", appearance by {self.embedder.run.folder}"
        return (
            f"tracking: boxes that score {settings.high_score:.2f} begin tracks, from {settings.low_score:.2f} on they "
            f"go on with them{appearance}"
        )

    def command(self) -> dict[str, Any]:
        """The options as JSON, by the names of `predict`'s arguments."""
        texts = [[_text(place) for place in self.counter.places if place.closed == closed] for closed in (False, True)]
        return {
            "track": dataclasses.asdict(self.settings),
            "embed": None if self.embedder is None else str(self.embedder.run.folder),
            "count_lines": texts[0] or None,
            "count_zones": texts[1] or None,
        }


NO_TRACKING: dict[str, Any] = {"track": None, "embed": None, "count_lines": None, "count_zones": None}
"""`TrackOptions.command` where nothing is tracked."""


def track_options(
    track: Track,
    embed: RunLike | None,
    count_lines: Places | None,
    count_zones: Places | None,
    *,
    info: ClassInfo,
    device: str,
) -> TrackOptions | None:
    """What tracking was asked for; None: there is to be none.

    Args:
        info: its `score_threshold` is where tracks begin, unless `track` says another.

    Raises:
        RecipeError: something that needs tracking without it, or a value that cannot be.
        ZorkiError: there is no such run.
    """
    if track is None or track is False:
        for name, value in (("embed", embed), ("count_lines", count_lines), ("count_zones", count_zones)):
            if value:
                raise RecipeError(f"{name} needs tracks: say track=True, or --track, as well")
        return None
    places: list[CountPlace] = [count_line(_words(place)) for place in count_lines or ()]
    places += [count_zone(_words(place)) for place in count_zones or ()]
    embedder = None if embed is None else AppearanceEmbedder(embed, device)
    return TrackOptions(_settings(track, info), embedder, Counter(places), info)


def _settings(track: bool | Mapping[str, Any] | TrackerSettings, info: ClassInfo) -> TrackerSettings:
    if isinstance(track, TrackerSettings):
        return track
    default = TrackerSettings()
    high = default.high_score if info.score_threshold is None else info.score_threshold
    given = {} if isinstance(track, bool) else {key.replace("-", "_"): _value(key, track[key]) for key in track}
    high = float(given.get("high_score", high))
    return TrackerSettings(**{"high_score": high, "low_score": min(default.low_score, high), **given})


def _value(key: str, value: Any) -> Any:
    """A setting of the tracker from what was typed. Raises RecipeError where there is none of that name or kind."""
    names = {field.name: field.default for field in dataclasses.fields(TrackerSettings)}
    name = key.replace("-", "_")
    if name not in names:
        raise RecipeError(f"the tracker has no {key!r}.{did_you_mean(name, names)} There are: {', '.join(names)}")
    if isinstance(names[name], bool):
        words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
        if str(value).lower() not in words:
            raise RecipeError(f"tracker's {key} is {value!r}; expected true or false")
        return words[str(value).lower()]
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"tracker's {key} is {value!r}; expected a number") from error


def _words(place: str | Sequence[float]) -> str:
    return place if isinstance(place, str) else ",".join(f"{float(value):g}" for value in place)


def _text(place: CountPlace) -> str:
    return ",".join(f"{value!r}" for point in place.points for value in point)
