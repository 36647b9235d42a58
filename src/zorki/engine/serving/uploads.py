"""The images of a request: files of a form, base64 or addresses in JSON, or the body itself."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from zorki.engine.serving.limits import HeldBytes, Refusal, ServerLimits
from zorki.engine.serving.served_model import Upload
from zorki.engine.serving.urls import fetch
from zorki.errors import DataError
from zorki.input_files.json_files import parse_json

EXPECTED = "expected multipart/form-data with files, application/json, or one image as image/jpeg, image/png, ..."
JSON_EXPECTED = 'expected {"image": BASE64}, {"images": [BASE64, ...]}, {"url": ADDRESS} or {"urls": [ADDRESS, ...]}'
MAX_FIELDS = 32  # of a form, beside its files


async def read_body(request: Request, limits: ServerLimits, held: HeldBytes) -> bytes:
    """All of the body; whoever asks lets go of it by `held.remove`.

    Raises:
        Refusal: it is too large, takes too long, or was not sent to its end.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:20]) > limits.max_bytes:
        raise _too_large(limits)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.timeout):
            async for piece in request.stream():
                if size + len(piece) > limits.max_bytes:
                    raise _too_large(limits)
                held.add(len(piece))
                size += len(piece)
                pieces.append(piece)
    except TimeoutError as error:
        held.remove(size)
        raise Refusal(408, f"the body was not here after {limits.timeout:g} seconds") from error
    except ClientDisconnect as error:
        held.remove(size)
        raise Refusal(400, "the body was not sent to its end") from error
    except Refusal:
        held.remove(size)
        raise
    return b"".join(pieces)


def _too_large(limits: ServerLimits) -> Refusal:
    return Refusal(413, f"the body has more than {limits.max_bytes:,} bytes, the most that is taken")


def media_type(request: Request) -> str:
    """Of the body, in small letters and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def uploads_of(request: Request, body: bytes, limits: ServerLimits, *, allow_urls: bool) -> list[Upload]:
    """The images of a request, in its order, at least one.

    Raises:
        Refusal: the body is of another kind, broken, or holds no image, or too many.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        found = await _of_form(request, body, limits)
    elif kind == "application/json":
        found = await _of_json(json_of(body), limits, allow_urls)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        found = [Upload("image", body)]
    else:
        raise Refusal(415, f"the body is {kind or 'of no stated type'}; {EXPECTED}")
    if not found:
        raise Refusal(400, f"the request holds no image; {EXPECTED}")
    return found


def json_of(body: bytes) -> dict[str, Any]:
    """The object in the body. Raises Refusal where there is none."""
    try:
        values = parse_json(body, "body")
    except DataError as error:
        raise Refusal(400, str(error)) from error
    if not isinstance(values, dict):
        raise Refusal(400, f"the body is JSON, but no object; {JSON_EXPECTED}")
    return values


async def _of_form(request: Request, body: bytes, limits: ServerLimits) -> list[Upload]:
    parser = MultiPartParser(
        request.headers, _whole(body), max_files=limits.max_images, max_fields=MAX_FIELDS, max_part_size=1 << 16
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        reason = str(error.message).rstrip(".")
        raise Refusal(413 if reason.startswith("Too many files") else 400, f"the form is broken: {reason}") from error
    found = []
    for name, value in form.multi_items():
        if isinstance(value, str):
            await form.close()
            raise Refusal(400, f"the field {name[:100]!r} of the form is text; expected files alone")
        found.append(Upload((value.filename or name)[:200] or "image", await value.read()))
    await form.close()
    return found


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _of_json(values: dict[str, Any], limits: ServerLimits, allow_urls: bool) -> list[Upload]:
    texts = _texts(values, "image", "images")
    urls = _texts(values, "url", "urls")
    if len(texts) + len(urls) > limits.max_images:
        raise Refusal(413, f"{len(texts) + len(urls)} images in a request, of {limits.max_images} at most")
    if urls and not allow_urls:
        raise Refusal(403, "this server fetches no addresses; send the image itself, or start it with --allow-urls")
    if not texts and not urls:
        raise Refusal(400, f"the JSON names no image; {JSON_EXPECTED}")
    found = [Upload(f"image-{number}", decode_base64(text)) for number, text in enumerate(texts, 1)]
    left = limits.max_bytes
    for url in urls:  # one after the other: together they hold no more than a body may
        found.append(await asyncio.to_thread(fetch, url, replace(limits, max_bytes=max(1, left))))
        left -= len(found[-1].data)
    return found


def _texts(values: dict[str, Any], one: str, several: str) -> list[str]:
    found = [values[one]] if one in values else []
    listed = values.get(several, [])
    found += listed if isinstance(listed, list) else [listed]
    if not all(isinstance(text, str) for text in found):
        raise Refusal(400, f"{one!r} and {several!r} hold something that is no text; {JSON_EXPECTED}")
    return found


def decode_base64(text: str) -> bytes:
    """The bytes, also of a data: address. Raises Refusal."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, f"the image is no base64: {error}") from error
