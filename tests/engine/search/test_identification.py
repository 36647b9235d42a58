"""Who is it, of those in the gallery, or nobody of them? And do two images show the same?"""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_embedder import paint, paint_people, tiny_run

from zorki.engine.search.identification import Threshold
from zorki.engine.search.index import Index
from zorki.engine.search.network import EmbeddingNetwork
from zorki.engine.search.pages import write_identification, write_search, write_verification
from zorki.engine.search.verification import Pair, check_pair, read_pairs, verify
from zorki.errors import DataError, RecipeError, ZorkiError


@pytest.fixture
def index():
    return Index.build(tiny_run(), paint_people(Path("people"), names=("red", "green")), "index", quiet=True)


@pytest.fixture
def strangers():
    paint_people(Path("strangers"), names=("blue",), views=3)
    return paint_people(Path("strangers"), names=("yellow",), views=2)


def silent(words):
    pass


def test_somebody_and_nobody(index, strangers):
    chosen = index.choose_threshold(strangers, far=0.0)
    assert (chosen.unknown_images, chosen.unknown_names, chosen.measured_far) == (5, 2, 0.0)
    assert chosen.detection_identification_rate == 1.0
    assert chosen.known_source == "each image of the gallery against the others"
    paint(Path("new.png"), (225, 35, 28), seed=9)
    known, unknown = index.identify(["new.png", "strangers/blue/1.png"])
    assert known.name == "red"
    assert known.candidates[0].similarity > chosen.similarity
    assert unknown.name is None
    assert unknown.candidates[0].name in ("red", "green")
    assert unknown.similarity < chosen.similarity


def test_the_score_of_a_name_is_the_maximum_over_its_references(index):
    (found,) = index.identify("people/red/1.png", threshold=0.5)
    neighbors = index.search("people/red/1.png", k=6)[0].neighbors
    for candidate in found.candidates:
        own = [one.similarity for one in neighbors if one.columns["name"] == candidate.name]
        assert candidate.similarity == max(own)
    assert [one.name for one in found.candidates] == ["red", "green"]


def test_the_threshold_is_kept_and_chosen_anew_when_the_gallery_changes(index, strangers, capsys):
    index.choose_threshold(strangers, far=0.2)
    other = Index("index", run=tiny_run(data=str(strangers)))
    assert other.threshold == index.threshold
    other.identify("people/red/1.png")
    assert capsys.readouterr().out == ""
    other.remove(["green/0.png"])
    other.identify("people/red/1.png")
    said = capsys.readouterr().out
    assert "the index had 6 images when its threshold was chosen, and has 5" in said
    assert "asked for 0.2" in said
    assert other.threshold.entries == 5


def test_known_ones_in_the_validation_are_asked_without_their_own_file(index, strangers):
    paint_people(Path("both"), names=("red", "blue"))
    chosen = index.choose_threshold("both", far=0.0)
    assert (chosen.known_images, chosen.unknown_images) == (3, 3)
    again = Index.build(tiny_run(), "both", "own", quiet=True)
    paint_people(Path("both"), names=("yellow",))
    assert again.choose_threshold("both", far=0.0).similarity < 1  # an image is no neighbor of itself


@pytest.mark.parametrize("far", [-0.1, 1.5])
def test_a_rate_out_of_range_is_refused(index, strangers, far):
    with pytest.raises(ZorkiError, match="the false accept rate is"):
        index.choose_threshold(strangers, far=far)


def test_bad_galleries_are_one_message(index, strangers):
    with pytest.raises(ZorkiError, match="all of its 2 identities are in the gallery"):
        index.choose_threshold("people")
    with pytest.raises(
        ZorkiError, match="does not tell what it was trained on: name images of unknown ones: --val DATA"
    ):
        index.identify("people/red/1.png")
    one = Index.build(tiny_run(), paint_people(Path("one"), names=("red",)), "index-one", quiet=True)
    with pytest.raises(ZorkiError, match="a gallery with one identity, red; to tell who it is takes two"):
        one.identify("people/red/1.png", threshold=0.5)
    flat = Index.build(tiny_run(), "people/red", "index-flat", quiet=True)
    with pytest.raises(ZorkiError, match=r"0\.png has no name; expected a folder for each person"):
        flat.identify("people/red/1.png", threshold=0.5)


def test_json_and_back(index, strangers):
    chosen = index.choose_threshold(strangers)
    assert Threshold.from_json(chosen.to_json()) == chosen
    assert "with so few images the next rate is 0.200" in str(chosen)


class TestVerify:
    def test_a_pair(self, index):
        found = verify(
            EmbeddingNetwork(tiny_run()),
            check_pair("people/red/0.png", "people/red/0.png"),
            threshold=0.99,
            tell=silent,
        )
        assert found.pairs[0].distance == 0
        assert found.pairs[0].accepted
        assert found.scores is None

    def test_a_table_with_ground_truth(self, index):
        Path("people/pairs.csv").write_text(
            "a,b,same\nred/0.png,red/1.png,1\nred/0.png,green/1.png,no\ngreen/0.png,green/2.png,same\n"
        )
        pairs = read_pairs(Path("people/pairs.csv"))
        assert pairs[1] == Pair("people/red/0.png", "people/green/1.png", False)
        found = verify(EmbeddingNetwork(tiny_run()), pairs, threshold=0.98, tell=silent)
        assert [one.accepted for one in found.pairs] == [True, False, True]
        assert (found.scores.auc, found.scores.accuracy, found.scores.tar_at_far_01) == (1.0, 1.0, 1.0)
        assert (found.scores.same_pairs, found.scores.different_pairs) == (2, 1)
        Path("page").mkdir()
        assert "DET curve" in write_verification(Path("page"), found).read_text()

    def test_the_threshold_of_the_runs_validation(self, index):
        run = tiny_run("runs/tiny")
        Path("runs/tiny").mkdir(parents=True)
        Path("runs/tiny/run.json").write_text("{}")
        rates = {0.2: 0.5, 0.7: 0.01, 0.8: 0}
        curve = [{"threshold": threshold, "false_accept_rate": rate} for threshold, rate in rates.items()]
        Path("runs/tiny/results.json").write_text(json.dumps({"val": {"metrics": {"det_curve": curve}}}))
        found = verify(
            EmbeddingNetwork(run), check_pair("people/red/0.png", "people/green/0.png"), far=0.01, tell=silent
        )
        assert found.threshold == 0.7
        assert found.threshold_source == "of runs/tiny on val at a false accept rate of at most 0.01"

    def test_without_validation_nothing_is_decided(self, index):
        found = verify(EmbeddingNetwork(tiny_run()), check_pair("people/red/0.png", "people/green/0.png"), tell=silent)
        assert found.threshold is None
        assert found.pairs[0].accepted is None

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ("x,y\n", "pairs.csv:1: expected the columns a and b"),
            ("a,b\n", "holds no pair"),
            ("a,b\nred/0.png\n", "pairs.csv:2: 1 cells; expected 2"),
            ("a,b\nred/0.png,none.png\n", r"pairs.csv:2: people/none.png is not there"),
            ("a,b\nred/0.png,../outside.png\n", r"pairs.csv:2: \.\./outside.png leads out of the folder"),
            ("a,b,same\nred/0.png,red/1.png,maybe\n", "pairs.csv:2: same is 'maybe'"),
        ],
    )
    def test_a_broken_table_is_one_message(self, index, table, message):
        Path("people/pairs.csv").write_text(table)
        paint(Path("outside.png"), (1, 2, 3))
        with pytest.raises(DataError, match=message):
            read_pairs(Path("people/pairs.csv"))

    def test_files_that_are_not_there(self, index):
        with pytest.raises(ZorkiError, match=r"none\.png: there is no such image"):
            check_pair("people/red/0.png", "none.png")
        with pytest.raises(RecipeError, match="false accept rate is 2"):
            verify(EmbeddingNetwork(tiny_run()), [], far=2, tell=silent)


def test_pages(index, strangers):
    for name in ("search", "who"):
        Path(name).mkdir()
    page = write_search(Path("search"), index, index.search(["people/red", "strangers/blue/0.png"], k=3)).read_text()
    assert page.count("<img") == 4 * 4
    assert "not squared" in page
    index.choose_threshold(strangers, far=0.0)
    found = index.identify(["people/red/1.png", "strangers/blue/1.png"])
    Path("people/green/0.png").unlink()  # a gray square stands for it
    page = write_identification(Path("who"), index, found, index.threshold).read_text()
    assert "nobody known" in page
    assert "the file is not there" in page or found[0].candidates[1].neighbor.id != "green/0.png"
    assert "DET curve" in page


def test_distances_on_pages_say_that_they_are_not_squared(index):
    (result,) = index.search("people/red/1.png", k=6)
    a, b = EmbeddingNetwork(tiny_run()).vectors([]), result.neighbors[-1]
    assert a.shape == (0, 8)
    assert b.distance == pytest.approx(np.sqrt(2 - 2 * b.similarity))
