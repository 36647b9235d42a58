import pytest
import torch
from torch import nn

from zorki.errors import RecipeError
from zorki.nn.backbones.timm_backbone import TimmBackbone, TimmHead, timm_published, timm_settings


@pytest.mark.parametrize("name", ["convnext_atto", "mobilenetv3_small_050", "vit_tiny_patch16_224", "resnet10t"])
def test_channels_strides_and_stages_are_true(name):
    backbone = TimmBackbone(name, size=64).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        maps, top = backbone(x), backbone.top(x)
    assert [tuple(one.shape[1:]) for one in maps] == [
        (channels, 64 // stride, 64 // stride)
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]
    assert top.shape == (1, backbone.head_channels)
    held = [parameter for stage in backbone.stages() for parameter in stage.parameters()]
    assert sorted(map(id, held)) == sorted(map(id, backbone.parameters()))


@pytest.mark.parametrize("name", ["convnext_atto", "mobilenetv3_small_050", "resnet10t"])
def test_logits_are_timm_s_for_the_same_weights(name):
    import timm

    reference = timm.create_model(name, pretrained=False, num_classes=5).eval()
    backbone = TimmBackbone(name).eval()
    head = TimmHead(backbone, 5)
    both = nn.ModuleDict({"backbone": backbone, "head": head})
    published = timm_published(timm_settings(name))

    def rename(key):
        longest = max((beginning for beginning in published if key.startswith(beginning)), key=len)
        return published[longest] + key.removeprefix(longest)

    both.load_state_dict({rename(key): value for key, value in reference.state_dict().items()})
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(head(backbone.top(x)), reference(x), atol=1e-5)


def test_a_convolution_for_a_classifier_stays_one():
    with torch.device("meta"):
        backbone = TimmBackbone("resnetv2_50x1_bit", 3)
        head = TimmHead(backbone, 7)
    assert head.fc.weight.shape == (7, 2048, 1, 1)
    assert head(torch.empty(2, 2048, device="meta")).shape == (2, 7)


def test_gray():
    assert TimmBackbone("resnet10t", 1).network.conv1[0].in_channels == 1


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(RecipeError, match=r"Did you mean .*convnext_tiny"):
        TimmBackbone("convnext_tiney")


def test_an_unknown_tag_is_told_with_the_known():
    with pytest.raises(RecipeError, match=r"no weights 'bla' of resnet18; it has .*resnet18\.tv_in1k"):
        TimmBackbone("resnet18.bla")


def test_a_size_that_does_not_go_through_is_told():
    with pytest.raises(RecipeError, match=r"size 40 .*next size that works is 48"):
        TimmBackbone("vit_tiny_patch16_224", size=40)


def test_the_check_of_the_size_leaves_the_network_as_it_was():
    torch.manual_seed(0)
    backbone = TimmBackbone("resnet10t")
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    backbone.check_size(64, "resnet10t")
    assert backbone.training
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
