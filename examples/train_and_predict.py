"""Train on built-in images, evaluate, and prediction: the three calls that most work needs."""

from pathlib import Path

import zorki
from zorki.data.scenes.dataset import SceneClassification

run = zorki.train("lenet5", "scenes:300@32", epochs=3, quiet=True)
results = run.evaluate(split="test")
print(f"top-1 {results.metrics.top1:.3f}, baseline {results.baseline['top1']:.3f}, report {run.report}")

SceneClassification(30, size=(32, 32)).write_folders(Path("images"))
(result,) = run.predict(next(Path("images").rglob("*.png")))
print("it is a", result[0].name)
