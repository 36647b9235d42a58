"""One contract for every kind of index: what goes in by the user's ids comes out by them, whatever happened between."""

import json
import re
from importlib.util import find_spec

import numpy as np
import pytest

from zorki.errors import RecipeError, ZorkiError
from zorki.index.exact import nearest
from zorki.index.fingerprint import Fingerprint
from zorki.index.open import create_store, open_store, split_address
from zorki.index.store import Entries, Header, VectorStore, check_new

DIM, COUNT = 8, 40
PACKAGES = {"exact": "numpy", "hnsw": "faiss", "ivf": "faiss", "lancedb": "lancedb", "milvus": "pymilvus"}
KINDS = [
    pytest.param(kind, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed"))
    for kind, package in PACKAGES.items()
]


def made_entries(count=COUNT, seed=0, prefix="photos/"):
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"person {number % 4}'s" for number in range(count)]
    return Entries([f"{prefix}{number}.jpg" for number in range(count)], vectors, {"name": names})


def made(kind, entries, said=None, about=None):
    address = {"lancedb": "lancedb:lance", "milvus": "milvus:file.db"}.get(kind, "index")
    header = Header(DIM, ("name",), about or {"run": "runs/a"})
    tell = (lambda words: None) if said is None else said.append
    store = create_store(address, header, entries, kind="auto" if ":" in address else kind, tell=tell)
    return store, address


def reopened(store, address):
    if address.startswith("milvus:"):
        store.close()
    return open_store(address, lambda words: None)


def slow_search(entries, query, k, left_out=(), name=None):
    """Every entry compared in a loop."""
    rows = [
        (float(vector @ query), one)
        for one, vector, own in zip(entries.ids, entries.vectors, entries.columns["name"], strict=True)
        if one not in left_out and name in (None, own)
    ]
    return [one for _, one in sorted(rows, key=lambda row: -row[0])[:k]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_contract(kind):
    entries, query = made_entries(), made_entries(1, seed=9).vectors
    store, address = made(kind, entries)
    assert isinstance(store, VectorStore)
    assert len(store) == COUNT
    assert sorted(store.ids()) == sorted(entries.ids)
    assert dict(zip(store.ids(), store.column("name"), strict=True)) == dict(
        zip(entries.ids, entries.columns["name"], strict=True)
    )
    (found,) = store.search(query, 5)
    assert [one.id for one in found] == slow_search(entries, query[0], 5)
    assert found[0].similarity == pytest.approx(
        float(entries.vectors[entries.ids.index(found[0].id)] @ query[0]), abs=1e-5
    )
    assert found[0].distance == pytest.approx(
        np.linalg.norm(entries.vectors[entries.ids.index(found[0].id)] - query[0]), abs=1e-4
    )
    (own,) = store.search(entries.vectors[7:8], 1)
    assert own[0].id == "photos/7.jpg"
    assert own[0].columns == {"name": "person 3's"}
    assert own[0].distance == pytest.approx(0, abs=4e-4 if kind == "milvus" else 0)

    (filtered,) = store.search(query, 40, {"name": "person 2's"})
    assert [one.id for one in filtered] == slow_search(entries, query[0], 40, name="person 2's")
    assert len(filtered) == 10

    # Delete, add, reload, search: ids stay the user's own.
    gone = [found[0].id, found[2].id]
    store.delete(gone)
    more = made_entries(3, seed=5, prefix="new/")
    store.add(more)
    other = reopened(store, address)
    assert len(other) == COUNT + 1
    both = Entries(
        entries.ids + more.ids,
        np.concatenate([entries.vectors, more.vectors]),
        {"name": entries.columns["name"] + more.columns["name"]},
    )
    (after,) = other.search(query, 6)
    assert [one.id for one in after] == slow_search(both, query[0], 6, left_out=gone)
    (back,) = other.search(more.vectors[1:2], 1)
    assert back[0].id == "new/1.jpg"
    other.add(entries.rows([entries.ids.index(gone[0])]))  # what was deleted may come again
    (again,) = other.search(query, 1)
    assert again[0].id == gone[0]
    stored = other.entries()
    assert sorted(stored.ids) == sorted(other.ids())
    assert len(stored) == COUNT + 2
    place = stored.ids.index("photos/7.jpg")
    assert np.allclose(stored.vectors[place], entries.vectors[7])
    assert stored.columns["name"][place] == "person 3's"

    assert other.header.about == {"run": "runs/a"}
    other.set_about({"threshold": 0.5})
    assert reopened(other, address).header.about == {"threshold": 0.5}


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_one_message(kind):
    entries = made_entries()
    store, _ = made(kind, entries)
    query = entries.vectors[:1]
    with pytest.raises(ZorkiError, match="holds 40 entries, and k is 41; expected k from 1 to 40"):
        store.search(query, 41)
    with pytest.raises(ZorkiError, match="holds 40 entries, and k is 0"):
        store.search(query, 0)
    with pytest.raises(ZorkiError, match=r"vectors of 8 numbers; the queries are \(1, 3\)"):
        store.search(query[:, :3], 1)
    with pytest.raises(ZorkiError, match="no column 'color'; it has name"):
        store.search(query, 1, {"color": "red"})
    with pytest.raises(ZorkiError, match=r"the id 'photos/3.jpg' is in it already"):
        store.add(Entries(["x", "photos/3.jpg"], entries.vectors[:2]))
    with pytest.raises(ZorkiError, match=r"holds no id 'nobody'; nothing was deleted"):
        store.delete(["photos/3.jpg", "nobody"])
    assert len(store) == COUNT
    assert "x" not in store.ids()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_written_over_anything(kind):
    made(kind, made_entries())[0]
    with pytest.raises(ZorkiError, match="is there already"):
        made(kind, made_entries())


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (Entries(["a", "a"], np.eye(2, DIM, dtype=np.float32)), "the id 'a' stands twice"),
        (Entries(["a", ""], np.eye(2, DIM, dtype=np.float32)), "the id '' is empty"),
        (Entries(["a", "b"], np.array([[0.0] * DIM, [1.0] * DIM])), "the vector of a is 0"),
        (Entries(["a"], np.full((1, DIM), np.nan)), "the vector of a is not finite"),
        (Entries(["a"], np.ones((1, 3))), "8 numbers as all of this index"),
        (Entries(["a"], np.ones((1, DIM)), {"color": ["red"]}), "no column 'color'"),
    ],
)
def test_entries_are_checked_before_anything_is_written(entries, message, tmp_path):
    with pytest.raises(ZorkiError, match=message):
        made("exact", entries)
    assert list(tmp_path.iterdir()) == []


def test_columns_have_names_that_every_library_takes():
    for name in ("", "a b", "1st", "id", "vector", "x'y"):
        with pytest.raises(ZorkiError, match="a column is called"):
            Header(DIM, (name,))


def test_blocks_change_nothing(monkeypatch):
    entries = made_entries(100)
    store, _ = made("exact", entries)
    queries = made_entries(30, seed=3).vectors
    whole = store.search(queries, 7)
    monkeypatch.setattr("zorki.index.exact.BLOCK", 9)
    monkeypatch.setattr("zorki.index.exact.QUERIES", 4)
    assert store.search(queries, 7) == whole


def test_of_equally_similar_ones_the_earlier_row_comes_first():
    entries = Entries([f"{n}" for n in range(6)], np.eye(DIM, dtype=np.float32)[[0, 1, 0, 1, 0, 1]], {"name": [""] * 6})
    store, _ = made("exact", entries)
    assert [one.id for one in store.search(np.eye(DIM, dtype=np.float32)[:1], 3)[0]] == ["0", "2", "4"]


def test_vectors_get_length_1():
    store, _ = made("exact", Entries(["a"], np.full((1, DIM), 3.0), {"name": ["x"]}))
    assert store.entries().vectors.dtype == np.float32
    assert np.linalg.norm(store.entries().vectors) == pytest.approx(1)


def test_deleted_rows_are_written_out_of_it_aloud():
    entries, said = made_entries(), []
    store, address = made("exact", entries, said)
    store.delete(entries.ids[:8])
    assert said == []
    store.delete(entries.ids[8:9])
    assert said == ["index: written anew: 9 deleted rows in 1 part"]
    assert reopened(store, address).ids() == entries.ids[9:]


def test_many_additions_become_one_file(monkeypatch, tmp_path):
    monkeypatch.setattr("zorki.index.exact.MAX_SEGMENTS", 3)
    said = []
    store, address = made("exact", made_entries(4), said)
    for number in range(3):
        store.add(made_entries(2, seed=number, prefix=f"{number}/"))
    assert said == ["index: written anew: 0 deleted rows in 4 parts"]
    assert len(list((tmp_path / "index").glob("vectors-*.npy"))) == 1
    assert len(reopened(store, address)) == 10


def test_an_index_can_be_emptied_and_filled_again():
    entries = made_entries(5)
    store, address = made("exact", entries)
    store.delete(entries.ids)
    assert len(store) == 0
    with pytest.raises(ZorkiError, match="holds 0 entries"):
        store.search(entries.vectors, 1)
    store.add(entries)
    assert reopened(store, address).ids() == entries.ids


def test_two_that_write_see_each_other():
    store, address = made("exact", made_entries(4))
    other = open_store(address, lambda words: None)
    other.add(made_entries(2, seed=1, prefix="other/"))
    store.add(made_entries(2, seed=2, prefix="own/"))
    assert len(store) == 8
    other.reload()
    assert sorted(other.ids()) == sorted(store.ids())


def test_a_write_that_fails_leaves_the_index_as_it_was(monkeypatch):
    entries = made_entries(4)
    store, address = made("exact", entries)

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    more = made_entries(2, seed=1, prefix="more/")
    with monkeypatch.context() as patch:
        patch.setattr("zorki.index.segments.write_json", fail)
        with pytest.raises(OSError, match="No space"):
            store.add(more)
    assert open_store(address, lambda words: None).ids() == entries.ids


def test_a_build_that_fails_leaves_nothing(monkeypatch, tmp_path):
    def fail(*arguments):
        raise ZorkiError("recall is too low")

    monkeypatch.setattr("zorki.index.exact.ExactStore._fill", fail)
    with pytest.raises(ZorkiError, match="too low"):
        made("exact", made_entries())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "index.json").write_text("{"), "index.json:1: the JSON is broken"),
        (lambda folder: (folder / "index.json").write_text("[]"), "index.json: is no file of an index"),
        (lambda folder: (folder / "index.json").unlink(), "no index is here"),
        (lambda folder: (folder / "vectors-1.npy").unlink(), "vectors-1.npy: is missing"),
        (lambda folder: (folder / "vectors-1.npy").write_bytes(b"x"), "vectors-1.npy: cannot be read"),
        (
            lambda folder: np.save(folder / "vectors-1.npy", np.zeros((4, 3), np.float32)),
            r"expected float32 \(rows, 8\)",
        ),
        (lambda folder: np.save(folder / "vectors-1.npy", np.zeros((3, DIM), np.float32)), "4 ids of 3 vectors"),
    ],
)
def test_a_broken_index_is_one_message(break_it, message, tmp_path):
    made("exact", made_entries(4))
    break_it(tmp_path / "index")
    with pytest.raises(ZorkiError, match=message):
        open_store("index", lambda words: None)


def test_an_index_of_a_later_version_is_refused(tmp_path):
    made("exact", made_entries(4))
    path = tmp_path / "index" / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
    with pytest.raises(ZorkiError, match="of version 99; expected zorki index of at most 1"):
        open_store("index", lambda words: None)


@pytest.mark.skipif(find_spec("faiss") is not None, reason="faiss is installed")
def test_a_missing_library_is_named_with_its_extra():
    with pytest.raises(ZorkiError, match=r"pip install 'zorki\[index\]'"):
        made("hnsw", made_entries())


@pytest.mark.skipif(find_spec("faiss") is None, reason="faiss is not installed")
class TestApproximate:
    def test_recall_is_told_and_refused_where_it_is_low(self, monkeypatch, tmp_path):
        said = []
        made("hnsw", made_entries(300), said)
        assert said == [
            "HNSW: recall@10 against exact search is 1.0000, with up to 1,000 of the vectors as queries (efSearch 32)"
        ]
        monkeypatch.setattr(
            "zorki.index.faiss._search", lambda *a: (np.zeros((75, 10), np.int64), np.zeros((75, 10), np.float32))
        )
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
        with pytest.raises(
            ZorkiError, match=r"HNSW finds 0\.\d+ of the 10 nearest .* expected at least 0.95. Compare every"
        ):
            made("hnsw", made_entries(300))
        assert list((tmp_path / "other").iterdir()) == []

    @pytest.mark.parametrize("kind", ["hnsw", "ivf"])
    def test_rows_beside_the_graph_join_it_aloud(self, kind, monkeypatch):
        monkeypatch.setattr("zorki.index.faiss.MAX_OUTSIDE", 5)
        said = []
        entries = made_entries(400)
        store, address = made(kind, entries, said)
        store.add(made_entries(5, seed=1, prefix="a/"))
        assert len(said) == 1
        store.add(made_entries(20, seed=2, prefix="b/"))
        assert said[1] == "index: 25 rows join the approximate index"
        other = reopened(store, address)
        assert [one.id for one in other.search(made_entries(20, seed=2).vectors[4:5], 1)[0]] == ["b/4.jpg"]

    def test_a_filter_that_leaves_few_is_exact_and_one_that_leaves_many_is_not(self):
        entries = made_entries(400)
        store, _ = made("hnsw", entries)
        query = made_entries(1, seed=4).vectors
        store.delete(entries.ids[:40])
        assert [one.id for one in store.search(query, 5)[0]] == slow_search(entries, query[0], 5, entries.ids[:40])
        store.delete(
            [
                one
                for one, name in zip(entries.ids[40:], entries.columns["name"][40:], strict=True)
                if name == "person 1's"
            ][:70]
        )
        (found,) = store.search(query, 9, {"name": "person 1's"})
        assert all(one.columns["name"] == "person 1's" for one in found)

    def test_a_graph_that_cannot_be_made_anew_leaves_exact_search(self, monkeypatch):
        entries, said = made_entries(100), []
        store, address = made("hnsw", entries, said)

        def fail(*arguments):
            raise ZorkiError("recall is too low")

        monkeypatch.setattr("zorki.index.faiss._tuned", fail)
        store.delete(entries.ids[:30])
        assert said[-1] == "index: the approximate index was not made anew: recall is too low"
        query = made_entries(1, seed=4).vectors
        for one in (store, reopened(store, address)):
            assert len(one) == 70
            assert [n.id for n in one.search(query, 5)[0]] == slow_search(entries, query[0], 5, set(entries.ids[:30]))


@pytest.mark.parametrize("kind", KINDS[3:])
def test_others_choose_an_approximate_index_for_many_and_its_recall_is_told(kind, monkeypatch):
    monkeypatch.setattr("zorki.index.lance.MAX_SCANNED", 200)
    monkeypatch.setattr("zorki.index.milvus.MAX_EXACT", 200)
    said = []
    _, address = made(kind, made_entries(600), said)
    assert re.match(r".*: recall@10 against exact search is (1.0|0.99)", said[0])
    monkeypatch.setattr("zorki.index.recall.MIN_RECALL", 2)
    with pytest.raises(ZorkiError, match="expected at least 2"):
        create_store(f"{address}#other", Header(DIM, ("name",)), made_entries(600), tell=said.append)
    with pytest.raises(ZorkiError, match="there is no such"):
        open_store(f"{address}#other", said.append)


@pytest.mark.parametrize(
    "kind", [pytest.param(*one.values, marks=one.marks) for one in KINDS if one.values[0] == "lancedb"]
)
def test_an_id_that_two_add_in_one_moment_is_kept_once(kind, monkeypatch):
    one, address = made(kind, made_entries(2))
    other = open_store(address, lambda words: None)
    first, second = (made_entries(3, seed, prefix="new/") for seed in (1, 2))

    def meanwhile(store, there):
        monkeypatch.setattr("zorki.index.lance.check_new", check_new)
        one.add(first)

    monkeypatch.setattr("zorki.index.lance.check_new", meanwhile)
    other.add(Entries([*second.ids, "own"], np.concatenate([second.vectors, first.vectors[:1]]), {"name": [""] * 4}))
    for store in (other, open_store(address, lambda words: None)):
        assert sorted(store.ids()) == sorted([*made_entries(2).ids, *first.ids, "own"])
        found = store.entries()
        place = found.ids.index(first.ids[0])
        np.testing.assert_array_equal(found.vectors[place], first.vectors[0])  # whose row came first


def test_auto_is_exact_for_few(tmp_path):
    create_store("index", Header(DIM, ("name",)), made_entries(), tell=lambda words: None)
    assert json.loads((tmp_path / "index" / "index.json").read_text())["kind"] == "exact"


def test_addresses():
    assert split_address("a:b") == ("", "a:b", "")
    assert split_address("lancedb:s3://bucket/x") == ("lancedb", "s3://bucket/x", "zorki")
    with pytest.raises(RecipeError, match=r"expected a place behind milvus:, such as milvus:faces\.db"):
        split_address("milvus:")
    with pytest.raises(RecipeError, match="kind is 'tree'; expected one of auto, exact, hnsw, ivf"):
        create_store("index", Header(DIM), made_entries(), kind="tree", tell=print)
    with pytest.raises(RecipeError, match="chooses itself how it searches"):
        create_store("lancedb:x", Header(DIM), made_entries(), kind="hnsw", tell=print)


def test_nearest_of_nothing():
    store, _ = made("exact", made_entries(4))
    _rows, values = nearest(store._segments, made_entries(2).vectors, 3, np.zeros(4, bool))
    assert values.shape == (2, 3)
    assert (values == -np.inf).all()


class TestFingerprint:
    own = Fingerprint("runs/a", "triplet_resnet18", "ab" * 32, '{"side": 64}', 128)

    def test_the_same_network_may_have_moved(self):
        self.own.check("index", Fingerprint("elsewhere/a", "triplet_resnet18", "ab" * 32, '{"side": 64}', 128))

    def test_another_network_is_named_beside_the_own(self):
        other = Fingerprint("runs/b", "arcface_resnet18", "cd" * 32, '{"side": 64}', 128)
        with pytest.raises(
            ZorkiError, match=r"made by runs/a \(triplet_resnet18, weights abababab\), and is asked by runs/b \(arcf"
        ):
            self.own.check("index", other)

    def test_other_preprocessing_is_another_network(self):
        other = Fingerprint("runs/a", "triplet_resnet18", "ab" * 32, '{"side": 32}', 128)
        with pytest.raises(ZorkiError, match=r'preprocessed by \{"side": 64\}; the query by \{"side": 32\}'):
            self.own.check("index", other)

    def test_json_and_back(self):
        assert Fingerprint.from_json(self.own.to_json()) == self.own
        with pytest.raises(ZorkiError, match="no fingerprint"):
            Fingerprint.from_json({"run": "x"})
