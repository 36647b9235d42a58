"""Arrows point one way, heavy packages are imported when needed, and no file has a name that says nothing."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import zorki

ROOT = Path(zorki.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py"))
FLOOR = ("ops", "nn", "losses", "metrics", "tracks", "index", "data", "draw")
EMPTY_NAMES = {"utils", "util", "helpers", "common", "misc", "base"}
# The parts of the house from the ground up; a part may import those before it and itself.
ORDER = [
    ("errors", "files", "class_selection", "devices", "durations", "hub", "installed", "input_files", "output"),
    ("settings",),
    ("types", "tiles"),
    ("weights",),
    ("contracts",),
    FLOOR,
    ("registry", "recipe", "task_settings"),
    ("exported",),
    ("introspection",),
    ("tasks",),
    ("engine",),
    ("cli",),
]
LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts}
# Named exceptions: an arrow that only types need, or that discovery needs.
ALLOWED = {("contracts", "recipe"), ("registry", "tasks")}


def part_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path):
    """Modules of zorki imported anywhere in a file, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "zorki":
            names = [node.module] if node.module != "zorki" else [f"zorki.{alias.name}" for alias in node.names]
            yield from names
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "zorki")


@pytest.mark.parametrize(
    "path", [f for f in FILES if f.parent != ROOT or f.stem != "__init__"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_arrows_point_one_way(path):
    part = part_of(path)
    if part == "__main__":
        return
    assert part in LEVEL, f"{part} has no place in the house: add it to ORDER"
    for module in imports_of(path):
        target = module.split(".")[1] if "." in module else ""
        if not target or target == part or (part, target) in ALLOWED:
            continue
        assert LEVEL[target] <= LEVEL[part], f"{path.relative_to(ROOT)} imports {module}, which stands above it"


def test_the_floor_knows_no_task():
    for path in FILES:
        if part_of(path) in FLOOR:
            assert not [
                m
                for m in imports_of(path)
                if m.startswith(("zorki.tasks", "zorki.engine", "zorki.cli", "zorki.recipe"))
            ]


def test_tasks_hold_only_those_that_the_table_names():
    table = (ROOT / "tasks" / "README.md").read_text().partition("| task | holds |")[2]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[1:]]
    holds = {name: set(words.replace(",", " ").split()) - {"none"} for name, words in rows}
    assert set(holds) == {path.name for path in (ROOT / "tasks").iterdir() if (path / "task.py").exists()}
    for path in (ROOT / "tasks").glob("*/**/*.py"):
        own = path.relative_to(ROOT / "tasks").parts[0]
        others = {module.split(".")[2] for module in imports_of(path) if module.startswith("zorki.tasks.")} & set(holds)
        assert others <= {own} | holds[own], f"{path.relative_to(ROOT)} imports {others - {own} - holds[own]}"


def test_no_file_has_an_empty_name():
    assert not [path for path in FILES if path.stem in EMPTY_NAMES]


# What networks, training and plots need.
NOT_FOR_DATA = {"torchvision", "lightning", "timm", "torchmetrics", "matplotlib", "pandas", "tensorboard", "av", "cv2"}


def loaded_by(code):
    program = f"import sys\n{code}\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


def test_import_zorki_and_help_load_nothing_heavy():
    heavy = {"torch", "torchvision", "lightning", "timm", "numpy", "PIL", "cyclopts", "rich", "av", "cv2"}
    assert not loaded_by("import zorki") & heavy
    code = (
        "import contextlib, io, zorki.cli\nwith contextlib.redirect_stdout(io.StringIO()): zorki.cli.main(['--help'])"
    )
    assert not loaded_by(code) & heavy


def test_help_of_a_verb_does_not_load_torch():
    for verb in ("train", "evaluate", "predict", "show", "models", "info", "tasks", "demo", "find-lr", "tune", "serve"):
        code = (
            "import contextlib, io, zorki.cli\n"
            f"with contextlib.redirect_stdout(io.StringIO()):\n    zorki.cli._run(['{verb}', '--help'])"
        )
        assert "torch" not in loaded_by(code), verb


def test_listing_names_loads_neither_torchvision_nor_timm():
    """Only building a network that they bring does: they take seconds to load."""
    code = "from zorki import registry\nassert registry.entries() and registry.tasks()"
    assert not loaded_by(code) & {"torchvision", "timm", "lightning"}


@pytest.fixture
def cells():
    """Two images with a box each, and predictions, in COCO's format."""
    boxes = [{"image_id": number, "category_id": 1, "bbox": [1, 2, 8, 9]} for number in (1, 2)]
    page = {
        "images": [{"id": number, "file_name": f"{number}.png", "width": 20, "height": 16} for number in (1, 2)],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [{"id": box["image_id"], "area": 72, "iscrowd": 0, **box} for box in boxes],
    }
    Path("cells").mkdir()
    for image in page["images"]:
        Image.new("RGB", (20, 16)).save(Path("cells", image["file_name"]))
    Path("cells/instances.json").write_text(json.dumps(page))
    Path("found.json").write_text(json.dumps([{**box, "score": 0.5} for box in boxes]))


def run_verbs(*verbs):
    calls = "".join(f"    assert zorki.cli._run({verb.split()}) == 0\n" for verb in verbs)
    return f"import contextlib, io, zorki.cli\nwith contextlib.redirect_stdout(io.StringIO()):\n{calls}"


def test_converting_boxes_and_judging_predictions_do_not_load_torch(cells):
    verbs = [f"convert cells --to {kind} --out {kind}" for kind in ("yolo", "voc")]
    loaded = loaded_by(run_verbs(*verbs, "evaluate --predictions found.json cells/instances.json"))
    assert not loaded & {"torch", *NOT_FOR_DATA}
    assert loaded >= {"numpy", "hotcoco"}


@pytest.fixture
def data_of_every_task(cells):
    """Outlines and joints in COCO's format, images in folders of classes, and images with masks."""
    page = json.loads(Path("cells/instances.json").read_text())
    for one in page["annotations"]:
        one["segmentation"] = [[1, 2, 9, 2, 9, 11, 1, 11]]
    Path("cells/instances.json").write_text(json.dumps(page))
    page["categories"][0] |= {"keypoints": ["nose", "left_eye"], "skeleton": [[1, 2]]}
    for one in page["annotations"]:
        one |= {"keypoints": [3, 4, 2, 5, 6, 1], "num_keypoints": 2}
    folders = ("people", "classes/cat", "classes/dog", "street/images", "street/masks")
    for number, folder in enumerate(folders):
        Path(folder).mkdir(parents=True)
        for name in ("1.png", "2.png"):
            image = Image.new("RGB", (20, 16), (number, 9, 9))
            if folder == "street/masks":
                image = Image.new("L", (20, 16))
                image.paste(1, (2, 2, 9, 9))
            image.save(Path(folder, name))
    Path("people/keypoints.json").write_text(json.dumps(page))


def test_looking_at_data_loads_nothing_heavy(data_of_every_task):
    """Whatever the task: torch alone would take three times as long as all else."""
    tasks = ("detection", "localization", "instance_segmentation", "semantic_segmentation")
    looks = [f"cells --task {task}" for task in tasks]
    looks += ["people --task pose", "street", "classes", "classes --task retrieval"]
    code = run_verbs(*(f"show {look} --out {number}.png" for number, look in enumerate(looks))) + (
        "import sys\nparts = ('zorki.engine.prediction', 'zorki.engine.run', 'zorki.engine.training')\n"
        "loaded = [name for name in sys.modules if name.startswith(parts)]\nassert not loaded, loaded"
    )
    assert not loaded_by(code) & {"torch", *NOT_FOR_DATA}
    assert all(Path(f"{number}.png").exists() for number in range(len(looks)))


def test_opening_a_run_loads_neither_what_training_needs_nor_other_networks():
    """The whole process is to take little longer than the import of torch."""
    code = (
        "import zorki\nfrom zorki import registry\n"
        "assert zorki.load and zorki.predict and zorki.evaluate and zorki.Run\n"
        "assert registry.find('fcos_squeezenet').name == 'fcos_squeezenet' and registry.task('detection')\n"
        "assert 'zorki.tasks.detection.models.fcos' in sys.modules\n"
        "assert not [name for name in sys.modules if name.endswith(('models.ssd', 'models.detr', 'models.resnet'))]"
    )
    assert not loaded_by(code) & {"torchvision", "timm", "lightning", "torchmetrics", "scipy", "matplotlib"}


def test_every_model_is_found_in_its_own_module_alone():
    """By its source, or all modules would be imported for each name."""
    code = (
        "from zorki import registry\nnames = [entry.name for entry in registry.entries()]\n"
        "registry._discover = None  # not callable: looking into every module would fail\n"
        "known = dict(registry._entries)\n"
        "for name in names:\n    registry._entries.clear()\n    del sys.modules[known[name].build.__module__]\n"
        "    assert registry.find(name).name == name"
    )
    assert loaded_by(code)
