#!/usr/bin/env bash
# lancedb 0.40.0: merge_insert on an id column with when_not_matched_insert_all looks for ids in the version of the table
# that its handle has seen last. Where another handle has inserted the same id since, there is no conflict and no second
# look: the table has the id twice. Guessed: a commit that conflicts is tried again, and the second one inserts nothing.
# Seen: two handles of one table, each inserts the id "new" once: ids ['new', 'new', 'old']
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python lancedb==0.40.0 pyarrow==26.0.1
env/bin/python -I - <<'PYTHON'
import lancedb

database = lancedb.connect("vectors")
database.create_table("images", [{"id": "old", "vector": [1.0, 0.0]}])
one, other = database.open_table("images"), database.open_table("images")
for handle in (one, other):
    handle.checkout_latest()
for handle in (one, other):
    row = [{"id": "new", "vector": [0.0, 1.0]}]
    handle.merge_insert("id").when_not_matched_insert_all().execute(row)
ids = sorted(database.open_table("images").to_arrow().column("id").to_pylist())
print("ids:", ids)
assert ids == ["new", "new", "old"]
PYTHON
