"""torchvision's detectors with lively random weights, and the same weights in ours."""

import torch

from zorki.types import Boxes, Placement
from zorki.weights import load_into
from zorki.weights.read import Weights

HEIGHT, WIDTH = 128, 160


def lively(network, scores, boxes, seed=0):
    """Random weights whose predictions pass the thresholds: last layers scaled up, batch norms measured."""
    torch.manual_seed(seed)
    with torch.no_grad():
        network.train()
        for _ in range(2):
            network.backbone(torch.randn(2, 3, HEIGHT, WIDTH))
        for layer, scale, bias in (*scores, *boxes):
            torch.nn.init.normal_(layer.weight, std=scale)
            torch.nn.init.constant_(layer.bias, bias)
    return network.eval()


def taught(model, network):
    """Ours with the weights of torchvision's, nothing missing and nothing left over."""
    from pathlib import Path

    state = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    match = load_into(model, Weights(state, {}, Path("twin.pth")), model.weight_map)
    assert not match.mismatched
    assert [name for name in match.new if not name.startswith("normalize.")] == []
    assert match.unused == []
    return model.eval()


def make_images(count=2, seed=3, width=WIDTH):
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, HEIGHT // 8, WIDTH // 8, generator=generator)
    large = torch.nn.functional.interpolate(small, (HEIGHT, width), mode="bilinear", antialias=False)
    return (large * 255).to(torch.uint8)


def on_canvas(narrow):
    """Images in the left of a canvas of exactly the mean color, which torchvision pads with: levels as floats."""
    canvas = torch.tensor([0.485, 0.456, 0.406])[:, None, None].repeat(len(narrow), 1, HEIGHT, WIDTH) * 255
    canvas = canvas.view(-1, 3, HEIGHT, WIDTH)
    canvas[..., : narrow.shape[-1]] = narrow
    return canvas


def targets(count=2, num_classes=4, seed=5):
    """Boxes inside of the images; the last image has none."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for index in range(count):
        rows = 6 if index < count - 1 else 0
        center = torch.rand(rows, 2, generator=generator) * torch.tensor([WIDTH - 60.0, HEIGHT - 60.0]) + 30
        half = torch.rand(rows, 2, generator=generator) * 25 + 4
        labels = torch.randint(0, num_classes, (rows,), generator=generator)
        found.append(Boxes(torch.cat([center - half, center + half], 1), labels))
    return found


def theirs(target):
    return {"boxes": target.xyxy, "labels": target.labels}


def answers(model, inputs):
    placements = [Placement(HEIGHT, WIDTH, input_height=HEIGHT, input_width=WIDTH)] * len(inputs)
    with torch.no_grad():
        return model.decode(model(inputs), placements)


def assert_same_answers(ours, wanted, least=20):
    """The same boxes and labels, to a hundredth of a pixel, and the same scores, to 1e-4.

    torchvision also predictions boxes without an area, for which ours have other boxes behind the same ones.
    """
    for a, b in zip(ours, wanted, strict=True):
        solid = (b["boxes"][:, 2:] > b["boxes"][:, :2]).all(1)
        b = {name: column[solid] for name, column in b.items()}
        assert len(b["boxes"]) >= least, "the twin predictions too little to compare"
        assert len(a) == len(solid) or len(b["boxes"]) <= len(a) < len(solid)
        a = a[: len(b["boxes"])]
        torch.testing.assert_close(a.scores, b["scores"], atol=1e-4, rtol=1e-4)
        # Scores that differ in their last digits alone may stand in another order: each has its like on the other side.
        apart = (a.xyxy[:, None] - b["boxes"]).abs().amax(2)
        apart[(a.labels[:, None] != b["labels"]) | ((a.scores[:, None] - b["scores"]).abs() > 1e-4)] = torch.inf
        assert max(apart.amin(0).max(), apart.amin(1).max()) < 1e-2
