"""Scenes for pose: boxes, joints and a skeleton whose sides change places."""

from zorki.data.scenes.keypoints import SceneKeypoints, parse


def test_objects_have_their_places_and_boxes() -> None:
    scenes = SceneKeypoints(10, size=(64, 64))
    for index in range(4):
        sample = scenes[index]
        target = sample.target
        assert len(target) == len(target.xyxy) > 0
        assert target.points.shape[1:] == (4, 2)
        inside = target.points[target.labeled]
        assert bool(((inside >= 0) & (inside <= 64)).all())
    skeleton = scenes.class_info().skeleton
    assert (skeleton.names, skeleton.flip_pairs) == (("head", "right", "tail", "left"), ((3, 1),))
    assert parse("photos") is None
    assert len(parse("scenes:20@32")) == 20
