"""D-FINE beside Hugging Face's, on the same weights, which are made of sines so that no generator is asked."""

import pytest
import torch
from safetensors.torch import save_file
from wave_weights import copy_to_transformers, fill_with_waves, wave_images

from zorki import registry
from zorki.data.preprocess.resize import Resize
from zorki.ops.boxes import xyxy_to_cxcywh
from zorki.tasks.detection.models.dfine.dfine import build
from zorki.tasks.detection.models.dfine.hgnet import HgNet, HgNetSizes
from zorki.tasks.detection.models.rtdetr.published import TransformersNames, our_name
from zorki.tasks.detection.models.rtdetr.query_loss import Proposals
from zorki.tasks.detection.models.two_stage_detr.denoising import Denoising
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.types import Boxes
from zorki.weights import load_into, read_weights

SIZES = HgNetSizes((8, 8), (8, 8, 8, 8), (16, 24, 32, 40), (1, 1, 2, 1), 2)
GROUPS = 2
TARGETS = [
    Boxes(torch.tensor([[4.0, 5, 40, 58], [20, 12, 60, 80]]), torch.tensor([0, 2])),
    Boxes(torch.tensor([[10.0, 10, 50, 50], [30, 40, 60, 90]]), torch.tensor([1, 1])),
]
SCALE = torch.tensor([64.0, 96, 64, 96])
LABELS = [{"class_labels": target.labels, "boxes": xyxy_to_cxcywh(target.xyxy / SCALE)} for target in TARGETS]


def ours(levels=3):
    settings = {
        "preprocess": Resize(64),
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        "min_score": 0.0,
        "frozen_norms": True,
        "weight_map": TransformersNames(),
    }
    model = build(
        HgNet(SIZES),
        3,
        width=32,
        heads=4,
        layers=3,
        points=(3, 6, 3)[-levels:],
        expansion=0.5,
        depth=2,
        classes="varifocal",
        strides=(8, 16, 32)[-levels:],
        queries=20,
        denoising=8,
        repeats=0,
        settings=settings,
    )
    fill_with_waves(model)
    return model


def theirs(levels=3):
    transformers = pytest.importorskip("transformers")
    backbone = transformers.HGNetV2Config(
        stem_channels=[3, *SIZES.stem],
        stage_in_channels=[SIZES.stem[1], *SIZES.channels[:-1]],
        stage_mid_channels=list(SIZES.inner),
        stage_out_channels=list(SIZES.channels),
        hidden_sizes=list(SIZES.channels),
        stage_num_blocks=list(SIZES.blocks),
        stage_numb_of_layers=[SIZES.layers] * 4,
        use_learnable_affine_block=True,
        out_indices=[2, 3, 4][-levels:],
    )
    config = transformers.DFineConfig(
        backbone_config=backbone,
        encoder_hidden_dim=32,
        encoder_in_channels=list(SIZES.channels[-levels:]),
        feat_strides=[8, 16, 32][-levels:],
        encoder_ffn_dim=128,
        encoder_attention_heads=4,
        encode_proj_layers=[levels - 1],
        hidden_expansion=0.5,
        depth_mult=0.67,
        d_model=32,
        num_queries=20,
        decoder_in_channels=[32] * levels,
        num_feature_levels=levels,
        decoder_ffn_dim=128,
        decoder_n_points=[3, 6, 3][-levels:],
        decoder_layers=3,
        decoder_attention_heads=4,
        num_denoising=2 * GROUPS,
        label_noise_ratio=0.0,
        box_noise_scale=1e-6,
        num_labels=3,
    )
    return transformers.DFineForObjectDetection(config)


@pytest.fixture(scope="module")
def found():
    """Outputs and losses in training, and what the decoder makes of noisy queries that have no noise."""
    model = ours().train()
    with torch.no_grad():
        outputs = model(wave_images(2, 3, 96, 64))
        ground_truths = stack_ground_truths(TARGETS)
        shares = ground_truths.xyxy / SCALE
        losses = model.criterion(outputs.decoded, Proposals(outputs.logits, outputs.boxes), shares, ground_truths)
        denoising = Denoising(GROUPS, box_noise=0.0, label_noise=0.0)
        noisy = denoising.queries(shares, ground_truths.labels, ground_truths.present, 3)
        decoded = []
        model.decoder.register_forward_hook(lambda module, inputs, made: decoded.append(made))
        losses["denoising"] = model.noisy_loss(outputs, noisy, shares, ground_truths)
    return outputs, losses, decoded[0]


@pytest.fixture(scope="module")
def right():
    """Their outputs in training."""
    network = theirs()
    copy_to_transformers(ours(), network)
    with torch.no_grad():
        return network, network.train()(pixel_values=wave_images(2, 3, 96, 64) / 255, labels=LABELS)


def close(ours, theirs):
    torch.testing.assert_close(ours.transpose(0, 1), theirs, atol=1e-4, rtol=1e-4)


def test_outputs_in_training_are_those_of_transformers(found, right):
    outputs, _, noisy = found
    _, made = right
    for decoded, part in ((noisy, slice(0, -20)), (outputs.decoded, slice(-20, None))):
        close(decoded.logits, made.intermediate_logits[:, :, part])
        close(decoded.boxes, made.intermediate_reference_points[:, :, part])
        close(decoded.edges, made.intermediate_predicted_corners[:, :, part])
        torch.testing.assert_close(decoded.start, made.initial_reference_points[:, 0, part], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(outputs.logits, made.enc_topk_logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(outputs.boxes, made.enc_topk_bboxes, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("levels", [2, 3])
def test_predictions_are_those_of_transformers(levels):
    model, network = ours(levels).eval(), theirs(levels).eval()
    copy_to_transformers(model, network)
    with torch.no_grad():
        made = network(pixel_values=wave_images(2, 3, 96, 64) / 255)
        decoded = model(wave_images(2, 3, 96, 64)).decoded
    torch.testing.assert_close(decoded.logits[-1], made.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(decoded.boxes[-1], made.pred_boxes, atol=1e-4, rtol=1e-4)


LOGITS, BOX = (0.215717, 0.522856, -0.690480), (0.355981, 0.048167, 0.048593, 0.081656)
LOSSES = {
    "classes": 2.43723,
    "distance": 5.51303,
    "overlap": 1.99217,
    "fine_grained": 0.09230,
    "distillation": 0.25313,
    "auxiliary": 39.04322,
    "proposals": 25.62786,
    "denoising": 15.94316,
}


def test_numbers_of_transformers_5_24(found):
    """What DFineForObjectDetection and the parts of its loss of version 5.24.0 give, as in the tests around."""
    outputs, losses, _ = found
    torch.testing.assert_close(outputs.decoded.logits[-1, 0, 0], torch.tensor(LOGITS), atol=1e-3, rtol=0)
    torch.testing.assert_close(outputs.decoded.boxes[-1, 0, 0], torch.tensor(BOX), atol=1e-4, rtol=0)
    for name, value in LOSSES.items():
        assert float(losses[name]) == pytest.approx(value, rel=1e-3), name


def most_frequent_pairs(matchings):
    """The union of matchings, image by image, as the authors' criterion counts it."""
    union = []
    for image in zip(*matchings, strict=True):
        pairs = torch.cat([torch.stack([query, row], 1) for query, row in image])
        different, counts = pairs.unique(return_counts=True, dim=0)
        chosen = {}
        for query, row in different[counts.argsort(descending=True, stable=True)].tolist():
            chosen.setdefault(query, row)
        union.append((torch.tensor(list(chosen)), torch.tensor(list(chosen.values()))))
    return union


def their_losses(network, made):
    """The losses of the authors' criterion, by the parts of transformers'.

    Put together by transformers they are others: it counts logits and boxes from those before the first layer, and
    distributions from the first layer, side by side, has no FGL of the last layer, and no union of matchings.
    """
    from transformers.loss.loss_d_fine import DFineLoss

    criterion = DFineLoss(network.config)
    split = made.denoising_meta_values["dn_num_split"]
    noisy, own = zip(
        *(
            value.split(split, 2)
            for value in (
                made.intermediate_logits,
                made.intermediate_reference_points.clamp(0, 1),
                made.intermediate_predicted_corners,
                made.initial_reference_points,
            )
        ),
        strict=True,
    )

    def weighted(kind, layer, pairs, count):
        values = criterion.get_loss(kind, layer, LABELS, pairs, count)
        return {name: criterion.weight_dict[name] * value for name, value in values.items()}

    def layers(logits, boxes, corners, starts):
        for place in range(logits.shape[1]):
            layer = {"logits": logits[:, place], "pred_boxes": boxes[:, place]}
            if place:
                layer |= {"pred_corners": corners[:, place - 1], "ref_points": starts[:, place - 1]}
                layer |= {"teacher_corners": corners[:, -1], "teacher_logits": logits[:, -1]}
            yield layer

    each = list(layers(*own))
    proposals = {"logits": made.enc_topk_logits, "pred_boxes": made.enc_topk_bboxes}
    matchings = [criterion.matcher(layer, LABELS) for layer in (*each, proposals)]
    union = most_frequent_pairs(matchings)
    count = sum(len(query) for query, _ in union)
    values = []
    for layer, pairs in zip((*each, proposals), matchings, strict=True):
        values.append(weighted("vfl", layer, pairs, 4) | weighted("boxes", layer, union, count))
        if "pred_corners" in layer:
            values[-1] |= weighted("local", layer, union, count)
    known = criterion.get_cdn_matched_indices(made.denoising_meta_values, LABELS)
    denoising = [
        value
        for layer in layers(*noisy)
        for kind in ("vfl", "boxes", *(["local"] if "pred_corners" in layer else []))
        for value in weighted(kind, layer, known, 4 * GROUPS).values()
    ]
    last = values[-2]
    taught = sum(layer.get("loss_ddf", 0) for layer in values)
    return {
        "classes": last["loss_vfl"],
        "distance": last["loss_bbox"],
        "overlap": last["loss_giou"],
        "fine_grained": last["loss_fgl"],
        "distillation": taught,
        "auxiliary": sum(value for layer in values[:-2] for name, value in layer.items() if name != "loss_ddf"),
        "proposals": sum(values[-1].values()),
        "denoising": sum(denoising),
    }


def test_losses_are_those_of_transformers_parts(found, right):
    _, losses, _ = found
    with torch.no_grad():
        expected = their_losses(*right)
    assert set(losses) == set(expected)
    for name, value in expected.items():
        assert float(losses[name]) == pytest.approx(float(value), abs=1e-4, rel=1e-4), name


# Names in the files on the hub, which are of an older version of transformers, and ours.
STAGES, BLOCKS = "model.backbone.model.encoder.stages.", "model.encoder.pan_blocks."
NAMES = {
    STAGES + "2.blocks.1.layers.0.conv2.lab.scale": "backbone.layers.2.blocks.1.layers.0.conv2.lab.scale",
    BLOCKS + "1.csp_rep2.bottlenecks.0.conv1.norm.bias": "encoder.up_path.1.csp_rep2.bottlenecks.0.conv1.norm.bias",
    "model.backbone.model.embedder.stem2a.convolution.weight": "backbone.stem.stem2a.conv.weight",
    "model.encoder.encoder.0.layers.0.final_layer_norm.bias": "encoder.attention.0.norm2.bias",
    "model.decoder.layers.0.fc1.weight": "decoder.layers.0.linear1.weight",
    "model.decoder.layers.0.gateway.gate.weight": "decoder.layers.0.gateway.gate.weight",
    "model.decoder.lqe_layers.1.reg_conf.layers.1.bias": "decoder.qualities.1.reg_conf.2.bias",
    "model.decoder.pre_bbox_head.layers.2.bias": "decoder.first_box.4.bias",
}


def test_every_published_weight_has_its_place():
    with torch.device("meta"):
        own = registry.build("dfine_s", 80).state_dict()
    for published, name in NAMES.items():
        assert our_name(published) == name
        assert name in own


@pytest.mark.parametrize("rest", [{}, {"class_embed.0.bias": torch.full((3,), 7.0)}])
def test_files_are_read_whether_all_names_share_a_prefix_or_not(rest, tmp_path):
    tensors = {
        "model.enc_score_head.bias": torch.full((3,), 5.0),
        "model.decoder.class_embed.0.bias": torch.full((3,), 7.0),
        "model.decoder.up": torch.tensor([0.5]),
    }
    save_file({**tensors, **rest}, tmp_path / "model.safetensors")
    model = ours()
    match = load_into(model, read_weights(tmp_path / "model.safetensors"), model.weight_map)
    assert sorted(match.matched) == ["decoder.class_outputs.0.bias", "proposal_classes.bias"]
    assert not match.unused
    assert model.proposal_classes.bias.tolist() == [5.0] * 3


@pytest.mark.parametrize(("name", "millions"), [("dfine_n", 4), ("dfine_s", 10), ("dfine_m", 19)])
def test_networks_have_as_many_parameters_as_in_the_paper(name, millions):
    with torch.device("meta"):
        network = registry.build(name, 80)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(millions * 1e6, rel=0.06)  # table 1
