import torch

from zorki.data.scenes.films.crossings import crossing_clip


def test_objects_walk_both_ways_and_are_hidden_on_the_way():
    settings = {"size": (48, 96), "frames": 40, "objects": 4, "post_width": 0.3}
    images, tracks = crossing_clip(0, 1, **settings)
    assert images.shape == (40, 3, 48, 96)
    again, _ = crossing_clip(0, 1, **settings)
    assert torch.equal(images, again)
    centers = (tracks.xyxy[:, 0] + tracks.xyxy[:, 2]) / 2
    ways, hidden = [], 0
    for identity in tracks.identities.unique().tolist():
        rows = (tracks.identities == identity).nonzero()[:, 0]
        steps = centers[rows].diff()
        ways.append(int(steps.sum().sign()))
        frames = tracks.frames[rows]
        hidden += int(frames[-1] - frames[0] + 1 - len(frames))
        assert len(set(tracks.labels[rows].tolist())) == 1
    assert sorted(ways) == [-1, -1, 1, 1]
    assert hidden > 0, "a post stands before them"
    low, high = tracks.xyxy.min(0).values, tracks.xyxy.max(0).values
    assert (low >= 0).all()
    assert (high <= torch.tensor([96, 48, 96, 48])).all()
