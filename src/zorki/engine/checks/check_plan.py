"""All checks of a planned training: its data, what the network receives, and the network."""

from __future__ import annotations

from zorki.contracts import Section
from zorki.engine.checks.augmentation import check_inputs
from zorki.engine.checks.check_data import check_dataset
from zorki.engine.checks.check_training import check_training
from zorki.engine.checks.report import Inspection
from zorki.engine.training.plan import TrainingPlan

READING = 0.3  # of the time that is left, for reading images


def check_plan(inspection: Inspection, plan: TrainingPlan) -> list[Section]:
    """Makes all checks that are wanted, as far as there is time, and gives the sections of their page."""
    check_dataset(inspection, plan.task, plan.dataset, plan.model.preprocess.size, reading=READING)
    if not any(id.startswith(("ZM", "ZA")) for id in inspection.chosen):
        return []
    batches = check_training(inspection, plan)
    return check_inputs(inspection, plan, batches)
