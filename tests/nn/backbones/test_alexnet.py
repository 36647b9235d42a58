import torch

from zorki.nn.backbones.alexnet import AlexNet, AlexNetTorchvision


def test_shapes_are_those_of_the_paper():
    with torch.device("meta"):
        backbone = AlexNet()
    x = torch.empty(1, 3, 227, 227, device="meta")
    after = {}
    for index, layer in enumerate(backbone.features):
        x = layer(x)
        after[index] = tuple(x.shape[1:])
    assert after[0] == (96, 55, 55)  # CONV1
    assert after[3] == (96, 27, 27)  # POOL1
    assert after[4] == (256, 27, 27)  # CONV2
    assert after[7] == (256, 13, 13)  # POOL2
    assert after[8] == after[10] == (384, 13, 13)  # CONV3, CONV4
    assert after[12] == (256, 13, 13)  # CONV5
    assert after[14] == (256, 6, 6)  # POOL3


def test_groups_halve_the_kernels_of_two_gpus():
    with torch.device("meta"):
        two, one = AlexNet(groups=2), AlexNet(groups=1)
    assert [two.features[i].weight.shape[1] for i in (0, 4, 8, 10, 12)] == [3, 48, 256, 192, 192]
    assert [one.features[i].weight.shape[1] for i in (0, 4, 8, 10, 12)] == [3, 96, 256, 384, 384]


def test_response_norm_against_the_paper_formula():
    k, n, alpha, beta = 2, 5, 1e-4, 0.75
    with torch.device("meta"):
        norm = AlexNet().features[2]
    a = 100 * torch.rand(1, 9, 2, 2, dtype=torch.float64)  # large, so that alpha matters
    b = torch.empty_like(a)
    for i in range(9):
        low, high = max(0, i - n // 2), min(8, i + n // 2)
        total = sum(a[:, j] ** 2 for j in range(low, high + 1))
        b[:, i] = a[:, i] / (k + alpha * total) ** beta
    assert torch.allclose(norm(a), b, rtol=1e-9)


def test_torchvision_variant_ends_at_6x6():
    with torch.device("meta"):
        maps = AlexNetTorchvision()(torch.empty(1, 3, 224, 224, device="meta"))
    assert [tuple(one.shape[1:]) for one in maps] == [(64, 55, 55), (192, 27, 27), (256, 13, 13), (256, 6, 6)]
