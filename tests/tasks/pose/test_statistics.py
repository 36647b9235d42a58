"""Numbers of a dataset of joints."""

from zorki.data.scenes.keypoints import SceneKeypoints
from zorki.registry import tasks


def test_every_table_has_every_number_of_a_split_without_images():
    scenes = SceneKeypoints(10, size=(32, 32))
    scenes.splits = {"train": [0, 1], "val": []}
    found = tasks()["pose"].data.statistics(scenes)
    for table in found.tables:
        rows = table.rows()
        assert len(rows) == len(table.columns)
    joints = {table.name: table for table in found.tables}["labeled_joints"].rows()
    assert [row["val"] for row in joints.values()] == [0, 0, 0, 0]
    labeled = sum(int(scenes.target(index).labeled.sum()) for index in (0, 1))
    assert sum(row["train"] for row in joints.values()) == labeled
