import torch

from zorki.losses.log_complement import log_complement


def test_it_is_the_logarithm_of_what_is_left():
    logits = torch.randn(5, 4, 3, dtype=torch.float32)
    expected = torch.log(1 - logits.double().softmax(1)).float()
    torch.testing.assert_close(log_complement(logits, 1), expected)


def test_a_class_that_is_nearly_certain_keeps_its_slope():
    logits = torch.tensor([[60.0, 0.0, 0.0]], requires_grad=True)
    value = log_complement(logits)
    assert torch.allclose(value[0, 0], torch.tensor(2.0).log() - 60)
    value[0, 0].backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[-1.0, 0.5, 0.5]]))


def test_slopes_are_those_of_differences():
    logits = torch.tensor([[0.3, -1.0, 2.0, 2.0]], dtype=torch.float32, requires_grad=True)
    weights = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    (log_complement(logits) * weights).sum().backward()
    double = logits.detach().double().requires_grad_()
    ((1 - double.softmax(1)).log() * weights).sum().backward()
    torch.testing.assert_close(logits.grad, double.grad.float())
