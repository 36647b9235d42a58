import math

import pytest
import torch

from zorki.nn.backbones.backbone import Backbone
from zorki.tasks.detection.networks.precomputed_proposals import (
    ProposalOutputs,
    map_of_stride,
    proposal_candidates,
    proposal_head,
    regions_of,
)
from zorki.types import ImagesWithProposals


def test_images_without_regions_are_a_region():
    images = torch.zeros((2, 3, 20, 30), dtype=torch.uint8)
    some = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    first, second = regions_of(ImagesWithProposals(images, [some, torch.zeros((0, 4))]))
    assert torch.equal(first, some)
    assert second.tolist() == [[0.0, 0.0, 30.0, 20.0]]


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_candidates_are_a_box_a_class_of_every_region(chunk):
    regions = [torch.tensor([[0.0, 0, 10, 10], [5, 5, 40, 20], [2, 2, 8, 8]]), torch.tensor([[1.0, 1, 9, 9]])]
    asked = []

    def judge(rows, owners):
        asked.append(len(rows))
        logits = torch.zeros((len(rows), 3))
        logits[:, 2] = owners.float() * math.log(2)  # the second class, in the second image
        return logits, torch.zeros((len(rows), 12))

    found = proposal_candidates(ProposalOutputs([], regions, 18, 30), judge, chunk=chunk)
    assert max(asked) <= chunk
    assert sum(asked) == 4
    assert found.xyxy.shape == (2, 6, 4)
    assert found.labels.tolist() == [[0, 1] * 3] * 2
    assert found.xyxy[0, 2].tolist() == [5.0, 5.0, 30.0, 18.0], "cut off at the edges"
    assert found.scores[0].tolist() == pytest.approx([1 / 3] * 6)
    assert found.scores[1].tolist() == pytest.approx([0.25, 0.5, 0, 0, 0, 0]), "the rest is filled up"


def test_an_untrained_head_is_nearly_undecided():
    torch.manual_seed(0)
    head = proposal_head(200, 4, hidden=64)
    logits, offsets = head(100 * torch.randn((50, 2, 10, 10)))
    assert logits.shape == (50, 5)
    assert offsets.shape == (50, 20)
    assert logits.detach().std() < 1
    assert offsets.detach().std() < 0.1


def test_a_head_without_norms_has_the_layers_of_the_paper():
    """VGG-16 with 21 slots: 25088 x 4096, 4096 x 4096, 4096 x 21 and 4096 x 84, with biases."""
    with torch.device("meta"):
        head = proposal_head(512 * 7 * 7, 20, hidden=4096, norm=False)
    wanted = 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + (4096 + 1) * (21 + 84)
    assert sum(p.numel() for p in head.parameters()) == wanted


class Maps(Backbone):
    channels, strides = (1, 2, 3, 4), (4, 8, 16, 32)

    def forward(self, x):
        return []

    def stages(self):
        return []


def test_the_deepest_map_that_is_fine_enough():
    assert [map_of_stride(Maps(), stride) for stride in (2, 4, 15, 16, 99)] == [0, 0, 1, 2, 3]
