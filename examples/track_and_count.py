"""Objects that cross: a built-in film, ids for its boxes, and a count over a line; film.mp4 and gt.txt to try more on.

python examples/track_and_count.py 120 180x320
zorki predict runs/fcos_squeezenet-1 film.mp4 --track --count-line 80,0,80,180
"""

import sys
from pathlib import Path

import numpy as np

from zorki.data.scenes.films.crossings import crossing_clip
from zorki.engine.prediction.video import VideoWriter
from zorki.tracks.counting import Counter, count_line
from zorki.tracks.mot_text import mot_line
from zorki.tracks.tracker import ByteTracker, Detections

frames = int(sys.argv[1]) if len(sys.argv) > 1 else 30
height, width = map(int, sys.argv[2].split("x")) if len(sys.argv) > 2 else (48, 96)
film, truth = crossing_clip(0, 1, frames=frames, size=(height, width))
rows = zip(truth.frames.tolist(), truth.identities.tolist(), truth.xyxy.tolist(), strict=True)
Path("gt.txt").write_text("".join(mot_line(frame, identity, box, 1.0) + "\n" for frame, identity, box in rows))

tracker, counter = ByteTracker(frame_seconds=1 / 25), Counter([count_line(f"{width / 4},0,{width / 4},{height}")])
state, counts = tracker.start(), counter.start()
with VideoWriter(Path("film.mp4"), 25) as video:
    for frame, image in enumerate(film):
        video.write(image)
        seen = truth[truth.frames == frame]
        boxes, labels = seen.xyxy.double().numpy(), seen.labels.numpy()
        state, ids = tracker.step(state, Detections(boxes, np.ones(len(boxes)), labels), frame / 25)
        counts, _ = counter.step(counts, ids[ids > 0], boxes[ids > 0], labels[ids > 0], state.ids)
print(f"{state.next_id - 1} objects, {counts.total(0, 'in')} to the left over the line, {counts.total(0, 'out')} right")
