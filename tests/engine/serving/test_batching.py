"""Images of many requests in one batch: none hurts another, and none is lost."""

import asyncio
import threading

import numpy as np
import pytest
from asgi_client import form

from zorki.engine.serving.limits import ServerLimits
from zorki.engine.serving.served_model import ServedModel


class Watched(ServedModel):
    """Keeps the sizes of batches; waits for `gate`; fails on a batch that holds a black image, or of several."""

    def __init__(self, detector, fails=None):
        super().__init__(detector)
        self.sizes, self.gate, self.fails = [], threading.Event(), fails
        self.gate.set()

    def predict(self, images):
        self.sizes.append(len(images))
        self.gate.wait(10)
        if self.fails is not None and any(int(np.asarray(image).max()) == 0 for image in images):
            raise self.fails
        return super().predict(images)


def test_requests_at_once_are_one_batch_and_bad_ones_fail_alone(ask, detector, white, gray):
    served = Watched(detector)
    sent = [white, gray[:60], white, b"text", gray]  # of which one is cut in the middle

    async def talk(client, _):
        return await asyncio.gather(*(client.post("/predict", data, "image/png") for data in sent))

    found = ask(talk, served=served, max_wait=0.2, max_batch=4)
    assert [one.status for one in found] == [200, 422, 200, 422, 200]
    assert sum(served.sizes) == 3
    assert len(served.sizes) <= 2
    scores = [one.json()["predictions"][0]["boxes"][0]["score"] for one in found if one.status == 200]
    assert scores[0] == scores[1] != scores[2]


def test_of_several_images_in_a_request_each_stands_alone(ask, white):
    async def talk(client, _):
        some = await client.post("/predict", *form(("a", white), ("b", b"text"), ("c", white)))
        none = await client.post("/predict", *form(("a", b"text"), ("b", b"text")))
        return some, none

    some, none = ask(talk)
    assert [one.get("status", 200) for one in some.json()["predictions"]] == [200, 422, 200]
    assert (some.status, none.status) == (200, 422)


@pytest.mark.parametrize(("error", "status"), [(RuntimeError("a kernel"), 500), (MemoryError(), 500)])
def test_where_a_batch_fails_each_is_predicted_alone(ask, detector, white, black, error, status):
    served = Watched(detector, error)

    async def talk(client, _):
        return await asyncio.gather(*(client.post("/predict", data, "image/png") for data in (white, black, white)))

    found = ask(talk, served=served, max_wait=0.2, max_batch=3)
    assert [one.status for one in found] == [200, status, 200]
    assert served.sizes == [3, 1, 1, 1]
    assert "the network fails on this image" in found[1].json()["error"]


def test_a_fault_of_ours_is_told_and_the_server_goes_on(ask, detector, white, black):
    served = Watched(detector, KeyError("ours"))

    async def talk(client, _):
        return [await client.post("/predict", data, "image/png") for data in (black, white)]

    assert [one.status for one in ask(talk, served=served)] == [500, 200]


def test_a_full_queue_says_when_to_try_again_and_all_in_it_are_predicted(ask, detector, white):
    served = Watched(detector)
    served.gate.clear()

    async def talk(client, service):
        waiting = [asyncio.create_task(client.post("/predict", white, "image/png")) for _ in range(3)]
        while service.batcher.length < 3:
            await asyncio.sleep(0.001)
        full = await client.post("/predict", white, "image/png")
        served.gate.set()
        done = await asyncio.gather(*waiting)
        return full, [one.status for one in done], service.batcher.length

    full, done, left = ask(talk, served=served, limits=ServerLimits(max_queue=3))
    assert (full.status, full.headers["retry-after"]) == (503, "1")
    assert (done, left) == ([200, 200, 200], 0)


def test_what_takes_too_long_is_given_up_and_leaves_the_queue(ask, detector, white):
    served = Watched(detector)
    served.gate.clear()

    async def talk(client, service):
        late = await client.post("/predict", white, "image/png")
        served.gate.set()
        while service.batcher.length:
            await asyncio.sleep(0.001)
        return late, service.held.count

    late, held = ask(talk, served=served, limits=ServerLimits(timeout=0.05))
    assert (late.status, held) == (504, 0)


def test_a_batch_holds_so_many_images_at_most(ask, detector, white):
    served = Watched(detector)

    async def talk(client, _):
        return await asyncio.gather(*(client.post("/predict", white, "image/png") for _ in range(7)))

    assert {one.status for one in ask(talk, served=served, max_batch=2, max_wait=0.05)} == {200}
    assert sum(served.sizes) == 7
    assert max(served.sizes) == 2
