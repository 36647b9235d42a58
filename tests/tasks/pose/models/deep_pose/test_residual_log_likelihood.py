"""The flow is a density, and the likelihood is the paper's formula."""

import math

import torch

from zorki.tasks.pose.models.deep_pose.residual_log_likelihood import RealNvp, ResidualLogLikelihood


def test_the_density_sums_to_one_whatever_the_weights() -> None:
    torch.manual_seed(0)
    flow = RealNvp()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
        steps = torch.linspace(-9, 9, 181)
        grid = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
        total = flow.log_density(grid).exp().sum() * 0.1**2
    assert abs(float(total) - 1) < 0.02


def test_a_flow_that_has_learned_nothing_is_a_normal_density() -> None:
    torch.manual_seed(0)
    density = RealNvp().log_density(torch.tensor([[0.0, 0.0], [1.0, 2.0]]))
    expected = torch.tensor([0.0, -2.5]) - math.log(2 * math.pi)
    torch.testing.assert_close(density, expected, atol=0.02, rtol=0)


def test_the_likelihood_is_the_formula_in_plain_loops() -> None:
    torch.manual_seed(1)
    criterion = ResidualLogLikelihood()
    center, target = torch.rand(2, 3, 2), torch.rand(2, 3, 2)
    deviation, labeled = torch.rand(2, 3, 2) + 0.1, torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    terms = []
    for row in range(2):
        for joint in range(3):
            if labeled[row, joint]:
                error = (center[row, joint] - target[row, joint]) / deviation[row, joint]
                phi = criterion.flow.log_density(error[None])[0].item()
                for axis in range(2):
                    spread = float(deviation[row, joint, axis])
                    laplace = math.log(2 * spread) + abs(float(error[axis]))
                    terms.append(math.log(spread) - phi + laplace)
    found = criterion(center, deviation, target, labeled)
    assert abs(found.item() - sum(terms) / len(terms)) < 1e-5
    assert criterion(center, deviation, target, labeled * 0).item() == 0
