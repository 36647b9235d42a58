"""A detector that a person can do in the head behind the server: one box, which scores the share of white."""

import asyncio
import io

import exported_files
import numpy as np
import pytest
from asgi_client import AsgiClient
from PIL import Image

from zorki.engine.serving.app import Service, build_app
from zorki.engine.serving.limits import ServerLimits
from zorki.engine.serving.served_model import ServedModel


@pytest.fixture(scope="package")
def detector(tmp_path_factory):
    return exported_files.detector(tmp_path_factory.mktemp("exported") / "model.onnx")


@pytest.fixture(scope="package")
def model(detector):
    return ServedModel(detector)


def image_of(gray, size=(24, 16), format="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), gray, np.uint8)).save(buffer, format)
    return buffer.getvalue()


@pytest.fixture(scope="package")
def white():
    return image_of(255)


@pytest.fixture(scope="package")
def gray():
    return image_of(102)


@pytest.fixture(scope="package")
def black():
    return image_of(0)


@pytest.fixture
def ask(model):
    """ask(talk, ...): runs `talk(client, service)` with the application started."""

    def run(talk, served=None, limits=None, **settings):
        async def whole():
            service = Service(served or model, limits or ServerLimits(), **settings)
            async with AsgiClient(build_app(service)) as client:
                return await talk(client, service)

        return asyncio.run(asyncio.wait_for(whole(), 30))

    return run
