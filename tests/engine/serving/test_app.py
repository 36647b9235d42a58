"""What the server says: predictions as those of `zorki predict`, and a status and a sentence for all else."""

import asyncio
import base64
import re
from pathlib import Path

import pytest
from asgi_client import form

import zorki
from zorki.engine.serving.limits import ServerLimits
from zorki.engine.serving.page_files import PAGES

PAGE = Path(zorki.__file__).parent / "engine" / "serving" / "page"


def encoded(data):
    return base64.b64encode(data).decode()


def without_name(record):
    return {name: value for name, value in record.items() if name not in ("source", "caption", "drawn")}


def test_predictions_are_those_of_predict_whatever_way_the_images_come(ask, detector, white, gray, tmp_path):
    for name, data in (("white.png", white), ("gray.png", gray)):
        (tmp_path / name).write_bytes(data)
    results = zorki.predict(detector, [tmp_path / "white.png", tmp_path / "gray.png"], quiet=True)
    expected = [without_name(result.to_json()) for result in results]

    async def talk(client, _):
        body, kind = form(("white.png", white), ("gray.png", gray))
        ways = [
            await client.post("/predict", body, kind),
            await client.post("/predict", {"images": [encoded(white), "data:image/png;base64," + encoded(gray)]}),
        ]
        for way in ways:
            assert way.status == 200
            assert [without_name(one) for one in way.json()["predictions"]] == expected
        assert [one["source"] for one in ways[0].json()["predictions"]] == ["white.png", "gray.png"]
        alone = await client.post("/predict", gray, "image/png")
        assert [without_name(one) for one in alone.json()["predictions"]] == expected[1:]

    ask(talk)


def test_a_query_chooses_by_score_and_class_and_draws(ask, white, gray):
    async def talk(client, _):
        body, kind = form(("white.png", white), ("gray.png", gray))
        counts = {}
        for query in ("conf=0.7", "conf=0.2", "classes=red,2", "classes=green", "drawn=1"):
            found = (await client.post(f"/predict?{query}", body, kind)).json()["predictions"]
            counts[query] = [len(one["boxes"]) for one in found]
        assert counts == {
            "conf=0.7": [1, 0], "conf=0.2": [1, 1], "classes=red,2": [1, 1], "classes=green": [0, 0], "drawn=1": [1, 1],
        }  # fmt: skip
        assert all(one["drawn"].startswith("data:image/jpeg;base64,") for one in found)

    ask(talk)


# method, path, body, kind, status, a word of the sentence
REFUSED = [
    ("POST", "/predict", b"{", "application/json", 400, "JSON is broken"),
    ("POST", "/predict", b"[]", "application/json", 400, "no object"),
    ("POST", "/predict", b"{}", "application/json", 400, "names no image"),
    ("POST", "/predict", b'{"image": 3}', "application/json", 400, "no text"),
    ("POST", "/predict", b'{"image": "!"}', "application/json", 400, "no base64"),
    ("POST", "/predict", b'{"image": ""}', "application/json", 422, "empty"),
    ("POST", "/predict", b'{"url": "http://example.org/1.png"}', "application/json", 403, "--allow-urls"),
    ("POST", "/predict", b'{"images": ["", "", "", ""]}', "application/json", 413, "of 3 at most"),
    ("POST", "/predict", b'{"tasks": 3}', "application/json", 400, "no list"),
    ("POST", "/predict", b"a", "text/plain", 415, "text/plain"),
    ("POST", "/predict", b"a", "", 415, "of no stated type"),
    ("POST", "/predict", b"no image", "image/jpeg", 422, "no image of a known kind"),
    ("POST", "/predict", b"", "image/jpeg", 422, "empty"),
    ("POST", "/predict", b"x" * 2000, "image/jpeg", 413, "more than 1,500 bytes"),
    ("POST", "/predict", b"--edge", "multipart/form-data", 400, "form"),
    ("POST", "/predict", b"--edge--\r\n", "multipart/form-data; boundary=edge", 400, "no image"),
    ("POST", "/predict?conf=2", b"", "image/png", 400, "0 to 1"),
    ("POST", "/predict?conf=nan", b"", "image/png", 400, "0 to 1"),
    ("POST", "/predict?size=2", b"", "image/png", 400, "'size'"),
    ("GET", "/predict", b"", "", 405, "takes no GET"),
    ("GET", "/nothing", b"", "", 404, "/docs"),
    ("GET", "/page/../../app.py", b"", "", 404, "/docs"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "kind", "status", "word"), REFUSED)
def test_what_is_refused_is_one_sentence_with_its_status(ask, method, path, body, kind, status, word):
    async def talk(client, _):
        return await client.request(method, path, body, kind)

    found = ask(talk, limits=ServerLimits(max_bytes=1500, max_images=3))
    assert found.status == status
    assert list(found.json()) == ["error"]
    assert word in found.json()["error"]


def test_a_class_that_there_is_not_and_a_field_of_text(ask, white):
    async def talk(client, _):
        unknown = await client.post("/predict?classes=rde", white, "image/png")
        assert (unknown.status, "Did you mean red" in unknown.json()["error"]) == (400, True)
        text = b'--e\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--e--\r\n'
        field = await client.post("/predict", text, "multipart/form-data; boundary=e")
        assert (field.status, "is text" in field.json()["error"]) == (400, True)

    ask(talk)


def test_too_many_pixels_are_seen_in_the_header(ask, model, detector, white, monkeypatch):
    from zorki.engine.serving.served_model import ServedModel

    small = ServedModel(detector, max_pixels=100)
    monkeypatch.setattr(ServedModel, "decode", lambda *_: pytest.fail("it was decoded"))

    async def talk(client, _):
        return await client.post("/predict", white, "image/png")

    found = ask(talk, served=small)
    assert found.status == 413
    assert "24 x 16, 384 pixels, and at most 100 are allowed" in found.json()["error"]


def test_a_body_of_unknown_length_ends_where_it_is_too_long(ask):
    sent = []

    async def endless():
        while True:
            sent.append(1)
            yield b"x" * 1000

    async def talk(client, service):
        found = await client.post("/predict", endless(), "image/png")
        return found, service.held.count

    found, held = ask(talk, limits=ServerLimits(max_bytes=5000))
    assert (found.status, len(sent), held) == (413, 6, 0)


def test_all_bodies_together_have_a_bound(ask):
    limits = ServerLimits(max_bytes=100)

    async def talk(client, service):
        service.held.count = limits.max_held_bytes - 10
        full = await client.post("/predict", b"x" * 11, "image/png")
        return full, service.held.count

    full, held = ask(talk, limits=limits)
    assert (full.status, full.headers["retry-after"], held) == (503, "1", limits.max_held_bytes - 10)


def test_a_body_that_does_not_come_is_not_waited_for(ask):
    async def slow():
        yield b"x"
        await asyncio.sleep(20)

    async def talk(client, _):
        return (await client.post("/predict", slow(), "image/png")).status

    assert ask(talk, limits=ServerLimits(timeout=0.02)) == 408


def test_the_token_is_asked_for_before_anything_is_read(ask, white):
    async def unread():
        pytest.fail("the body was read")
        yield b""

    async def talk(client, _):
        for given in ([], ["Bearer wrong"], ["Basic !"], ["Bearer"], ["Token secret"]):
            headers = [("Authorization", value) for value in given]
            found = await client.post("/predict", unread(), "image/png", headers=headers)
            assert (found.status, found.headers["www-authenticate"]) == (401, 'Bearer realm="zorki"')
        for given in ("Bearer secret", "Basic " + encoded(b"anyone:secret")):
            found = await client.post("/predict", white, "image/png", headers=[("Authorization", given)])
            assert found.status == 200
        paths = {path: (await client.get(path)).status for path in ("/", "/docs", "/health", "/info", "/metrics", "/x")}
        assert paths == {"/": 200, "/docs": 200, "/health": 200, "/info": 401, "/metrics": 401, "/x": 401}

    ask(talk, token="secret")


def test_info_tells_what_predicts(ask):
    async def talk(client, _):
        return (await client.get("/info")).json()

    found = ask(talk)
    assert (found["model"], found["task"], found["class_names"]) == ("by_hand", "detection", ["red", "green", "blue"])
    assert found["preprocess"]["kind"] == "Letterbox"
    assert found["limits"]["max_bytes"] == 32_000_000


def test_metrics_count_requests_images_and_batches(ask, white):
    async def talk(client, _):
        for _ in range(3):
            await client.post("/predict", white, "image/png")
        await client.post("/predict", b"x", "image/png")
        await client.get("/private/name")
        return (await client.get("/metrics")).body.decode().splitlines()

    lines = ask(talk)
    assert {
        'zorki_requests_total{path="/predict",status="200"} 3',
        'zorki_requests_total{path="/predict",status="422"} 1',
        'zorki_requests_total{path="other",status="404"} 1',  # paths that clients make up are no labels
        'zorki_images_total{outcome="predicted"} 3',
        'zorki_images_total{outcome="refused"} 1',
        'zorki_request_seconds_bucket{le="+Inf"} 4',
        'zorki_batch_images_bucket{le="1"} 3',
        "zorki_batch_images_count 3",
        "zorki_queue_length 0",
    } <= set(lines)


def test_the_page_needs_nothing_from_other_servers_and_sets_text_alone(ask):
    async def talk(client, _):
        return {path: await client.get(path) for path in PAGES}

    found = ask(talk)
    assert {one.status for one in found.values()} == {200}
    assert "default-src 'none'" in found["/"].headers["content-security-policy"]
    for path, one in found.items():
        text = one.body.decode()
        assert not re.findall(r"(?:src|href)=.https?:", text), path
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|<script>|<style>|style=", text)
        for link in re.findall(r'(?:src|href)="(/[^"]*)"', text):
            assert link in PAGES
    assert {name for name, _ in PAGES.values()} == {path.name for path in PAGE.iterdir()}


CONFIG = '<View><Image name="photo" value="$picture_url"/><RectangleLabels name="tags" toName="photo"/></View>'


def test_label_studio_gets_a_draft_for_each_task(ask, white):
    async def talk(client, _):
        setup = await client.post("/setup", {"project": "1", "schema": CONFIG})
        assert setup.json() == {"model_version": "by_hand model.onnx"}
        good = {"id": 1, "data": {"picture_url": "data:image/png;base64," + encoded(white), "other": "x"}}
        tasks = [good, {"id": 2, "data": {"picture_url": "/data/upload/1.png"}}, 3, {"data": {}}]
        return (await client.post("/predict", {"tasks": tasks, "label_config": CONFIG})).json()["results"]

    found = ask(talk)
    (region,) = found[0]["result"]
    assert (region["from_name"], region["to_name"], region["type"]) == ("tags", "photo", "rectanglelabels")
    assert region["value"]["rectanglelabels"] == ["red"]
    assert region["value"]["width"] == pytest.approx(100)
    assert [one["result"] for one in found[1:]] == [[], [], []]
    assert "--label-studio" in found[1]["error"]


def test_a_labeling_configuration_with_entities_is_refused(ask):
    text = '<!DOCTYPE x [<!ENTITY a "b">]><View>&a;</View>'

    async def talk(client, _):
        found = await client.post("/setup", {"schema": text})
        return found.status, found.json()["error"]

    status, words = ask(talk)
    assert status == 400
    assert "entity" in words
