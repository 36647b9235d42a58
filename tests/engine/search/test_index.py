"""An index of images: the user's own ids, the network's fingerprint, columns to filter by, crops, vectors in files."""

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_embedder import COLORS, paint, paint_people, tiny_run

import zorki
from zorki.contracts import Model
from zorki.engine.search.images import from_sources
from zorki.engine.search.index import Index, entries_of
from zorki.engine.search.network import EmbeddingNetwork
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.index.vector_files import read_vectors, write_vectors
from zorki.types import Boxes


def silent(words):
    pass


@pytest.fixture
def people():
    return paint_people(Path("people"))


@pytest.fixture
def index(people):
    return Index.build(tiny_run(), people, "index", quiet=True)


def test_ids_are_paths_in_the_folder_and_names_its_folders(index):
    assert len(index) == 12
    assert sorted(index.store.ids())[:3] == ["blue/0.png", "blue/1.png", "blue/2.png"]
    (result,) = index.search("people/red/1.png", k=4)
    assert result.neighbors[0].id == "red/1.png"
    assert result.neighbors[0].distance == pytest.approx(0, abs=1e-6)
    assert [one.columns["name"] for one in result.neighbors[:3]] == ["red"] * 3
    assert (index.root / result.neighbors[0].columns["path"]).samefile("people/red/1.png")


def test_delete_add_reload_search(index):
    index.remove(["red/1.png", "blue/0.png"])
    paint(Path("new/x.png"), (128, 20, 128))
    assert index.add("new") == 1
    other = Index("index", run=index.network.run, quiet=True)
    assert len(other) == 11
    assert other.search("people/red/1.png", k=1)[0].neighbors[0].id in ("red/0.png", "red/2.png")
    (found,) = other.search("new/x.png", k=1)
    assert found.neighbors[0].id == "x.png"
    assert (other.root / found.neighbors[0].columns["path"]).samefile("new/x.png")


def test_images_in_memory_ask_too(index):
    image = np.array(Image.open("people/green/2.png"))
    assert index.search(image, k=1)[0].neighbors[0].id == "green/2.png"
    assert index.search([image, "people/blue"], k=1)[2].neighbors[0].id == "blue/1.png"


def test_a_filter(index):
    (result,) = index.search("people/red/1.png", k=12, where={"name": "blue"})
    assert [one.columns["name"] for one in result.neighbors] == ["blue"] * 3


def test_another_network_is_refused_with_both_names(index):
    for other, words in (
        (tiny_run("other", seed=1), r"was made by tiny \(tiny, weights \w{8}\), and is asked by other \(tiny, weights"),
        (tiny_run("other", side=8), r"preprocessed by .*4.*; the query by .*8"),
    ):
        with pytest.raises(ZorkiError, match=words):
            Index("index", run=other, quiet=True).search("people/red/1.png", k=1)
    assert Index("index", run=tiny_run("moved"), quiet=True).search("people/red/1.png", k=1)


def test_a_run_that_is_gone_is_named(index):
    with pytest.raises(ZorkiError, match=r"index: was made by tiny .*, which cannot be opened: .*--run RUN"):
        Index("index", quiet=True).search("people/red/1.png", k=1)


def test_bad_input_is_one_message(people, index):
    with pytest.raises(ZorkiError, match="k is 13; expected k from 1 to 12"):
        index.search("people/red/1.png", k=13)
    with pytest.raises(ZorkiError, match="is there already"):
        Index.build(tiny_run(), people, "index", quiet=True)
    Path("empty").mkdir()
    with pytest.raises(DataError, match="no image or video in this folder"):
        Index.build(tiny_run(), "empty", "another", quiet=True)
    with pytest.raises(RecipeError, match="conf is the minimum score of a detector's boxes"):
        Index.build(tiny_run(), people, "another", conf=0.5, quiet=True)
    with pytest.raises(RecipeError, match="batch_size is 0"):
        Index.build(tiny_run(), people, "another", batch_size=0, quiet=True)
    assert not Path("another").exists()


def test_what_cannot_be_read_is_left_out_aloud_or_refused(people, capsys):
    Path("people/red/broken.png").write_bytes(b"no image")
    assert len(Index.build(tiny_run(), people, "index")) == 12
    assert "left out: people/red/broken.png" in capsys.readouterr().out
    with pytest.raises(DataError, match=r"broken\.png"):
        Index.build(tiny_run(), people, "strict", strict=True, quiet=True)
    assert not Path("strict").exists()


def write_ids(rows):
    with open("ids.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_ids_and_columns_of_the_users_own(people):
    paths = [f"{name}/{view}.png" for name in COLORS for view in range(3)]
    write_ids(
        [["path", "id", "name", "camera"], *([path, f"nr {n}", "someone", str(n % 2)] for n, path in enumerate(paths))]
    )
    index = Index.build(tiny_run(), people, "index", ids="ids.csv", quiet=True)
    (result,) = index.search("people/red/1.png", k=12, where={"camera": "1"})
    assert len(result.neighbors) == 6
    assert result.neighbors[0].id == "nr 1"
    assert result.neighbors[0].columns == {"name": "someone", "path": "red/1.png", "box": "", "camera": "1"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["file", "id"]], "ids.csv:1: expected columns path and id"),
        ([["path", "id"], ["red/0.png", "a"]], "has no row for"),
        ([["path", "id"], ["red/0.png", "a"], ["red/0.png", "b"]], r"ids.csv:3: red/0.png has a row already"),
        ([["path", "id"], ["red/0.png"]], "ids.csv:2: 1 cells; expected 2"),
        ([["path", "id"], *([f"{n}/{v}.png", "same"] for n in COLORS for v in range(3))], "the id 'same' stands twice"),
        ([["path", "id"], *([f"{n}/{v}.png", f"{n}{v}"] for n in COLORS for v in range(4))], "is no path of an image"),
    ],
)
def test_a_broken_table_of_ids_is_one_message(people, rows, message):
    write_ids(rows)
    with pytest.raises(ZorkiError, match=message):
        Index.build(tiny_run(), people, "index", ids="ids.csv", quiet=True)
    assert not Path("index").exists()


def test_a_split_of_a_dataset_has_its_classes_for_names():
    for split in ("train", "test"):
        paint_people(Path("data", split), names=("red", "blue"))
    index = Index.build(tiny_run(), "data", "index", split="test", quiet=True)
    assert len(index) == 6
    assert set(index.store.entries().columns["name"]) == {"red", "blue"}
    with pytest.raises(DataError, match="no image is in the split 'mine'"):
        Index.build(tiny_run(), "data", "other", split="mine", quiet=True)


def test_several_sources_keep_their_paths(people):
    gallery = from_sources(["people/red", "people/blue/1.png"])
    assert [image.id for image in gallery.images][-2:] == ["people/red/2.png", "people/blue/1.png"]


def test_vectors_are_those_of_predict(people):
    run = tiny_run()
    network = EmbeddingNetwork(run)
    entries, _ = entries_of(network, people, silent)
    predicted = zorki.predict([run], str(people), quiet=True)
    assert np.allclose(entries.vectors, np.stack([one.annotation.vector.numpy() for one in predicted]), atol=1e-6)


def test_a_run_without_embeddings_is_refused():
    run = zorki.build("lenet5", 10)
    opened = tiny_run()
    opened.model = run
    with pytest.raises(RecipeError, match="gives images no embeddings"):
        EmbeddingNetwork(opened)


def test_the_fingerprint_is_of_content_alone():
    own = EmbeddingNetwork(tiny_run()).fingerprint
    assert EmbeddingNetwork(tiny_run("elsewhere")).fingerprint.weights == own.weights
    other = tiny_run()
    with torch.no_grad():
        other.model.projection.bias += 1e-6
    assert EmbeddingNetwork(other).fingerprint.weights != own.weights


class OfTheLeft(Model):
    """Two boxes of each image: its left half, and what lies outside of it."""

    def __init__(self, like):
        super().__init__()
        self.preprocess = like.preprocess

    def forward(self, inputs):
        return inputs

    def loss(self, outputs, targets):
        return {}

    def backbone_stages(self):
        return []

    def decode(self, outputs, placements):
        place = placements[0]
        boxes = [[0, 0, place.width / 2, place.height], [place.width + 5, 0, place.width + 9, 9], [2.5, 3.2, 9.1, 8.0]]
        return [Boxes(torch.tensor(boxes), torch.tensor([0, 0, 1]), torch.tensor([0.9, 0.8, 0.7]))]


def test_crops_of_a_detector(people):
    detector = tiny_run("detector")
    detector.model, detector.task = OfTheLeft(detector.model), zorki.find("fcos_squeezenet").task
    detector.info = type(detector.info)(("car", "wheel"))
    index = Index.build(tiny_run(), people, "index", boxes_from=detector, quiet=True)
    assert len(index) == 24
    assert {"red/0.png#0", "red/0.png#2"} <= set(index.store.ids())
    entries = index.store.entries()
    row = entries.ids.index("red/0.png#2")
    assert {name: values[row] for name, values in entries.columns.items()} == {
        "name": "wheel",
        "path": "red/0.png",
        "box": "2 3 10 8",
    }
    pixels = np.array(Image.open("people/red/0.png"))[3:8, 2:10]
    assert np.allclose(
        index.network.vectors([torch.from_numpy(pixels).permute(2, 0, 1)])[0], entries.vectors[row], atol=1e-6
    )


class TestVectorFiles:
    def test_out_and_in(self, people):
        network = EmbeddingNetwork(tiny_run())
        entries, _ = entries_of(network, people, silent)
        write_vectors(
            Path("vectors"), entries, {"fingerprint": network.fingerprint.to_json(), "root": str(people.resolve())}
        )
        index = Index.build(tiny_run(), "vectors", "index", quiet=True)
        assert index.search("people/red/1.png", k=1)[0].neighbors[0].id == "red/1.png"
        assert index.root == people.resolve()
        assert np.allclose(np.load("vectors/vectors.npy"), entries.vectors)
        with pytest.raises(ZorkiError, match=r"vectors: was made by tiny .*, and is asked by other"):
            Index.build(tiny_run("other", seed=1), "vectors", "another", quiet=True)
        with pytest.raises(RecipeError, match="are vectors, which have their ids"):
            Index.build(tiny_run(), "vectors", "another", split="train", quiet=True)

    def test_vectors_of_others_need_no_notes(self):
        Path("theirs").mkdir()
        np.save("theirs/vectors.npy", np.eye(3, 8))
        Path("theirs/ids.csv").write_text("id\na\nb,\nc\n".replace("b,", "b"))
        assert len(Index.build(tiny_run(), "theirs", "index", quiet=True)) == 3

    @pytest.mark.parametrize(
        ("ids", "message"),
        [
            ("name\na\n", "expected the heading id"),
            ("id\na\n", r"1 ids, and vectors of the shape \(3, 8\)"),
            (None, "is missing"),
        ],
    )
    def test_broken_ones_are_one_message(self, ids, message):
        Path("theirs").mkdir()
        np.save("theirs/vectors.npy", np.eye(3, 8))
        if ids is not None:
            Path("theirs/ids.csv").write_text(ids)
        with pytest.raises(DataError, match=message):
            read_vectors(Path("theirs"))

    @pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
    def test_parquet(self, people):
        entries, _ = entries_of(EmbeddingNetwork(tiny_run()), people, silent)
        write_vectors(Path("v.parquet"), entries, {"note": 1})
        found, about = read_vectors(Path("v.parquet"))
        assert about == {"note": 1}
        assert found.ids == entries.ids
        assert found.columns == entries.columns
        assert np.array_equal(found.vectors, entries.vectors)

    @pytest.mark.skipif(find_spec("pyarrow") is not None, reason="pyarrow is installed")
    def test_parquet_without_pyarrow_says_what_to_install(self):
        with pytest.raises(ZorkiError, match="Parquet needs pyarrow: pip install pyarrow"):
            read_vectors(Path("v.parquet"))


def test_the_header_tells_how_to_open_it_again(index):
    about = json.loads(Path("index/index.json").read_text())["about"]
    assert about["run"] == "tiny"
    assert about["root"] == str(Path("people").resolve())
    assert about["fingerprint"]["dim"] == 8
