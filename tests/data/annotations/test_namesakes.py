from pathlib import Path

import pytest
from call_counts import growth
from hypothesis import given, settings
from hypothesis import strategies as st

from zorki.data.annotations import find_images
from zorki.data.annotations.drafts.new_folder import unlike_names
from zorki.data.annotations.find_images import ImageFinder

ROOT = Path("/data")
FOLDERS = st.lists(st.sampled_from(["a", "A", "b", "c"]), max_size=3)


def finder_of(names, root=ROOT):
    """A finder that takes these for the files there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "is_dir", lambda path: True)
        patch.setattr(find_images, "walk_files", lambda folder: iter(names))
        finder = ImageFinder([root])
        finder.all()
    return finder


def shared(mine, other):
    pairs = enumerate(zip(mine, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(mine), len(other)))


def slowly(paths, folders, near):
    """Every image is compared with what is looked for."""
    mine = [part.lower() for part in reversed(folders)]
    ranks = [
        (
            shared(mine, [part.lower() for part in reversed(path.parts[:-1])]),
            shared(path.parts[:-1], near.parts) if near else 0,
        )
        for path in paths
    ]
    best = max(ranks)
    return paths[ranks.index(best)] if ranks.count(best) == 1 else None


@settings(deadline=None, max_examples=60)
@given(st.lists(FOLDERS.map(tuple), min_size=2, max_size=8, unique=True), FOLDERS, st.none() | FOLDERS)
def test_of_images_of_one_name_the_nearest_as_when_each_is_compared(held, folders, near):
    names = ["/".join((*parts, "1.jpg")) for parts in held]
    beside = None if near is None else ROOT.joinpath(*near)
    found = finder_of(names).find("/".join(("elsewhere", *folders, "1.jpg")), beside)
    assert found == slowly([ROOT / name for name in names], ["elsewhere", *folders], beside)


@pytest.mark.parametrize("by_folder", [True, False])
def test_many_images_of_one_name_cost_as_much_as_they_are(by_folder):
    def places(count):
        names = [f"scene{number}/image.jpg" for number in range(count)]

        def find():
            finder = finder_of(names)
            for name in names:
                words = (f"elsewhere/{name}", None) if by_folder else ("image.jpg", (ROOT / name).parent / "labels")
                assert finder.find(*words) == ROOT / name

        return find

    assert growth(places) < 6


def test_many_paths_of_one_name_get_names_at_a_cost_that_grows_as_they_do():
    def naming(count):
        def name():
            assert unlike_names(["a/1.jpg"] * count) == ["a_1.jpg", *(f"a_1_{n}.jpg" for n in range(2, count + 1))]

        return name

    assert growth(naming) < 6
