"""Addresses that clients name: the public web alone."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from zorki.engine.serving import urls
from zorki.engine.serving.label_studio_backend import LabelStudio
from zorki.engine.serving.limits import Refusal, ServerLimits


@contextmanager
def server(data):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{one.server_port}"
        one.shutdown()
        thread.join()


def test_an_address_of_this_machine_is_fetched_only_where_the_operator_named_it(white):
    with server(white) as address:
        with pytest.raises(Refusal, match="this machine or its network") as refused:
            urls.fetch(f"{address}/1.png", ServerLimits())
        assert refused.value.status == 400
        found = urls.fetch(f"{address}/a%20b.png", ServerLimits(), public_only=False)
        assert (found.name, found.data) == ("a b.png", white)
        with pytest.raises(Refusal, match="more than 10 bytes") as large:
            urls.fetch(f"{address}/1.png", ServerLimits(max_bytes=10), public_only=False)
        assert large.value.status == 413


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://example.org/a", "http://", "gopher://x", "http://[::1"])
def test_other_schemes_and_words_are_refused(url):
    with pytest.raises(Refusal) as refused:
        urls.fetch(url, ServerLimits())
    assert refused.value.status == 400


def test_label_studios_uploads_come_from_its_address_alone(ask, white):
    with server(white) as address, server(white) as other:
        tasks = [{"data": {"image": value}} for value in ("/data/1.png", f"{address}/2.png", f"{other}/3.png")]

        async def talk(client, _):
            return (await client.post("/predict", {"tasks": tasks})).json()["results"]

        found = ask(talk, label_studio=LabelStudio(address, "key", allow_urls=True))
    assert [len(one["result"]) for one in found] == [1, 1, 0]
    assert "this machine or its network" in found[2]["error"]
