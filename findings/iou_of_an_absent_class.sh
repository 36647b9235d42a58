#!/usr/bin/env bash
# Mean IoU of one prediction, three libraries, three values. Of three classes one is neither in the ground truth nor in
# the prediction: torchmetrics 1.9.0 leaves it out, segmentation-models-pytorch 0.6.0 counts it as 1, scikit-learn 1.9.1
# as 0. Class by class they agree: 2/3 and 1/2.
# Seen: torchmetrics 0.5833, segmentation-models-pytorch 0.7222, scikit-learn 0.3889
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python torchmetrics==1.9.0 segmentation-models-pytorch==0.6.0 scikit-learn==1.9.1 torch==2.14.1 torchvision==0.29.1
env/bin/python -I - <<'PYTHON'
import segmentation_models_pytorch.metrics as smp
import torch
from sklearn.metrics import jaccard_score
from torchmetrics.classification import MulticlassJaccardIndex

truth, answer = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 0, 1, 0]])
counts = smp.get_stats(answer, truth, mode="multiclass", num_classes=3)
seen = {
    "torchmetrics": float(MulticlassJaccardIndex(num_classes=3)(answer, truth)),
    "segmentation-models-pytorch": float(smp.iou_score(*counts, reduction="macro")),
    "scikit-learn": float(jaccard_score(truth[0], answer[0], labels=[0, 1, 2], average="macro", zero_division=0)),
}
seen = {name: round(value, 4) for name, value in seen.items()}
print(seen)
assert list(seen.values()) == [0.5833, 0.7222, 0.3889]
PYTHON
