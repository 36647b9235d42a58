"""Names of models: variants of a builder, methods on any backbone, plugins from outside."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
import torch

import zorki
from zorki import registry
from zorki.errors import RecipeError
from zorki.registry import Variant, model
from zorki.tasks.classification.task import Classification

PLUGIN = '''
"""A method from outside."""

from zorki.data.preprocess.letterbox import Letterbox
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.heads.class_heads import PooledHead
from zorki.registry import Variant, model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification


@model(
    Classification,
    variants=[Variant("tiny_plugin_net", "A small one.", {"backbone": "squeezenet"}, {"image_size": 64})],
    any_backbone="plugin_net_{backbone}",
)
def plugin_net(num_classes: int, *, backbone: str, image_size: int = 96, dropout: float = 0.0) -> Classifier:
    """A method from outside.

    Args:
        backbone: its name, which
            no variant shows.
        image_size: in pixels.
    """
    network = backbone_named(backbone)
    head = PooledHead(network.channels[-1], num_classes, dropout=dropout)
    return Classifier(network, head, num_classes=num_classes, preprocess=Letterbox(image_size))
'''


@pytest.fixture
def clean(monkeypatch):
    """The registry as it was, afterwards."""
    registry._discover()
    for name in ("_entries", "_families", "_plugins"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    yield
    for name in [name for name in sys.modules if name.startswith("zorki_plugin_")]:
        del sys.modules[name]


def test_a_file_from_outside_brings_variants_and_any_backbone(tmp_path, clean):
    file = tmp_path / "my_model.py"
    file.write_text(PLUGIN)
    assert zorki.load_plugin(file) == ["tiny_plugin_net", "plugin_net_{backbone}"]
    assert zorki.load_plugin(str(file)) == ["tiny_plugin_net", "plugin_net_{backbone}"]  # once
    entry = zorki.find("tiny_plugin_net")
    assert entry.summary == "A small one."
    assert list(entry.options()) == ["image_size", "dropout"]
    assert entry.options()["image_size"].default == 64
    assert "backbone" not in entry.build.__doc__
    assert "which" not in entry.build.__doc__
    assert "image_size: in pixels." in entry.build.__doc__
    assert entry.weights == registry.find("fcos_squeezenet").weights
    network = zorki.build("tiny_plugin_net", 3, {"size": "32"})  # the old name of the option, as typed
    assert isinstance(network, torch.nn.Module)
    assert network.preprocess.size == 32
    other = zorki.find("plugin_net_resnet18")
    assert other.summary == "A method from outside; on resnet18."
    assert list(other.options()) == ["image_size", "dropout"]
    with pytest.raises(RecipeError, match=r"Did you mean tiny_plugin_net.* After 'plugin_net_', no backbone"):
        zorki.find("plugin_net_nothing")


def test_a_package_from_outside_has_its_own_files(tmp_path, clean):
    folder = tmp_path / "my_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("from . import network\n")
    (folder / "network.py").write_text(PLUGIN)
    assert "tiny_plugin_net" in zorki.load_plugin(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [("import nowhere_to_be_found", "ModuleNotFoundError: No module"), ("1 / 0", "ZeroDivisionError")],
)
def test_a_broken_plugin_is_told(tmp_path, clean, text, message):
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(RecipeError, match=rf"plugin .*broken.py cannot be loaded: {message}"):
        zorki.load_plugin(file)
    assert "zorki_plugin_broken" not in sys.modules
    with pytest.raises(RecipeError, match=r"there is no .*none\.py"):
        zorki.load_plugin(tmp_path / "none.py")


def test_names_that_are_taken_are_refused(tmp_path, clean):
    file = tmp_path / "taken.py"
    file.write_text(PLUGIN.replace("tiny_plugin_net", "resnet18"))
    with pytest.raises(RecipeError, match=r"two models are named resnet18, in zorki\.tasks"):
        zorki.load_plugin(file)


def test_installed_packages_are_found_by_their_entry_points(tmp_path, clean, monkeypatch):
    (tmp_path / "installed_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        EntryPoint("good", "installed_plugin", registry.ENTRY_POINTS),
        EntryPoint("bad", "not_installed", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr("zorki.installed.entry_points", lambda group: points)
    registry._discover.cache_clear()
    with pytest.warns(UserWarning, match=r"entry point bad \(not_installed\) cannot be loaded"):
        assert zorki.entries("tiny_plugin*")[0].name == "tiny_plugin_net"
    sys.modules.pop("installed_plugin")


def test_an_option_given_by_two_names_is_refused():
    with pytest.raises(RecipeError, match="image_size is given twice"):
        registry.build("lenet5", 2, {"size": 32, "image_size": 32})


def test_a_variant_of_what_the_builder_lacks_is_refused(clean):
    with pytest.raises(ValueError, match=r"no arguments \['width'\]"):

        @model(Classification, variants=[Variant("wide", "Wide.", {"width": 2}, weights={})])
        def narrow(num_classes: int) -> None:
            """Narrow."""


def test_a_named_model_goes_before_a_pattern_that_fits():
    code = (
        "from zorki import registry\n"
        "names = ('fcn8s_vgg16', 'fcn16s_alexnet', 'fcos_resnet50_fpn', 'rcnn_alexnet')\n"
        "assert all(registry.find(name).name in registry._entries for name in names)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("per_class", "maybe", "localizer_squeezenet1_1's per_class is 'maybe'; expected true or false"),
        ("per_class", "3", "per_class is '3'; expected true or false"),
        ("image_size", "large", "image_size is 'large'; expected something like 224"),
        ("image_size", "64.5", r"image_size is '64\.5'; expected something like 224"),
        ("image_size", "true", "image_size is 'true'; expected something like 224"),
    ],
)
def test_an_option_of_another_kind_is_refused(option, value, message):
    with pytest.raises(RecipeError, match=message):
        registry.build("localizer_squeezenet1_1", 2, {option: value})


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        (
            "simclr_cifar_resnet20",
            "temperature",
            "0",
            "cannot be built with temperature=0.0: the temperature is above 0",
        ),
        ("simclr_cifar_resnet20", "width", "-1", "cannot be built with width=-1: "),
        ("moco_cifar_resnet20", "momentum", "2", "momentum is 2; expected 0 .* to 1"),
        ("lstm_cifar_resnet20", "dropout", "2", "cannot be built with dropout=2.0: "),
        ("frame_average_cifar_resnet20", "average", "score", "expected one of features, scores. Did you mean scores"),
        ("cifar_resnet20", "shortcut", "C", "shortcut is 'C'; expected one of A, B"),
    ],
)
def test_a_value_that_a_builder_refuses_is_told(name, option, value, message):
    with pytest.raises(RecipeError, match=message):
        registry.build(name, 2, {option: value})


def test_options_that_are_typed_are_of_the_builders_kind():
    typed = {"per_class": "off", "image_size": "64"}
    assert registry.build("localizer_squeezenet1_1", 2, typed).preprocess.size == 64
