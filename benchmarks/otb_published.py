"""OTB's published scores from published result files of STRUCK, MEEM and MUSTer, by `zorki.metrics.tracks.otb`.

    python benchmarks/otb_published.py FOLDER

FOLDER holds otb100_annotations/anno/*.txt and jwlim_OPE/TRACKER/SEQUENCE.json with jwlim_OPE/TRACKER/scores_*/ALL.json,
of jwlim/tracker_benchmark on GitHub.
"""

import json
import re
import sys
from pathlib import Path

import torch
from torch import Tensor

from zorki.metrics.tracks.otb import OtbCurves, mean_curves, otb_curves


def numbers(path: Path) -> Tensor:
    """The rows x, y, w, h of a file of ground truth, parted by commas, tabs or spaces."""
    rows = [
        [float(word) for word in re.split(r"[,\s]+", line.strip())] for line in path.read_text().splitlines() if line
    ]
    return torch.tensor(rows, dtype=torch.float64)


def xyxy(rows: Tensor) -> Tensor:
    return torch.cat([rows[:, :2], rows[:, :2] + rows[:, 2:]], 1)


def curves_of(result: Path, annotation: Path) -> OtbCurves:
    truth = numbers(annotation)
    predicted = torch.tensor(json.loads(result.read_text())[0]["res"], dtype=torch.float64)
    count = min(len(truth), len(predicted))
    truth, predicted = truth[:count], predicted[:count]
    return otb_curves(xyxy(predicted), xyxy(truth), (truth > 0).all(1))


def main(folder: Path) -> None:
    annotations = {path.stem.lower(): path for path in (folder / "otb100_annotations" / "anno").glob("*.txt")}
    print(
        f"{'tracker':8}{'sequences':10}{'AUC':>8}{'stated':>8}{'at 20 px':>10}{'stated':>8}{'largest difference':>20}"
    )
    for scores in sorted(folder.glob("jwlim_OPE/*/scores_*/ALL.json")):
        stated = json.loads(scores.read_text())
        tracker, name = scores.parts[-3], scores.parts[-2].removeprefix("scores_")
        results = [scores.parents[1] / f"{sequence}.json" for sequence in stated["seqs"]]
        if missing := [path.name for path in results if not path.is_file()]:
            print(f"{tracker:8}{name:10} cannot be repeated: result files of {len(missing)} sequences are not there")
            continue
        found = mean_curves([curves_of(path, annotations[path.stem.lower()]) for path in results])
        success, precision = (
            torch.tensor(stated[key], dtype=torch.float64) for key in ("successRateList", "precisionList")
        )
        largest = max(float((found.success - success).abs().max()), float((found.precision - precision).abs().max()))
        print(
            f"{tracker:8}{name:10}{found.auc:8.4f}{float(success.mean()):8.4f}"
            f"{found.precision_at_20:10.4f}{float(precision[20]):8.4f}{largest:20.1e}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
