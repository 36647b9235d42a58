"""From records to a dataset of masks: outlines become run lengths, and objects without a usable one are told."""

from __future__ import annotations

import numpy as np

from zorki.data.annotations.boxes.build import ReadOptions, build
from zorki.data.annotations.instances.dataset import InstanceDataset
from zorki.data.annotations.instances.tracer import Tracer
from zorki.data.annotations.records import Records


def build_instances(records: Records, options: ReadOptions) -> InstanceDataset:
    """The dataset that the records tell of; objects without a mask are left out, and each is told with its reason.

    Raises:
        DataError: none of the images is there, no object has a mask, or none is of a class among `class_names`.
    """
    tracer = Tracer()
    boxed = build(records, options, tracer)
    lengths = [len(text) for text in tracer.packed]
    counts = np.frombuffer(b"".join(tracer.packed), np.uint8)
    return InstanceDataset(boxed, counts, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
