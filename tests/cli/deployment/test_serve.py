"""`zorki serve` from its start to its end, over a socket."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request

import exported_files
import pytest
from PIL import Image

from zorki.cli import main
from zorki.engine.serving import serve


def test_it_serves_without_torch_until_sigterm_and_ends_without_a_fault(tmp_path):
    """In a process of its own, whose imports are few: it works where zorki-lite is installed."""
    exported_files.detector(tmp_path / "model.onnx")
    Image.new("RGB", (24, 16), "white").save(tmp_path / "white.png")
    code = (
        "import sys\nfrom zorki.cli import main\nmain(['serve', 'model.onnx', '--port', '0'])\n"
        "assert not {'torch', 'torchvision', 'lightning', 'scipy'} & set(sys.modules)"
    )
    with open(tmp_path / "said", "wb") as output:
        server = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=output, stderr=output)
        try:
            port = _port(tmp_path / "said", server)
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/predict", (tmp_path / "white.png").read_bytes(), {"Content-Type": "image/png"}
            )
            with urllib.request.urlopen(request, timeout=20) as response:
                (found,) = json.load(response)["predictions"]
            assert found["boxes"][0]["class_name"] == "red"
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(20)
    assert code == 0, (tmp_path / "said").read_text()
    assert (tmp_path / "said").read_text().endswith("stopped; 1 image was predicted\n")


def _port(path, server):
    for _ in range(1000):
        if found := re.search(r"at http://127.0.0.1:(\d+)", path.read_text()):
            return int(found[1])
        assert server.poll() is None
        time.sleep(0.02)
    raise AssertionError("it did not start")


def test_settings_that_cannot_be_are_told(tmp_path, capsys):
    def refused(*words):
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        assert end.value.code == 2
        return capsys.readouterr().err

    file = exported_files.detector(tmp_path / "model.onnx")
    assert "no such file" in refused("serve", tmp_path / "other.onnx")
    assert "port is 70000" in refused("serve", file, "--port", 70000)
    assert "max_queue is 0" in refused("serve", file, "--max-queue", 0)
    assert "timeout is 0" in refused("serve", file, "--timeout", 0)
    assert "conf is 3" in refused("serve", file, "--conf", 3)
    assert "token is empty" in refused("serve", file, "--token", " ")
    with serve.listen("127.0.0.1", 0) as taken:
        assert "choose another --host or --port" in refused("serve", file, "--port", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("server", False)]
)
def test_a_host_that_opens_to_the_network_is_told_from_this_machine(host, own):
    assert serve.is_own(host) == own
