"""The model card: facts of a run, in Hugging Face's form, and what a person wrote stays."""

import json

import pytest
import yaml
from made_runs import HOME, write_run

from zorki import registry
from zorki.engine.publishing.model_card import write_card
from zorki.hub import CARD, card_license


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "runs" / "bees-1")


def card_of(folder):
    text = (folder / CARD).read_text()
    return yaml.safe_load(text.split("---\n")[1]), text


def test_the_head_is_read_by_the_hubs_own_library(run):
    assert write_card(run) is None
    from huggingface_hub import ModelCard

    card = ModelCard.load(run / CARD)
    assert card.data.library_name == "zorki"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.tags == ["zorki", "classification", "lenet5"]
    assert card.data.datasets == ["bees"]
    assert card.data.license is None
    found = {(one.dataset_split, one.metric_type): one.metric_value for one in card.data.eval_results}
    assert found[("test", "top1")] == 0.75
    assert all(one.dataset_name == "bees" and one.task_type == "image-classification" for one in card.data.eval_results)


def test_the_body_tells_facts(run):
    write_card(run)
    _, text = card_of(run)
    for words in (
        "2: bee, wasp",
        "| train | 100 |",
        "Trained on 80 of those in train.",
        "| top1 | 0.7500 | 0.8000 | 0.7500 | 0.8000 |",
        "zorki train lenet5 bees --recipe recipe.yaml",
        "zorki predict runs/bees-1 IMAGES",
        'zorki.load("runs/bees-1")',
        "On test its top1 is not above that of the baseline.",
        "so that their scores tell little: wasp (3).",
        "Of val, 43 of 90 images were evaluated.",
        "Trained from nothing.",
    ):
        assert words in text, words
    assert HOME not in text
    assert "ann" not in text.replace("cannot", "")


def test_of_a_run_without_results_nothing_is_claimed(tmp_path):
    run = write_run(tmp_path / "bees", evaluated=())
    write_card(run)
    values, text = card_of(run)
    assert "model-index" not in values
    assert "metrics" not in values
    assert "no number tells how well it predicts" in text


def test_weights_chosen_on_val_alone_are_said_so(tmp_path):
    run = write_run(tmp_path / "bees", evaluated=("val",))
    write_card(run)
    assert "The weights were chosen by the numbers on val, which flatter it" in (run / CARD).read_text()


def test_where_training_began_and_its_license(tmp_path):
    run = write_run(tmp_path / "bees", weights=f"{HOME}/old.pth")
    write_card(run)
    assert "Training began with the weights old.pth, whose license is not known here." in (run / CARD).read_text()
    write_card(run, license="mit")
    assert card_license(run / CARD) == "mit"
    assert card_license(run / "nothing.md") is None


def test_a_card_is_written_anew_with_the_scores_and_the_address(run):
    write_card(run)
    before = (run / CARD).read_text()
    assert write_card(run) is None
    assert (run / CARD).read_text() == before
    results = json.loads((run / "results.json").read_text())
    results["test"]["metrics"]["top1"] = 0.9
    (run / "results.json").write_text(json.dumps(results))
    assert write_card(run, address="hf://ann/bees") is None
    values, text = card_of(run)
    assert values["model-index"][0]["results"][1]["metrics"][0]["value"] == 0.9
    assert "| 0.9000 |" in text
    assert "zorki predict hf://ann/bees IMAGES" in text


def test_what_a_person_wrote_stays(run):
    write_card(run)
    text = (run / CARD).read_text()
    text = text.replace("2: bee, wasp", "Two insects.").replace(
        "library_name: zorki", "library_name: zorki\nlicense: mit"
    )
    (run / CARD).write_text(text.replace("pipeline_tag: image-classification", "pipeline_tag: other") + "\nMy words.\n")
    assert write_card(run, address="hf://ann/bees") == f"{run / CARD}: kept as somebody wrote them: classes"
    values, text = card_of(run)
    assert (values["license"], values["pipeline_tag"]) == ("mit", "other")
    assert "Two insects." in text
    assert text.endswith("\nMy words.\n")
    assert "zorki predict hf://ann/bees" in text


def test_a_page_of_somebody_elses_stays_whole(run):
    (run / CARD).write_text("# Mine\n")
    assert "kept as somebody wrote them: title, classes" in write_card(run)
    assert (run / CARD).read_text() == "# Mine\n"
    (run / CARD).write_text("---\na: [\n---\n# Mine\n")
    assert "kept as it is" in write_card(run)
    assert (run / CARD).read_text() == "---\na: [\n---\n# Mine\n"


def test_scores_that_others_added_to_the_head_stay(run):
    write_card(run)
    text = (run / CARD).read_text().replace("model-index:\n", "model-index:\n- name: theirs\n  results: []\n")
    (run / CARD).write_text(text)
    write_card(run)
    values, _ = card_of(run)
    assert [one["name"] for one in values["model-index"]] == ["bees-1", "theirs"]


def test_every_task_has_the_hubs_word_or_none():
    tags = {task.pipeline_tag for task in registry.tasks().values()}
    assert tags == {
        "", "image-classification", "object-detection", "keypoint-detection", "image-segmentation",
        "image-feature-extraction", "video-classification", "image-to-image",
    }  # fmt: skip
