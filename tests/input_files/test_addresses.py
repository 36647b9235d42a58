import http.server
import threading
import time
from urllib.error import HTTPError

import pytest

from zorki.input_files import addresses
from zorki.input_files.addresses import AddressError, check_address, open_address, stated_length

BODY = b"0123456789"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/drip":
            self._drip()
        elif self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/lost":
            self.send_error(404, "Not here")
        else:
            self.send_response(200)
            self.send_header("Content-Length", "10" if self.path == "/good" else "ten")
            self.end_headers()
            self.wfile.write(BODY)

    def _drip(self):
        """Headers without an end, as far as the client listens."""
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        for number in range(100):
            try:
                self.wfile.write(f"X-{number}: a\r\n".encode())
                self.wfile.flush()
            except OSError:
                return
            time.sleep(0.02)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def port():
    """Of a server at every address of this machine."""
    with http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_file_is_read(port):
    with open_address(f"http://127.0.0.1:{port}/good") as answer:
        assert stated_length(answer) == 10
        assert answer.read() == BODY
    with open_address(f"http://127.0.0.1:{port}/to//good") as answer:
        assert answer.read() == BODY
    with open_address(f"http://127.0.0.1:{port}/other") as answer:
        assert stated_length(answer) is None
    with pytest.raises(HTTPError, match="404"), open_address(f"http://127.0.0.1:{port}/lost"):
        pass


def test_headers_that_drip_are_timed(port):
    """Each byte comes in time, and all of them would take two seconds."""
    started = time.monotonic()
    with (
        pytest.raises(TimeoutError, match=r"silent for 0\.2 seconds, or took longer for its headers"),
        open_address(f"http://127.0.0.1:{port}/drip", silence=0.2),
    ):
        pass
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("scheme", ["file:///etc/hostname", "ftp://127.0.0.1/a", "data:,a"])
def test_redirects_to_other_schemes_are_refused(port, scheme):
    with (
        pytest.raises((AddressError, HTTPError), match=r"expected an http or https address|not allowed"),
        open_address(f"http://127.0.0.1:{port}/to/{scheme}"),
    ):
        pass


def test_redirects_from_https_to_http_are_refused():
    request = addresses.urllib.request.Request("https://example.org/a")
    with pytest.raises(AddressError, match="it led from https to http"):
        addresses._Redirects().redirect_request(request, None, 302, "Found", {}, "http://example.org/a")


@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/good", "http://localhost:{port}/good"])
def test_redirects_from_public_addresses_to_this_machine_are_refused(port, monkeypatch, target):
    """127.0.0.2 plays the public server."""
    monkeypatch.setattr(addresses, "_is_public", lambda address: address == "127.0.0.2")
    with (
        pytest.raises(AddressError, match=r"it led to 127\.0\.0\.1, an address of this machine or its network"),
        open_address(f"http://127.0.0.2:{port}/to/{target.format(port=port)}"),
    ):
        pass
    with open_address(f"http://127.0.0.2:{port}/to/http://127.0.0.2:{port}/good") as answer:
        assert answer.read() == BODY
    with open_address(f"http://127.0.0.1:{port}/to/http://127.0.0.2:{port}/good") as answer:
        assert answer.read() == BODY


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("127.0.0.1", False), ("10.1.2.3", False), ("192.168.0.1", False), ("169.254.169.254", False), ("::1", False),
        ("fe80::1%eth0", False), ("0.0.0.0", False), ("8.8.8.8", True), ("2606:4700::1111", True), ("x", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address, public):
    assert addresses._is_public(address) == public


@pytest.mark.parametrize(
    "url",
    ["http://", "http://[::1", "http://a:b/", "http://a:99999/", "https:///a", "file:///a", "a", "http://.a/", ""],
)
def test_malformed_addresses_are_told(url):
    with pytest.raises(AddressError, match=r"it is no address|names no host|expected an http or https address"):
        check_address(url)


def test_an_address_with_a_blank_is_told(port):
    with pytest.raises(AddressError, match="it is no address"), open_address(f"http://127.0.0.1:{port}/a b"):
        pass


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
     "64:ff9b::7f00:1", "2002:7f00:1::", "no address"],
)  # fmt: skip
def test_addresses_of_this_machine_and_its_network_are_not_public(address, monkeypatch):
    assert not addresses._is_public(address)
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 80))])
    with pytest.raises(AddressError, match="this machine or its network"):
        addresses._public_address("example.org", 80)


def test_a_name_of_which_one_address_is_public_and_one_is_not_is_refused(monkeypatch):
    found = [(0, 0, 0, "", (address, 80)) for address in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: found[:1])
    assert addresses._public_address("example.org", 80) == ("8.8.8.8", 80)
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(AddressError):
        addresses._public_address("example.org", 80)


def test_with_public_only_nothing_of_this_machine_is_connected_to(port, monkeypatch):
    monkeypatch.setattr(addresses.socket, "create_connection", lambda *_, **__: pytest.fail("it was connected to"))
    for url in (f"http://127.0.0.1:{port}/good", f"http://localhost:{port}/good", f"http://[::ffff:7f00:1]:{port}/"):
        with pytest.raises(AddressError, match="this machine or its network"), open_address(url, public_only=True):
            pass


def test_with_public_only_what_was_resolved_is_what_is_connected_to(port, monkeypatch):
    """A name that resolves to something else the second time leads nowhere else."""
    asked, resolved = [], iter([("8.8.8.8", 80), ("10.0.0.1", 80)])
    monkeypatch.setattr(
        addresses.socket, "getaddrinfo",
        lambda *_, **__: [(addresses.socket.AF_INET, 1, 6, "", next(resolved))],
    )  # fmt: skip

    def connect(place, *_, **__):
        asked.append(place)
        raise OSError("no network here")

    monkeypatch.setattr(addresses.socket, "create_connection", connect)
    with pytest.raises(OSError, match="no network"), open_address("http://example.org/1.png", public_only=True):
        pass
    assert asked == [("8.8.8.8", 80)]
