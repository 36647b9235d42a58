"""A run or an exported file behind HTTP, until it is asked to stop."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from zorki.engine.prediction.predict import FAULTS
from zorki.engine.serving.limits import ServerLimits
from zorki.engine.serving.served_model import ServedModel
from zorki.errors import RecipeError, ZorkiError
from zorki.output import say

BACKLOG = 1024  # connections that wait to be accepted


def serve(
    run: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    limits: ServerLimits | None = None,
    batch_size: int = 16,
    max_wait: float = 0.005,
    allow_urls: bool = False,
    label_studio: str | None = None,
    label_studio_key: str | None = None,
    **settings: Any,
) -> None:
    """Predicts what comes over HTTP; returns when SIGTERM or Ctrl-C asked it to, and requests at hand are done.

    Args:
        run: as `predict` takes it; `settings` are those of `ServedModel`.
        host: the address to listen at; any but this machine's own opens it to the network.
        token: what requests need to bring; None: nothing.
        batch_size: images that are predicted at once, at most; `max_wait` the seconds that the first waits for others.
        allow_urls: images are fetched from addresses that clients name, of the public web alone.
        label_studio: the address of a Label Studio, whose uploads are fetched with `label_studio_key`.

    Raises:
        ZorkiError: a package is missing, the port is taken, or as `ServedModel`.
    """
    if token is not None and not token.strip():
        raise RecipeError("token is empty; name one, or leave it out")
    try:
        import python_multipart  # noqa: F401  # which starlette asks for late
        import uvicorn

        from zorki.engine.serving.app import Service, build_app
        from zorki.engine.serving.label_studio_backend import LabelStudio
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in (
            "starlette",
            "uvicorn",
            "python_multipart",
            "anyio",
            "click",
            "h11",
        ):
            raise
        raise ZorkiError(
            "serving needs starlette, uvicorn and python-multipart: install them with pip install 'zorki[serve]'"
        ) from error
    limits = limits or ServerLimits()
    model = ServedModel(run, max_pixels=limits.max_pixels, **settings)
    backend = LabelStudio(label_studio, label_studio_key, allow_urls)
    service = Service(model, limits, token, allow_urls, backend, batch_size, max_wait)
    with listen(host, port) as connection:
        _warm_up(model)
        _tell(model, host, connection.getsockname()[1], token)
        config = uvicorn.Config(
            build_app(service), log_level="warning", access_log=False, server_header=False, lifespan="on",
            timeout_graceful_shutdown=int(limits.timeout) + 1, limit_concurrency=BACKLOG,
        )  # fmt: skip
        with suppress(KeyboardInterrupt):  # which uvicorn passes on when all is done
            uvicorn.Server(config).run(sockets=[connection])
    predicted = service.metrics.images["predicted"]
    say(f"stopped; {predicted:,} {'image was' if predicted == 1 else 'images were'} predicted")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ZorkiError where it cannot."""
    if not 0 <= port < 1 << 16:
        raise RecipeError(f"port is {port}; expected 0 to 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ZorkiError(f"cannot listen at {host}:{port}: {reason}; choose another --host or --port") from error


def is_own(host: str) -> bool:
    """Whether a host is this machine for itself alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tell(model: ServedModel, host: str, port: int, token: str | None) -> None:
    shown = f"[{host}]" if ":" in host else host
    say(f"{model.name} ({model.task.name}) at http://{shown}:{port}, until Ctrl-C; paths at /docs", flush=True)
    if not is_own(host):
        guard = "with the token" if token is not None else "WITHOUT a token: pass --token"
        say(f"open to the network at {host}: whoever reaches this machine can ask it, {guard}", flush=True)


def _warm_up(model: ServedModel) -> None:
    """The first prediction takes longer than others; what a gray image cannot pass says nothing about real ones."""
    with suppress(ZorkiError, *FAULTS):
        model.predict([np.full((3, 64, 64), 127, np.uint8)])
