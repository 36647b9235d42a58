"""Clips from films: decoding and sampling beside torchcodec's clip samplers and a plain PyAV loop, one thread.

    pip install --target /tmp/torchcodec --no-deps torchcodec
    python benchmarks/clips.py --torchcodec /tmp/torchcodec

Films are made here: 320 x 240, 30 frames a second, H.264 as libx264 makes it when nothing is said, a keyframe every 250
frames at most, and with one every second. Clips of 16 frames, every second one, begin at the same random frames for
all three; they end as uint8 tensors (clips, 16, 3, H, W), equal for zorki and the plain loop. They are timed in turn,
round by round, in the processor's seconds; a ratio is that of the sums of a film. The plain loop decodes from the first
frame up to the last that a clip needs, for each clip by itself.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch

from zorki.data.video.films import VideoFile

FRAMES, STRIDE, RATE = 16, 2, 30

Way = Callable[[Path, list[int]], torch.Tensor]
HEIGHT, WIDTH = 240, 320


def make_film(path: Path, seconds: int, options: dict[str, str]) -> Path:
    """A textured ground that moves slowly, and a square that moves fast."""
    chance = np.random.default_rng(seconds)
    ground = chance.integers(0, 255, (HEIGHT // 8, WIDTH // 4, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(seconds * RATE):
            image = np.ascontiguousarray(ground[:, number % WIDTH : number % WIDTH + WIDTH])
            left = 7 * number % (WIDTH - 40)
            image[80:120, left : left + 40] = (255, 40, 0)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def zorki_clips(path: Path, starts: list[int]) -> torch.Tensor:
    film = VideoFile(path)
    times = [(start + STRIDE * k + 0.5) / RATE for start in starts for k in range(FRAMES)]
    return film.at(times).unflatten(0, (len(starts), FRAMES))


def plain_clips(path: Path, starts: list[int]) -> torch.Tensor:
    clips = []
    for start in starts:
        frames, wanted = [], {start + STRIDE * k for k in range(FRAMES)}
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    frames.append(torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1))
                if number >= max(wanted):
                    break
        clips.append(torch.stack(frames))
    return torch.stack(clips)


def torchcodec_clips(path: Path, starts: list[int]) -> torch.Tensor:
    """What its samplers do behind their choice of places: one sorted call for the frames of all clips."""
    from torchcodec.decoders import VideoDecoder  # type: ignore[import-not-found]

    decoder = VideoDecoder(str(path), num_ffmpeg_threads=1)
    places = [start + STRIDE * k for start in starts for k in range(FRAMES)]
    order = sorted(set(places))
    frames = decoder.get_frames_at(order).data
    at = {place: row for row, place in enumerate(order)}
    return frames[[at[place] for place in places]].unflatten(0, (len(starts), FRAMES))


def torchcodec_sampler(path: Path, count: int) -> torch.Tensor:
    """Its own sampler, at its own random places: a check of the above."""
    from torchcodec.decoders import VideoDecoder  # type: ignore[import-not-found]
    from torchcodec.samplers import clips_at_random_indices  # type: ignore[import-not-found]

    decoder = VideoDecoder(str(path), num_ffmpeg_threads=1)
    return clips_at_random_indices(  # type: ignore[no-any-return]
        decoder, num_clips=count, num_frames_per_clip=FRAMES, num_indices_between_frames=STRIDE
    ).data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--torchcodec", help="folder that torchcodec was installed into")
    parser.add_argument("--rounds", type=int, default=20)
    settings = parser.parse_args()
    if settings.torchcodec:
        sys.path.append(settings.torchcodec)
    torch.set_num_threads(1)
    ways: dict[str, Way] = {"zorki": zorki_clips, "plain": plain_clips}
    if settings.torchcodec:
        ways |= {
            "torchcodec": torchcodec_clips,
            "torchcodec's sampler": lambda path, s: torchcodec_sampler(path, len(s)),
        }
    print(f"{'film':28} {'clips':>5} " + " ".join(f"{name:>22}" for name in ways))
    with tempfile.TemporaryDirectory() as folder:
        for name, options in (("every 250 frames", {}), ("every second", {"g": "30"})):
            for seconds in (10, 60):
                path = make_film(Path(folder) / f"{seconds}-{len(options)}.mp4", seconds, options)
                for count in (1, 4):
                    print(_row(f"{seconds} s, keyframes {name}", path, seconds, count, ways, settings.rounds))


def _row(
    title: str,
    path: Path,
    seconds: int,
    count: int,
    ways: dict[str, Callable[[Path, list[int]], torch.Tensor]],
    rounds: int,
) -> str:
    chance = np.random.default_rng(0)
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        starts = [int(place) for place in chance.integers(0, seconds * RATE - FRAMES * STRIDE, count)]
        found = {}
        for way, make in ways.items():
            begun = time.process_time()
            found[way] = make(path, starts)
            if number:  # the first warms up
                spent[way].append(time.process_time() - begun)
        assert torch.equal(found["zorki"], found["plain"]), "the frames are the same"
    cells = []
    for way, times in spent.items():
        ratio = "" if way == "zorki" else f" ({sum(times) / sum(spent['zorki']):.2f} x)"
        cells.append(f"{f'{1000 * statistics.median(times):.0f} ms{ratio}':>22}")
    return f"{title:28} {count:>5} " + " ".join(cells)


if __name__ == "__main__":
    main()
