"""RT-DETR beside Hugging Face's, on the same weights, which are made of sines so that no generator is asked."""

import pytest
import torch
from wave_weights import copy_to_transformers, fill_with_waves, wave_images

from zorki.data.preprocess.letterbox import Letterbox
from zorki.ops.boxes import xyxy_to_cxcywh
from zorki.tasks.detection.models.detr.set_loss import SetLoss
from zorki.tasks.detection.models.rtdetr.decoder import DeformableDecoder
from zorki.tasks.detection.models.rtdetr.hybrid_encoder import cross_stage_encoder
from zorki.tasks.detection.models.rtdetr.published import TransformersNames
from zorki.tasks.detection.models.rtdetr.query_loss import LayerLoss
from zorki.tasks.detection.models.rtdetr.resnet_vd import ResNetVd
from zorki.tasks.detection.models.rtdetr.rtdetr import RtDetr, map_channels
from zorki.types import Boxes

WIDTHS = (16, 24, 32, 48)
TARGETS = [
    Boxes(torch.tensor([[4.0, 5, 40, 58], [20, 12, 60, 80]]), torch.tensor([0, 2])),
    Boxes(torch.tensor([[10.0, 10, 50, 50]]), torch.tensor([1])),
]


def ours():
    settings = {
        "preprocess": Letterbox(64, stride=64),
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        "min_score": 0.0,
        "weight_map": TransformersNames(),
    }
    network = ResNetVd(WIDTHS, 16)
    model = RtDetr(
        network,
        cross_stage_encoder(map_channels(network, 64), 64, 2, 256, expansion=0.5),
        DeformableDecoder(2, 64, 2, 256, [4, 4, 4], 3),
        LayerLoss(SetLoss(3, "varifocal")),
        num_classes=3,
        width=64,
        queries=20,
        denoising=12,
        settings=settings,
    )
    fill_with_waves(model)
    return model.eval()


@pytest.fixture(scope="module")
def found():
    model = ours()
    with torch.no_grad():
        outputs = model(wave_images(2, 3, 96, 64))
        return outputs, sum(float(value) for value in model.loss(outputs, TARGETS).values())


def test_numbers_of_transformers_5_24(found):
    """What RTDetrForObjectDetection and RTDetrV2ForObjectDetection of version 5.24.0 give, as in the test below."""
    outputs, loss = found
    logits, boxes = outputs.decoded.logits[-1, 0, 0], outputs.decoded.boxes[-1, 0, 0]
    torch.testing.assert_close(logits, torch.tensor([-1.674286, 0.968674, -0.818307]), atol=1e-3, rtol=0)
    torch.testing.assert_close(boxes, torch.tensor([0.009265, 0.063840, 0.004550, 0.045035]), atol=1e-4, rtol=0)
    assert loss == pytest.approx(46.03114, abs=5e-3)


@pytest.mark.parametrize("version", ["", "V2"])
def test_outputs_and_loss_are_those_of_transformers(found, version):
    transformers = pytest.importorskip("transformers")
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=16,
        hidden_sizes=list(WIDTHS),
        depths=[2] * 4,
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = getattr(transformers, f"RTDetr{version}Config")(
        backbone_config=backbone,
        encoder_hidden_dim=64,
        encoder_in_channels=list(WIDTHS[1:]),
        encoder_ffn_dim=256,
        encoder_attention_heads=2,
        d_model=64,
        num_queries=20,
        decoder_in_channels=[64] * 3,
        decoder_ffn_dim=256,
        decoder_layers=2,
        decoder_attention_heads=2,
        hidden_expansion=0.5,
        num_labels=3,
    )
    theirs = getattr(transformers, f"RTDetr{version}ForObjectDetection")(config).eval()
    model = ours()
    copy_to_transformers(model, theirs)
    size = torch.tensor([64.0, 96, 64, 96])
    labels = [{"class_labels": target.labels, "boxes": xyxy_to_cxcywh(target.xyxy / size)} for target in TARGETS]
    with torch.no_grad():
        right = theirs(pixel_values=wave_images(2, 3, 96, 64) / 255, labels=labels)
    outputs, loss = found
    torch.testing.assert_close(outputs.decoded.logits.transpose(0, 1), right.intermediate_logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        outputs.decoded.boxes.transpose(0, 1), right.intermediate_reference_points, atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(outputs.logits, right.enc_topk_logits, atol=1e-4, rtol=1e-4)
    assert loss == pytest.approx(float(right.loss), abs=1e-4, rel=1e-4)
