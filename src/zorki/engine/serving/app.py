"""The application: paths, who may ask, and what every request ends with."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zorki.engine.serving.batching import Batcher
from zorki.engine.serving.label_studio_backend import LabelingConfig, LabelStudio, draft, mark, no_draft, read_config
from zorki.engine.serving.limits import HeldBytes, Refusal, ServerLimits
from zorki.engine.serving.page_files import PAGES, page_file
from zorki.engine.serving.served_model import Predicted, ServedModel, Upload, drawing, record_of
from zorki.engine.serving.server_metrics import ServerMetrics
from zorki.engine.serving.uploads import json_of, media_type, read_body, uploads_of

OPEN = frozenset({"/health", "/docs", *PAGES})  # paths without a secret, which need no token
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
}


@dataclass
class Service:
    """What the paths share."""

    model: ServedModel
    limits: ServerLimits
    token: str | None = None
    allow_urls: bool = False
    label_studio: LabelStudio = field(default_factory=LabelStudio)
    max_batch: int = 16
    max_wait: float = 0.005
    metrics: ServerMetrics = field(default_factory=ServerMetrics)

    def __post_init__(self) -> None:
        self.held = HeldBytes(self.limits)
        self.batcher = Batcher(
            self.model,
            self.metrics,
            max_batch=self.max_batch,
            max_wait=self.max_wait,
            max_queue=self.limits.max_queue,
        )
        self.metrics.queue_length = lambda: self.batcher.length

    # -- paths --

    async def health(self, request: Request) -> Response:
        """That the server is there; in Label Studio's words, too."""
        return _json({"status": "UP", "model_class": self.model.name})

    async def info(self, request: Request) -> Response:
        """What predicts, and how much is taken."""
        limits = {
            "max_bytes": self.limits.max_bytes, "max_pixels": self.model.max_pixels,
            "max_images": self.limits.max_images, "timeout": self.limits.timeout,
        }  # fmt: skip
        return _json({**self.model.about(), "limits": limits, "urls": self.allow_urls})

    async def numbers(self, request: Request) -> Response:
        """Prometheus' page."""
        return PlainTextResponse(self.metrics.to_text(), media_type="text/plain; version=0.0.4")

    async def page(self, request: Request) -> Response:
        """A static file."""
        data, kind = page_file(request.url.path)
        return Response(data, media_type=kind)

    async def setup(self, request: Request) -> Response:
        """Label Studio asks whether a project's labeling configuration can be read."""
        values = await self._values(request)
        read_config(values.get("schema"))
        return _json({"model_version": self._version})

    async def webhook(self, request: Request) -> Response:
        """Label Studio tells of events; nothing is learned from them here."""
        return _json({}, 201)

    async def predict(self, request: Request) -> Response:
        """Predictions for the images of a request, or drafts for Label Studio's tasks."""
        size = 0
        try:
            body = await read_body(request, self.limits, self.held)
            size = len(body)
            async with asyncio.timeout(self.limits.timeout):
                if media_type(request) == "application/json" and b'"tasks"' in body:
                    values = json_of(body)
                    if "tasks" in values:
                        return await self._drafts(values)
                return await self._predictions(request, body)
        except TimeoutError as error:
            raise Refusal(504, f"no prediction after {self.limits.timeout:g} seconds") from error
        finally:
            self.held.remove(size)

    # -- predictions --

    async def _predictions(self, request: Request, body: bytes) -> Response:
        wanted = _query(request)
        uploads = await uploads_of(request, body, self.limits, allow_urls=self.allow_urls)
        with self._fetched(sum(len(one.data) for one in uploads) - len(body)):
            found = await self._ask(uploads)
        entries = await asyncio.gather(
            *(asyncio.to_thread(self._entry, *pair, wanted) for pair in zip(uploads, found, strict=True))
        )
        failures = [one for one in found if isinstance(one, Refusal)]
        if len(failures) == len(found):
            raise failures[0]
        return _json({"model": self.model.name, "task": self.model.task.name, "predictions": entries})

    @contextmanager
    def _fetched(self, count: int) -> Iterator[None]:
        """Counts bytes that came from elsewhere than the body."""
        count = max(0, count)
        self.held.add(count)
        try:
            yield
        finally:
            self.held.remove(count)

    def _entry(self, upload: Upload, found: Predicted | Refusal, wanted: _Query) -> dict[str, Any]:
        if isinstance(found, Refusal):
            return {"source": upload.name, "status": found.status, "error": str(found)}
        result = self.model.result(upload, found)
        result, record = record_of(result, conf=wanted.conf, classes=wanted.classes, files=wanted.files)
        if wanted.drawn:
            record["drawn"] = drawing(result, upload, self.model.max_pixels)
        return record

    async def _ask(self, uploads: Sequence[Upload]) -> list[Predicted | Refusal]:
        """What is predicted of each image, or why nothing is; all wait for room in the queue, or none."""
        checked = await asyncio.gather(
            *(asyncio.to_thread(self.model.check, one) for one in uploads), return_exceptions=True
        )
        good = [(one, size) for one, size in zip(uploads, checked, strict=True) if isinstance(size, tuple)]
        waiting = iter(self.batcher.put([one for one, _ in good], [size for _, size in good]))
        futures = [next(waiting) if isinstance(size, tuple) else None for size in checked]
        found: list[Predicted | Refusal] = []
        try:
            for future, reason in zip(futures, checked, strict=True):
                found.append(await _outcome(future, reason))
        finally:
            for future in futures:
                if future is not None and not future.done():
                    future.cancel()
        self.metrics.images.update("refused" if isinstance(one, Refusal) else "predicted" for one in found)
        return found

    async def _drafts(self, values: dict[str, Any]) -> Response:
        tasks = values["tasks"]
        if not isinstance(tasks, list):
            raise Refusal(400, '"tasks" is no list')
        if len(tasks) > self.limits.max_images:
            raise Refusal(413, f"{len(tasks)} tasks in a request, of {self.limits.max_images} at most")
        config = read_config(values.get("label_config"))
        images = await asyncio.gather(*(self._task_image(task, config) for task in tasks))
        uploads = [one for one in images if isinstance(one, Upload)]
        with self._fetched(sum(len(one.data) for one in uploads)):
            found = iter(zip(uploads, await self._ask(uploads), strict=True))
        results = [
            no_draft(self._version, image) if isinstance(image, Refusal) else self._draft(task, *next(found), config)
            for task, image in zip(tasks, images, strict=True)
        ]
        return _json({"results": results, "model_version": self._version})

    async def _task_image(self, task: Any, config: LabelingConfig) -> Upload | Refusal:
        try:
            return await self.label_studio.image(task, config.data_key, self.limits)
        except Refusal as error:
            return error

    def _draft(self, task: Any, upload: Upload, found: Predicted | Refusal, config: LabelingConfig) -> dict[str, Any]:
        try:
            if isinstance(found, Refusal):
                raise found
            return draft(self.model.result(upload, found), config, mark(task, upload), self._version)
        except Refusal as error:
            return no_draft(self._version, error)

    @property
    def _version(self) -> str:
        return f"{self.model.name} {self.model.run.folder.name}"

    async def _values(self, request: Request) -> dict[str, Any]:
        body = await read_body(request, self.limits, self.held)
        self.held.remove(len(body))
        return json_of(body) if body else {}


@dataclass(frozen=True)
class _Query:
    """What a request asks for beside its images."""

    conf: float | None
    classes: list[str] | None
    drawn: bool
    files: bool


def _query(request: Request) -> _Query:
    """Raises Refusal where a value is out of its range, or the name unknown."""
    given = request.query_params
    unknown = set(given) - {"conf", "classes", "drawn", "files"}
    if unknown:
        raise Refusal(400, f"the query has no {min(unknown)!r:.100}; expected conf, classes, drawn, files")
    conf = None
    if given.get("conf"):
        try:
            conf = float(given["conf"])
        except ValueError:
            conf = -1.0
        if not 0 <= conf <= 1:
            raise Refusal(400, f"conf is {given['conf']!r:.100}; expected a number from 0 to 1")
    classes = [name for name in given.getlist("classes") if name]
    yes = ("1", "true", "yes")
    return _Query(conf, classes or None, given.get("drawn") in yes, given.get("files") in yes)


async def _outcome(future: asyncio.Future[Predicted] | None, reason: object) -> Predicted | Refusal:
    try:
        if future is not None:
            return await future
    except Refusal as error:
        return error
    if isinstance(reason, Refusal):
        return reason
    assert isinstance(reason, BaseException)
    raise reason


# -- what every request ends with --


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(value), status, headers, "application/json")


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _json({"error": str(error)}, error.status, error.headers)


def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: f"there is no {request.url.path[:100]!r}; /docs lists what there is",
             405: f"{request.url.path[:100]!r} takes no {request.method}"}  # fmt: skip
    return _json({"error": words.get(error.status_code, error.detail)}, error.status_code, dict(error.headers or {}))


def _failed(request: Request, error: Exception) -> Response:
    return _json({"error": f"the server failed: {type(error).__name__}"}, 500)


class _Guard:
    """Asks for the token before anything is read, counts, and adds headers."""

    def __init__(self, app: ASGIApp, service: Service, paths: frozenset[str]) -> None:
        self.app, self.service, self.paths = app, service, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, path = time.monotonic(), scope["path"] if scope["path"] in self.paths else "other"

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.service.metrics.requests[path, message["status"]] += 1
                extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        token = self.service.token
        if token is not None and path not in OPEN and not has_token(Request(scope), token):
            headers = {"WWW-Authenticate": 'Bearer realm="zorki"'}
            refused = _json({"error": "a token is needed, as in Authorization: Bearer TOKEN"}, 401, headers)
            await refused(scope, receive, counted)
            return
        await self.app(scope, receive, counted)
        if path == "/predict":
            self.service.metrics.seconds.add(time.monotonic() - started)


def has_token(request: Request, token: str) -> bool:
    """Whether a request has the token, as Bearer, or as the password of Basic, which is what Label Studio sends."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    given = value.strip().encode()
    if kind.lower() == "basic":
        try:
            given = b64decode(given, validate=True).partition(b":")[2]
        except ValueError:
            return False
    elif kind.lower() != "bearer":
        return False
    return hmac.compare_digest(given, token.encode())


def build_app(service: Service) -> ASGIApp:
    """The application of a service."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with service.batcher:
            yield

    posts = {"/predict": service.predict, "/setup": service.setup, "/webhook": service.webhook}
    gets = {"/health": service.health, "/info": service.info, "/metrics": service.numbers}
    gets |= dict.fromkeys(PAGES, service.page)
    routes = [Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()]
    routes += [Route(path, endpoint, methods=["GET"]) for path, endpoint in gets.items()]
    handlers: Any = {Refusal: _refused, HTTPException: _not_found, 500: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False
    return _Guard(app, service, frozenset(posts) | frozenset(gets))
