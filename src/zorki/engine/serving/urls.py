"""Images from addresses that clients name: of the public web alone, within bounds of bytes and time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import PurePosixPath
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from zorki.engine.serving.limits import Refusal, ServerLimits
from zorki.engine.serving.served_model import Upload
from zorki.input_files.addresses import AddressError, open_address, stated_length

SILENCE = 10.0  # seconds that a server may be silent


def fetch(
    url: str, limits: ServerLimits, *, headers: Mapping[str, str] | None = None, public_only: bool = True
) -> Upload:
    """The file at an http or https address.

    Args:
        public_only: an address of this machine or its network is refused, also behind redirects, by what the name
            resolves to as it is connected to.

    Raises:
        Refusal: it cannot be fetched, is too large, or takes too long.
    """
    try:
        silence = min(SILENCE, limits.timeout)
        with open_address(url, headers=headers, silence=silence, public_only=public_only) as response:
            stated = stated_length(response)
            if stated is not None and stated > limits.max_bytes:
                raise _too_large(url, limits)
            return Upload(_name(url), _body(url, response, limits))
    except HTTPError as error:
        raise Refusal(422, f"{_short(url)}: cannot be fetched: its server says {error.code}") from error
    except TimeoutError as error:
        raise Refusal(504, f"{_short(url)}: its server was silent for {silence:g} seconds") from error
    except AddressError as error:
        raise Refusal(400, f"{_short(url)}: {error}") from error
    except (OSError, HTTPException) as error:
        raise Refusal(422, f"{_short(url)}: cannot be fetched: {type(error).__name__}") from error


def _body(url: str, response: object, limits: ServerLimits) -> bytes:
    started, size, pieces = time.monotonic(), 0, []
    while piece := response.read1(1 << 16):  # type: ignore[attr-defined]
        size += len(piece)
        if size > limits.max_bytes:
            raise _too_large(url, limits)
        if time.monotonic() - started > limits.timeout:
            raise Refusal(504, f"{_short(url)}: not here after {limits.timeout:g} seconds")
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(url: str, limits: ServerLimits) -> Refusal:
    return Refusal(413, f"{_short(url)}: more than {limits.max_bytes:,} bytes")


def _name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name[:200] or "image"


def _short(url: str) -> str:
    return url if len(url) <= 200 else f"{url[:200]}..."
