"""Files at addresses of the web: opened within bounds of time, and led nowhere that the user did not name.

A server may send a byte of its headers now and then for ever, or lead from the address that was typed to one of this
machine or of the network behind it. Both are checked by the connection itself, not by what a name resolved to before.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

SILENCE = 20.0
"""Seconds that a server may be silent, and that it may take for its headers."""

NOT_PUBLIC = "it is, or leads to, an address of this machine or its network, which are not fetched from"

_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "2002::/16", "2001::/32", "::/96")))
_HEADERS = {"User-Agent": "zorki"}  # some servers refuse Python's own


class AddressError(Exception):
    """Why an address cannot be read, in words for a person."""


@contextmanager
def open_address(
    url: str, *, headers: Mapping[str, str] | None = None, silence: float = SILENCE, public_only: bool = False
) -> Iterator[Any]:
    """The response of the server at an http or https address, as `urllib` gives it: with its headers, its body unread.

    Redirects are followed from http to https, within one of them, and not from a public address to one that is none.

    Args:
        silence: seconds that the server may be silent, and that it may take until its headers are there.
        public_only: where somebody else named the address: nothing is connected to that is of this machine or its
            network, the first address no more than those it leads to. What a name resolves to is checked and then
            connected to, so that it cannot resolve to something else in between. Proxies are not used: they resolve.

    Raises:
        AddressError: the address is none, of another scheme, led where none may lead, or its headers did not come.
        urllib.error.HTTPError: the server refused, with its code.
        OSError, http.client.HTTPException: the connection broke.
    """
    check_address(url)
    watch = _Watch(silence, public_only)
    try:
        direct = [urllib.request.ProxyHandler({})] if public_only else []
        opener = urllib.request.build_opener(_Redirects, _Http(watch), _Https(watch), *direct)
        answer = opener.open(urllib.request.Request(url, headers={**_HEADERS, **(headers or {})}), timeout=silence)
        if watch.expired:  # headers that were ended so look complete
            answer.close()
            raise TimeoutError
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _translated(error, watch, silence) from error
    finally:
        watch.stop()
    with answer:
        yield answer


def check_address(url: str) -> None:
    """Raises AddressError where words are no http or https address with a host."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # the port is checked when it is asked for
        if host:
            host.encode("idna")
    except ValueError as error:
        raise AddressError(f"it is no address: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise AddressError(f"expected an http or https address, and its scheme is {parts.scheme!r}")
    if not host:
        raise AddressError("it names no host, as https://HOST/1.jpg does")


def stated_length(answer: Any) -> int | None:
    """The bytes that a server says it sends; None where it says none, or no number."""
    text = answer.headers.get("Content-Length") or ""
    return int(text) if text.isdecimal() and len(text) < 20 else None


def _translated(error: Exception, watch: _Watch, silence: float) -> Exception:
    """The error in words, where it is not one of the connection."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, AddressError):
        return reason
    if watch.expired or isinstance(reason, TimeoutError):
        return TimeoutError(f"the server was silent for {silence:g} seconds, or took longer for its headers")
    if isinstance(error, ValueError | http.client.InvalidURL):
        return AddressError(f"it is no address: {error}")
    return error


class _Watch:
    """Ends connections whose headers take too long, and knows whether the first led to a public address."""

    def __init__(self, seconds: float, public_only: bool = False) -> None:
        self.expired, self.public_only = False, public_only
        self.public: bool | None = None
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """Lets connections go on: their headers are there."""
        self._timer.cancel()
        for handle in self._sockets:
            handle.close()

    def connected(self, connection: socket.socket) -> None:
        """Takes in a connection. Raises AddressError where it may not be."""
        self._sockets.append(connection)
        address = str(connection.getpeername()[0])
        public = _is_public(address)
        if self.public_only and not public:  # known before it was connected to, and still no address that may be used
            raise AddressError(NOT_PUBLIC)
        if self.public is None:
            self.public = public
        elif self.public and not public:
            raise AddressError(f"it led to {address}, an address of this machine or its network; name that yourself")

    def _expire(self) -> None:
        self.expired = True
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _is_public(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        # Addresses of IPv4 in the clothes of IPv6, which gateways and systems take off again.
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif any(found in network for network in _TRANSLATED):
            return False
    return found.is_global and not found.is_multicast


def _public_address(host: str, port: int) -> tuple[str, int]:
    """The first address of a name. Raises AddressError where any of them is not public."""
    addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not addresses or not all(map(_is_public, addresses)):
        raise AddressError(NOT_PUBLIC)
    return addresses[0], port


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_address(newurl)
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if before == "https" and after != "https":
            raise AddressError(f"it led from {before} to {after}: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self.watch = watch

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_watched(http.client.HTTPConnection, self.watch), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self.watch = watch

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_watched(http.client.HTTPSConnection, self.watch), req)


def _watched(kind: Any, watch: _Watch) -> Any:
    """A kind of connection that tells the watch of its sockets, before anything is sent over them."""

    class Watched(kind):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._create_connection = self._connected

        def _connected(self, *args: Any, **options: Any) -> socket.socket:
            place, *rest = args
            if watch.public_only:
                place = _public_address(*place)
            connection = socket.create_connection(place, *rest, **options)
            # Encryption takes the socket over, and leaves an empty one behind: the watch has its own handle.
            try:
                watch.connected(connection.dup())
            except AddressError:
                connection.close()
                raise
            return connection

    return Watched
