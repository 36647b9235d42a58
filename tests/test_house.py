"""The house keeps its plan: arrows without circles, small rooms, one name an idea, the field's words."""

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import zorki

ROOT = Path(zorki.__file__).parent
TOP = ROOT.parent.parent
FILES = sorted(ROOT.rglob("*.py"))
MAX_FILES = 15  # in a folder, its __init__.py not counted
# Rooms, and modules, that stand apart from the only module that imports one of theirs, and why.
APART = {
    "zorki.metrics": "scores that tasks share: the list of those that there are",
    "zorki.nn.backbones": "every backbone serves every task: the list of those that there are",
    "zorki.data.annotations": "datasets of every kind of annotation stand together",
    "zorki.data.scenes": "the built-in data of every task are painted by one hand",
    "zorki.data.preprocess": "preprocessing of every kind, and what makes it again from its saved values",
    "zorki.draw": "plots of every kind stand together",
    "zorki.tasks.detection.models.faster_rcnn": "a method of its own, which Mask R-CNN extends",
    "zorki.losses": "losses by the names of their papers: the list of those that there are",
}
# The one circle that is left: a run's own verbs call those that take runs.
OPEN_CIRCLE = ["zorki.engine.evaluation.evaluate", "zorki.engine.prediction.predict", "zorki.engine.run.open"]
# Words that only this project used, and what the field says.
PRIVATE_WORDS = {
    "pictures?": "image",
    "nobody judge[sd]": "ignored, the ignore index",
    "judg(e[sd]?|ing)": "evaluate, check",
    "(?<!ground )truths?(?! value| of )": "ground truth",
    "likeliest": "most probable",
    "answers": "predictions, outputs",
    "data sets?": "dataset",
    "rungs?": "a compared run",
    "ladders?": "comparison",
    "thinned out": "NMS, subset",
    "badness": "error score",
    "pupils?": "student",
    "legion": "many",
    "turns gradients into steps": "optimizer",
    "longest gradient": "maximum gradient norm",
}
# File names and columns of other people's data, which their readers have to know.
QUOTED = {"label_studio/export_file.py", "masks/pairing.py", "masks/layout.py"}
# Attributes, by literal name, of what is no part of a contract: other libraries' objects, and modules of networks.
ATTRIBUTES = {
    ("zorki.cli.info", "channels"),
    ("zorki.cli.info", "strides"),
    ("zorki.data.annotations.torch_dataset", "classes"),
    ("zorki.data.image_content", "n_frames"),  # of Pillow, which has it for kinds of several pages alone
    ("zorki.data.images", "register_at_fork"),
    ("zorki.data.jpeg", "IMREAD_COLOR_RGB"),
    ("zorki.data.preprocess.flow.dense_inverse_search", "DISOpticalFlow_create"),
    ("zorki.data.preprocess.selective_search", "createSelectiveSearchSegmentation"),
    ("zorki.data.preprocess.selective_search", "segmentation"),
    ("zorki.data.preprocess.selective_search", "ximgproc"),
    ("zorki.data.video.container", "rotation"),
    ("zorki.engine.run.defaults", "sched_getaffinity"),
    ("zorki.tasks.semantic_segmentation.models.fc_densenet.fc_densenet", "needs_indices"),
    ("zorki.tasks.semantic_segmentation.models.segnet", "needs_indices"),
}


def name_of(path):
    parts = ("zorki", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {name_of(path): ast.parse(path.read_text()) for path in FILES}
PATHS = {name_of(path): path for path in FILES}


def imports_of(name):
    """Modules of zorki that a module imports, inside functions and for types too."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "zorki":
            whole = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {module if module in TREES else node.module for module in whole}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "zorki"}
    return found - {name}


IMPORTS = {name: imports_of(name) for name in TREES}


def circles(graph):
    """The sets of nodes that reach each other (Tarjan, 1972), without single ones."""
    order, low, stack, found = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in graph[node]:
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            place = stack.index(node)
            found.append(sorted(stack[place:]))
            del stack[place:]

    for node in graph:
        if node not in order:
            visit(node)
    return [circle for circle in found if len(circle) > 1]


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"d"}}
    assert circles(graph) == [["a", "b", "c"]]
    assert circles(graph | {"c": {"d"}}) == []


def test_no_import_goes_in_a_circle():
    """Imports inside functions and for types count, too."""
    assert circles(IMPORTS) == []


def test_a_folder_holds_few_files():
    counts = Counter(path.parent for path in FILES if path.stem != "__init__")
    full = {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > MAX_FILES}
    assert not full, f"more than {MAX_FILES} files at one level"


def test_no_public_class_name_stands_twice():
    places = defaultdict(list)
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_a_module_with_one_importer_lies_beside_it():
    importers = defaultdict(set)
    for name, modules in IMPORTS.items():
        for module in modules:
            importers[module].add(name)
    far = {}
    for name, path in PATHS.items():
        if path.stem in ("__init__", "task") or len(importers[name]) != 1:  # a task may have one method alone
            continue
        (importer,) = importers[name]
        room = PATHS[importer].parent
        # In the same folder, below it, or in a room beside its own.
        if not (path.parent.is_relative_to(room) or path.parent.parent == room.parent):
            far[name] = importer
    assert len(APART) <= 10
    excused = {name: [room for room in APART if f"{name}.".startswith(f"{room}.")] for name in far}
    assert not {name: far[name] for name, rooms in excused.items() if not rooms}
    assert {room for rooms in excused.values() for room in rooms} == set(APART), "an exception that is none any more"


def test_no_task_is_named_where_all_tasks_are_served():
    tasks = {path.parent.name for path in ROOT.glob("tasks/*/task.py")}
    found = defaultdict(set)
    for name, tree in TREES.items():
        if name.split(".")[1:2] not in (["engine"], ["cli"], ["contracts"], ["registry"]):
            continue
        for node in ast.walk(tree):
            word = node.value if isinstance(node, ast.Constant) else None
            if word in tasks or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zorki.tasks.")):
                found[name].add(word)
    assert not found


def test_attributes_are_asked_for_by_name_only_where_they_are_declared():
    """What is optional is a protocol, see `contracts/capabilities.py`."""
    found = set()
    for name, tree in TREES.items():
        if name.split(".")[1:2] not in (["engine"], ["cli"], ["tasks"], ["contracts"], ["data"]):
            continue
        for node in ast.walk(tree):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if called and node.func.id in {"getattr", "hasattr", "setattr"} and len(node.args) > 1:
                word = node.args[1]
                if isinstance(word, ast.Constant) and isinstance(word.value, str):
                    found.add((name, word.value))
    assert not found - ATTRIBUTES
    assert not ATTRIBUTES - found, "an exception that is none any more"


def test_words_are_the_fields():
    found = []
    for path in [*FILES, *TOP.glob("docs/*.md"), TOP / "README.md"]:
        if "/".join(path.parts[-2:]) in QUOTED:
            continue
        text = re.sub(r"[\s#]+", " ", path.read_text())  # words of one term may stand on two lines
        for words, instead in PRIVATE_WORDS.items():
            if re.search(rf"\b{words}\b", text, re.IGNORECASE):
                found.append(f"{path.relative_to(TOP)}: {words}; the field says {instead}")
    assert not found


def test_metrics_know_no_target_type():
    """Shared by all tasks: tables and tensors; what turns a task's annotations into them stays in the task."""
    targets = {"Boxes", "Instances", "Label", "Mask", "Keypoints"}
    for path in ROOT.glob("metrics/*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not names & targets, path.name


def bases_of(trees):
    """The names of the classes that each class is derived from."""
    bases = defaultdict(set)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] |= {leading_name(base) for base in node.bases} - {node.name}
    return bases


def levels(name, bases):
    """How many classes of the house stand above one, in its longest line."""
    return max((1 + levels(base, bases) for base in bases[name] if base in bases), default=0)


def test_inheritance_is_two_levels_deep_at_most():
    made = bases_of([ast.parse("class A: ...\nclass B(A): ...\nclass C(x.B[int], dict): ...\nclass D(C): ...")])
    assert [levels(name, made) for name in "ABCD"] == [0, 1, 2, 3]
    bases = bases_of(TREES.values())
    assert [name for name in bases if levels(name, dict(bases)) > 2] == []


def family_of(*roots):
    """Names of these contracts, and of all classes that are derived from them or, as each `Preprocess`, look so."""
    bases, found = bases_of(TREES.values()), set(roots)
    classes = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for one in classes:
        if {"__call__", "whole", "to_json"} <= {part.name for part in one.body if isinstance(part, ast.FunctionDef)}:
            found.add(one.name)
    while more := {name for name, own in bases.items() if own & found} - found:
        found |= more
    return found


def leading_name(node):
    """`Model` of `Model`, `Model[Any, T, P]`, `contracts.Model`, `type[Model]` and `Model | None`; else ""."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return leading_name(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp):
        return leading_name(node.left)
    if isinstance(node, ast.Subscript):
        return leading_name(node.slice if leading_name(node.value) in {"type", "Optional"} else node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def assigned(node):
    """What a statement assigns to: targets of =, +=, :, for and with, setattr and del, one by one."""
    if isinstance(node, ast.Assign | ast.Delete):
        places = list(node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
        places = [node.target]
    elif isinstance(node, ast.withitem):
        places = [node.optional_vars] if node.optional_vars else []
    elif isinstance(node, ast.Call) and leading_name(node.func) in {"setattr", "__setattr__", "delattr"}:
        places = [ast.Attribute(node.args[0], ast.unparse(node.args[1]))] if len(node.args) > 1 else []
    else:
        return []
    flat = []
    while places:
        place = places.pop()
        if isinstance(place, ast.Tuple | ast.List):
            places += place.elts
        else:
            flat.append(place.value if isinstance(place, ast.Starred) else place)
    return flat


def types_in(function):
    """The class of each variable of a function whose annotation or making tells it."""
    found = {}
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.annotation is not None:
            found[node.arg] = leading_name(node.annotation)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = leading_name(node.annotation)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, leading_name(node.value.func))
    return found


def assigned_from_outside(tree, family):
    """Assignments to attributes of what is known to be of the family, outside the classes of the family."""
    found = []

    def visit(node, types, inside):
        if isinstance(node, ast.ClassDef):
            inside = inside or node.name in family
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            types = types | types_in(node)
        for place in assigned(node):
            if not isinstance(place, ast.Attribute):
                continue
            owner = place.value
            word = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            known = types.get(word, "") if isinstance(owner, ast.Name) else ""
            own = inside and isinstance(owner, ast.Name)  # a method of the family fills a new one of its own
            if not own and (known in family if known else word in OF_CONTRACTS):
                found.append(ast.unparse(place))
        for child in ast.iter_child_nodes(node):
            visit(child, types, inside)

    visit(tree, {}, False)
    return found


# Variables and attributes that hold a model, a task, a dataset or a preprocess, in whatever class they stand.
OF_CONTRACTS = {"model", "task", "dataset", "preprocess"}
CONTRACTS = {"Model", "Task", "Dataset", "Preprocess"}


def test_the_family_holds_what_is_derived():
    family = family_of(*CONTRACTS)
    assert family >= {"Detector", "Detr", "Segmenter", "Detection", "BoxDataset", "Letterbox", "Classifier"}
    assert not family & {"Recipe", "Backbone", "ClassInfo"}


def test_assignments_from_outside_are_found():
    family = {"Model", "Detr", "Dataset"}
    made = """
def free(a: Model[Any, T, P], b: "Detr | None", c: Recipe, d: list[Model]):
    a.queries = 3
    b.x, c.y = 1, 2
    e = Detr(3)
    e.width += 1
    setattr(e, "name", 1)
    run.model.preprocess = None
    self.dataset.defects += [1]
    c.z = 3
    for a.i in range(3):
        pass
    model: Recipe = 1
    model.fine = 2


class Detr(Model):
    def view(self):
        self.own = 1
        view: Detr = copy(self)
        view.own = 2


class Runner:
    def turn(self, model):
        self.model = model
        model.training = True
"""
    assert sorted(assigned_from_outside(ast.parse(made), family)) == [
        "a.i", "a.queries", "b.x", "e.'name'", "e.width", "model.training", "run.model.preprocess",
        "self.dataset.defects",
    ]  # fmt: skip


def test_no_attribute_is_assigned_from_outside():
    """A model, a task, a dataset and a preprocess are as they were made, but for what their own methods do."""
    family = family_of(*CONTRACTS)
    found = {name: assigned_from_outside(tree, family) for name, tree in TREES.items()}
    assert not {name: places for name, places in found.items() if places}


def test_what_contributors_read_is_there():
    """Files that CONTRIBUTING.md names, and every capability in its table."""
    text = (TOP / "CONTRIBUTING.md").read_text()
    named = {word for word in re.findall(r"`([\w/.]+)`", text) if word.endswith((".py", "/")) and "/" in word}
    there = (TOP, ROOT, ROOT / "tasks" / "detection")  # `models/ssd/ssd.py` is of a task
    assert [word for word in sorted(named) if not any((top / word).exists() for top in there)] == []
    protocols = {
        node.name
        for node in TREES["zorki.contracts.capabilities"].body
        if isinstance(node, ast.ClassDef) and "Protocol" in {leading_name(base) for base in node.bases}
    }
    assert {name for name in protocols if f"`{name}`" not in text} == set()
