#!/usr/bin/env bash
# PyAV 18.1.0 gives the frames of a phone's video lying on their side. Phones store frames as the sensor sees them, and
# the turn as a matrix in the track's header, which players and OpenCV 5.0.0 follow; PyAV reports it on each frame and
# leaves the pixels as they are. A detector that is fed from PyAV sees every upright video turned by 90 degrees.
# Seen: stored 48 x 32, turned by 90: PyAV 48 x 32 with rotation -90, OpenCV 32 x 48 (width x height)
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python av==18.1.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import struct
from pathlib import Path
import av
import cv2
import numpy as np

with av.open("a.mp4", "w") as container:
    stream = container.add_stream("mpeg4", rate=10, width=48, height=32, pix_fmt="yuv420p")
    for _ in range(5):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8), "rgb24")))
    container.mux(stream.encode())
# The matrix in the track's header (ISO 14496-12, 8.3.2): a turn by 90 degrees clockwise.
data, one = Path("a.mp4").read_bytes(), 1 << 16
plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
place = data.index(plain, data.index(b"tkhd"))
turned = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
Path("a.mp4").write_bytes(data[:place] + turned + data[place + 36 :])
with av.open("a.mp4") as container:
    frame = next(container.decode(video=0))
height, width = cv2.VideoCapture("a.mp4").read()[1].shape[:2]
print("PyAV", frame.width, "x", frame.height, "rotation", frame.rotation, "  OpenCV", width, "x", height)
assert (frame.width, frame.height, abs(frame.rotation)) == (48, 32, 90)
assert (width, height) == (32, 48)
PYTHON
