"""Files of others are opened by `zorki.input_files` alone; what reads otherwise is named here, with its reason."""

import ast
from pathlib import Path

import zorki

ROOT = Path(zorki.__file__).parent
CALLS = {
    ("json", "load"), ("json", "loads"), ("csv", "reader"), ("csv", "DictReader"), ("yaml", "load"),
    ("yaml", "safe_load"), ("ElementTree", "parse"), ("ElementTree", "fromstring"), ("np", "load"),
}  # fmt: skip
METHODS = {"read_text", "read_bytes"}
EXCUSED = {
    "class_selection.py": "JSON that the user typed",
    "draw/report.py": "the package's own style sheet",
    "engine/comparison/compare.py": "what its own process printed",
    "engine/prediction/journal.py": "lines that it writes itself",
    "engine/prediction/shards/on_ray.py": "what its own processes sent",
    "engine/run/data_files.py": "lines that it writes itself",
    "engine/run/environment.py": "the processor's description by the system",
    "engine/run/logs.py": "CSV that it writes itself, by `open_file`",
    "engine/tuning/trial_process.py": "what its own process printed",
    "data/loading/stored_work.py": "arrays that it writes itself, by `open_file`",
    "index/lance.py": "JSON that it wrote into the table itself",
    "index/milvus.py": "JSON that it wrote into the collection itself",
    "index/segments.py": "arrays, mapped, or by `open_file`",
    "index/vector_files.py": "an array, mapped, so that the file bounds it",
    "registry.py": "source code of models, to find their names",
}


def reads_of(tree):
    """Calls that read a file, or parse what stood in one."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute):
            owner = called.value.id if isinstance(called.value, ast.Name) else None
            if (owner, called.attr) in CALLS or called.attr in METHODS:
                yield f"{owner}.{called.attr}", node.lineno
        elif isinstance(called, ast.Name) and called.id == "open":
            modes = [arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)]
            if not modes or not set(modes[0]) & set("wax"):
                yield "open", node.lineno


def test_reads_are_found():
    text = "json.loads(a)\npath.read_text()\nopen(a)\nopen(a, 'w')\nread_json(a)\nopen(a, 'rb')"
    assert [line for _, line in reads_of(ast.parse(text))] == [1, 2, 3, 6]


def test_files_of_others_are_read_within_bounds():
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("input_files/") and (reads := list(reads_of(ast.parse(path.read_text())))):
            found[name] = reads
    assert not {name: reads for name, reads in found.items() if name not in EXCUSED}
    assert found.keys() == EXCUSED.keys(), "an exception that is none any more"
