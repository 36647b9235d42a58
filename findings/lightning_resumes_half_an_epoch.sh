#!/usr/bin/env bash
# Lightning 2.6.6 goes on after a checkpoint in the middle of an epoch with a DataLoader that starts anew: the number of
# batches left is right, the batches are not. With the same seed the epoch's second half is its first half once more, and
# the other images are not seen at all.
# Seen: of 12 samples in 6 batches, stopped after 3: 6 samples twice, 6 never
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python lightning==2.6.6 torch==2.14.1
env/bin/python -I - <<'PYTHON'
import logging, warnings
import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

warnings.simplefilter("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

class Seen(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer, self.seen = torch.nn.Linear(1, 1), []
    def training_step(self, batch, place):
        self.seen += batch.flatten().int().tolist()
        return self.layer(batch).sum()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

def samples_of(steps, checkpoint=None):
    L.seed_everything(0, verbose=False)  # as every start of a training script does
    keep = ModelCheckpoint("kept", "middle", every_n_train_steps=3, save_top_k=-1)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    model, loader = Seen(), DataLoader(torch.arange(12.0)[:, None], batch_size=2, shuffle=True)
    L.Trainer(max_epochs=1, max_steps=steps, callbacks=[keep], **quiet).fit(model, loader, ckpt_path=checkpoint)
    return model.seen

seen = samples_of(3) + samples_of(-1, "kept/middle.ckpt")
counts = [seen.count(sample) for sample in range(12)]
print("seen", seen, "  twice", counts.count(2), "never", counts.count(0))
assert sorted(counts) == [0] * 6 + [2] * 6
PYTHON
