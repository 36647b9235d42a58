"""Label Studio's ML backend: tasks come, drafts of annotations go back.

The protocol is that of label-studio-ml: GET /health, POST /setup with a labeling configuration, and POST /predict
with {"tasks": [{"data": {...}}], "label_config": XML}, whose response is {"results": [...]}, one a task, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from zorki.engine.prediction.label_studio import to_label_studio
from zorki.engine.prediction.result import Result
from zorki.engine.serving.limits import Refusal, ServerLimits
from zorki.engine.serving.served_model import Upload
from zorki.engine.serving.uploads import decode_base64
from zorki.engine.serving.urls import fetch
from zorki.errors import DataError, ZorkiError
from zorki.input_files.xml_files import parse_xml

MAX_CONFIG = 1_000_000  # characters of a labeling configuration


@dataclass(frozen=True)
class LabelStudio:
    """Where images of tasks may come from.

    Attributes:
        url: of Label Studio, such as http://localhost:8080, from which its own uploads are fetched, wherever it is.
        key: its access token.
        allow_urls: other addresses are fetched from, too, of the public web alone.
    """

    url: str | None = None
    key: str | None = None
    allow_urls: bool = False

    async def image(self, task: Any, data_key: str | None, limits: ServerLimits) -> Upload:
        """The image of a task. Raises Refusal where it names none that may be fetched."""
        data = task.get("data") if isinstance(task, Mapping) else None
        if not isinstance(data, Mapping):
            raise Refusal(400, 'a task has no "data"; expected {"data": {"image": ADDRESS}}')
        value = data.get(data_key) if data_key else next((one for one in data.values() if isinstance(one, str)), None)
        if not isinstance(value, str) or not value:
            raise Refusal(400, f'the "data" of a task have no address under {data_key or "any key"!r}')
        if value.startswith("data:"):
            return Upload("image", decode_base64(value))
        own = None if self.url is None else self.url.rstrip("/")
        if value.startswith("/") and not value.startswith("//"):
            if own is None:
                raise Refusal(403, f"{value[:200]} is on Label Studio's own machine; start with --label-studio ADDRESS")
            value = own + value
        if own is not None and _origin(value) == _origin(own):
            headers = {"Authorization": f"Token {self.key}"} if self.key else {}
            return await asyncio.to_thread(fetch, value, limits, headers=headers, public_only=False)
        if not self.allow_urls:
            raise Refusal(403, "this server fetches no addresses of tasks; start it with --allow-urls")
        return await asyncio.to_thread(fetch, value, limits)


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", url
    return parts.scheme, parts.netloc


@dataclass(frozen=True)
class LabelingConfig:
    """The tags of a labeling configuration that predictions go to.

    Attributes:
        controls: the name of the tag of labels by its kind in small letters, such as "rectanglelabels".
        to_name: the tag of the image; `data_key` is its key in the data of tasks.
    """

    controls: Mapping[str, str]
    to_name: str = "image"
    data_key: str | None = None


def read_config(text: Any) -> LabelingConfig:
    """What stands in a labeling configuration; without one, Label Studio's usual names. Raises Refusal."""
    if not text:
        return LabelingConfig({})
    if not isinstance(text, str) or len(text) > MAX_CONFIG:
        raise Refusal(400, "the labeling configuration is no text, or too long")
    try:
        tags: Sequence[Element] = list(parse_xml(text.encode(), "label_config").iter())
    except DataError as error:
        raise Refusal(400, str(error)) from error
    image = next((tag for tag in tags if tag.tag.lower() == "image" and tag.get("name")), None)
    to_name = "image" if image is None else str(image.get("name"))
    data_key = None if image is None else (image.get("value") or "").removeprefix("$") or None
    controls = {
        tag.tag.lower(): str(tag.get("name"))
        for tag in reversed(tags)
        if tag.get("name") and to_name in (tag.get("toName") or "").split(",")
    }
    return LabelingConfig(controls, to_name, data_key)


def draft(result: Result, config: LabelingConfig, address: str, version: str) -> dict[str, Any]:
    """The rows worth showing as one prediction of Label Studio's, for the tags of a configuration. Raises Refusal."""
    shown = result.shown().annotation
    try:
        task = to_label_studio(
            shown, result.info.names, result.height, result.width, address, version=version, to_name=config.to_name
        )
    except ZorkiError as error:
        raise Refusal(422, str(error)) from error
    prediction: dict[str, Any] = task["predictions"][0]
    for region in prediction["result"]:
        region["from_name"] = config.controls.get(region["type"], region["from_name"])
    return prediction


def mark(task: Any, upload: Upload) -> str:
    """What the ids of a task's regions are made of: the same image of the same task gets the same ones again."""
    return f"{task.get('id', '')} {upload.name}" if isinstance(task, Mapping) else upload.name


def no_draft(version: str, error: Refusal) -> dict[str, Any]:
    """In the place of a prediction for a task that has none: others of the request are not lost with it."""
    return {"model_version": version, "score": 0.0, "result": [], "error": str(error)}
