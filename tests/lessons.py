"""What is asked of networks that train in tests: that the loss falls on one repeated batch.

Another processor rounds otherwise, and after some steps a network is another one. So a lesson has no fixed end: it
stops where the loss has fallen, and `within` leaves far more steps than it takes: nearly all need less than 40.
"""

import torch


def check_that_the_loss_falls(
    model, inputs, targets, *, to=0.6, within=120, rate=1e-3, rule=torch.optim.Adam, clip=10.0, parts=None
):
    """The loss comes to `to` times its first value within so many steps, two steps in a row.

    Each of `parts` (name: share) comes to its share of its own first value in the same two steps. Who is sampled to
    learn, and what is dropped, is the same in every step.
    """
    shares = {"sum": to, **(parts or {})}
    model.train()
    rule = rule([parameter for parameter in model.parameters() if parameter.requires_grad], lr=rate)
    history = []
    for _ in range(within):
        torch.manual_seed(0)
        losses = model.loss(model(inputs), targets)
        total = torch.stack(list(losses.values())).sum()
        history.append({name: float(value.detach()) for name, value in {**losses, "sum": total}.items()})
        assert total.isfinite(), history
        if len(history) > 2 and all(
            step[name] < share * history[0][name] for step in history[-2:] for name, share in shares.items()
        ):
            return history
        rule.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        rule.step()
    raise AssertionError(f"the loss does not come to {shares} of its first value: {history}")
