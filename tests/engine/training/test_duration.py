"""How long a training takes, told from its first steps."""

import pytest

from zorki.engine.training.duration import EpochBudget, Forecast, StepTimer, Workload


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def told(workload, *, step, evaluation=0.0, first_step=None, epochs=1):
    """What is said in so many epochs on a clock of our own, each with the step after which it came."""
    clock, words = Clock(), []
    forecast = Forecast(workload, lambda text: words.append((done, text)), clock)
    for epoch in range(epochs):
        began = clock.now
        for number in range(workload.steps):
            done = epoch * workload.steps + number + 1
            clock.now += first_step if first_step and done == 1 else step
            forecast.step(done)
        trained = clock.now - began
        clock.now += evaluation
        forecast.epoch(done, trained, evaluation)
    return words


def test_a_training_that_is_over_by_then_is_not_told_of():
    assert told(Workload(1, 4, 0, 0), step=9.0) == []


def test_after_the_first_steps_one_line_tells_how_long_it_takes():
    words = told(Workload(30, 40, 0, 0), step=0.6, first_step=9.0)
    assert [text for _, text in words] == ["about 12 min: 30 epochs of 40 steps, 0.6 s a step"]  # 1,194 steps: 716 s


def test_slow_steps_are_told_after_few():
    assert told(Workload(3, 10, 0, 0), step=20.0) == [(4, "about 9 min: 3 epochs of 10 steps, 20 s a step")]


def test_evaluation_is_estimated_and_told_once_more_where_it_takes_far_longer():
    """100 steps of 1 s and 5 times 10 batches of half a second are left to be 125 s; each evaluation took 60 s."""
    words = told(Workload(5, 20, 10, 10), step=1.0, evaluation=60.0)
    assert words == [
        (4, "about 2 min: 5 epochs of 20 steps, 1 s a step"),  # 96 + 25 + 5
        (20, "longer than that: about 6 min more: 4 epochs of 20 steps, 1 s a step, 60 s for each evaluation"),
    ]
    assert len(told(Workload(5, 20, 10, 10), step=1.0, evaluation=6.0)) == 1


def test_short_epochs_are_told_by_whole_ones_or_not_at_all():
    assert told(Workload(3, 2, 0, 0), step=2.0) == [(2, "about 8 s more: 2 epochs of 2 steps, 2 s a step")]
    assert told(Workload(2, 2, 0, 0), step=0.1, epochs=2) == []
    assert told(Workload(1, 3, 4, 4), step=2.0) == []  # all but its evaluation is over


def test_a_resumed_run_tells_what_is_left():
    clock, words = Clock(), []
    forecast = Forecast(Workload(10, 100, 0, 0), words.append, clock)
    for done in range(851, 860):
        clock.now += 1.0
        forecast.step(done)
    assert words == ["about 2 min more: 2 epochs of 100 steps, 1 s a step"]


def test_what_comes_between_steps_is_not_timed():
    clock = Clock()
    timer = StepTimer(clock)
    for seconds in (50.0, 1.0, 1.0):
        clock.now += seconds
        timer.step()
    timer.pause()
    for seconds in (50.0, 1.0):
        clock.now += seconds
        timer.step()
    assert (timer.steps, timer.seconds_a_step, timer.is_enough) == (3, 1.0, True)


@pytest.mark.parametrize(
    ("seconds", "epochs"),
    [(600, 11), (70, 1), (65, 1), (10, 1), (125, 2)],  # an epoch takes 40 s and 10 s, the last evaluation 20 s
)
def test_epochs_for_which_there_is_time(seconds, epochs):
    workload = Workload(0, 40, 5, 10)
    assert workload.epochs_within(seconds, step=1.0, evaluation=10.0) == epochs


def trained(limit, planned, seconds_of):
    """A run on a machine whose epochs take `seconds_of(epoch)`: is it complete, its seconds, its numbers of epochs."""
    budget, spent, epochs, done, changes = EpochBudget(Workload(planned, 10, 5, 0), limit), 0.0, planned, 0, []
    while done < epochs:
        training, evaluation = 0.8 * seconds_of(done), 0.2 * seconds_of(done)
        spent, done = spent + training + evaluation, done + 1
        if done < epochs and spent < limit:
            epochs = budget.epochs(done, spent, training, evaluation)
            changes.append(epochs)
        elif spent >= limit:
            break
    return done == epochs, spent, changes


def test_a_machine_as_fast_as_it_was_keeps_its_epochs():
    assert trained(100, 10, lambda epoch: 10.0) == (True, 100.0, [10] * 9)


@pytest.mark.parametrize("slow_from", range(1, 8))
def test_where_it_becomes_slower_the_schedule_is_shorter_and_complete(slow_from):
    complete, spent, _ = trained(100, 10, lambda epoch: 10.0 if epoch < slow_from else 20.0)
    assert complete
    assert spent <= 120  # by one epoch at most, which was slower than any before


def test_one_slow_epoch_takes_no_other_ones_place():
    complete, _, changes = trained(100, 9, lambda epoch: 19.0 if epoch == 3 else 10.0)
    assert complete
    assert min(changes) < 9
    assert changes[-1] == 9
    complete, _, changes = trained(100, 10, lambda epoch: 15.0 if epoch == 0 else 9.0)
    assert complete
    assert changes[-1] == 10
