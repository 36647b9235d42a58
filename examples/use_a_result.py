"""What one does with a prediction: rows, arrays, drawings, and other tools' formats."""

import numpy as np

import zorki

run = zorki.train("ssd_squeezenet", "scenes:30@64", epochs=1, quiet=True, image_size=64)
(result,) = run.predict(np.full((64, 96, 3), 127, np.uint8), conf=0.01, max_det=5)  # RGB, uint8
for row in result.filter(classes=[0, 1]):
    print(row.name, row.score, row.box)
print(result, result.numpy()["xyxy"].shape, len(result.to_coco()), len(result.crops()))
print("drawn in", result.save("drawn.png"), "with", result.plot().shape)
