"""Asks an application in this process, without a socket: the protocol of ASGI, spoken by hand."""

import asyncio
import json
from dataclasses import dataclass


@dataclass
class Response:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class AsgiClient:
    """Within `async with` the application has started; at the end it has stopped."""

    def __init__(self, app):
        self.app = app

    async def __aenter__(self):
        self._events, started, self._stopped = asyncio.Queue(), asyncio.Event(), asyncio.Event()

        async def send(message):
            (started if message["type"] == "lifespan.startup.complete" else self._stopped).set()

        await self._events.put({"type": "lifespan.startup"})
        self._life = asyncio.create_task(self.app({"type": "lifespan", "state": {}}, self._events.get, send))
        await asyncio.wait_for(started.wait(), 10)
        return self

    async def __aexit__(self, *_):
        await self._events.put({"type": "lifespan.shutdown"})
        await asyncio.wait_for(self._stopped.wait(), 10)
        await self._life

    async def request(self, method, target, body=b"", kind="", headers=()):
        """`body` is the whole of it, or an async iterator of its pieces."""
        path, _, query = target.partition("?")
        given = [("content-type", kind)] if kind else []
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "scheme": "http",
            "headers": [(name.lower().encode(), value.encode()) for name, value in [*given, *headers]],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        pieces = body if hasattr(body, "__anext__") else _whole(body)
        found = Response(0, {}, b"")

        async def receive():
            piece = await anext(pieces, None)
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        async def send(message):
            if message["type"] == "http.response.start":
                found.status = message["status"]
                found.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                found.body += message.get("body", b"")

        await self.app(scope, receive, send)
        return found

    async def get(self, target, **settings):
        return await self.request("GET", target, **settings)

    async def post(self, target, body=b"", kind="application/json", **settings):
        whole = body if isinstance(body, bytes) or hasattr(body, "__anext__") else json.dumps(body).encode()
        return await self.request("POST", target, whole, kind, **settings)


async def _whole(body):
    yield body


def form(*files):
    """The body of a form with these (name, bytes), and its type."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"
