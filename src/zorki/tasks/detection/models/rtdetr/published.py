"""The names of RT-DETR's and D-FINE's weights as they are published for Hugging Face's transformers, in ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zorki.weights.weight_map import WeightMap

# In this order; both the names of the files on the hub and those that transformers 5 gives them.
_NAMES = (
    (r"^model\.", ""),
    (r"^backbone\.model\.embedder\.embedder\.", "backbone.stem."),
    (r"^backbone\.model\.encoder\.stages\.(\d+)\.layers\.", r"backbone.layers.\1."),
    (r"^backbone\.model\.embedder\.stem", "backbone.stem.stem"),
    (r"^backbone\.model\.encoder\.stages\.", "backbone.layers."),
    (r"\.layer\.0\.", ".first."),
    (r"\.layer\.1\.", ".second."),
    (r"\.shortcut\.1\.", ".shortcut."),
    (r"\.convolution\.", ".conv."),
    (r"\.normalization\.", ".norm."),
    (r"^(encoder|decoder)_input_proj\.(\d+)\.0\.", r"\1_input_proj.\2.conv."),
    (r"^(encoder|decoder)_input_proj\.(\d+)\.1\.", r"\1_input_proj.\2.norm."),
    (r"^encoder_input_proj\.", "encoder.project."),
    (r"^decoder_input_proj\.", "project."),
    (r"^encoder\.(?:encoder|aifi)\.0\.layers\.", "encoder.attention."),
    (r"^encoder\.lateral_convs\.", "encoder.lateral."),
    (r"^encoder\.fpn_blocks\.", "encoder.down_path."),
    (r"^encoder\.downsample_convs\.", "encoder.halve."),
    (r"^encoder\.pan_blocks\.", "encoder.up_path."),
    (r"\.self_attn_layer_norm\.", ".norm1."),
    (r"\.encoder_attn_layer_norm\.", ".norm2."),
    (r"^decoder\.(.*)\.final_layer_norm\.", r"decoder.\1.norm3."),
    (r"\.final_layer_norm\.", ".norm2."),
    (r"\.(?:mlp\.)?fc([12])\.", r".linear\1."),
    (r"\.mlp\.layers\.0\.", ".linear1."),
    (r"\.mlp\.layers\.1\.", ".linear2."),
    (r"\.self_attn\.o_proj\.", ".self_attn.out_proj."),
    (r"^denoising_class_embed\.", "label_content."),
    (r"^enc_output\.", "proposal_tokens."),
    (r"^enc_score_head\.", "proposal_classes."),
    (r"^enc_bbox_head\.", "proposal_offsets."),
    (r"^decoder\.query_pos_head\.", "decoder.place."),
    (r"^decoder\.pre_bbox_head\.", "decoder.first_box."),
    (r"^decoder\.lqe_layers\.", "decoder.qualities."),
    (r"^(?:decoder\.)?class_embed\.", "decoder.class_outputs."),
    (r"^(?:decoder\.)?bbox_embed\.", "decoder.box_outputs."),
)
_PERCEPTRON = re.compile(
    r"^(decoder\.place|proposal_offsets|decoder\.first_box|decoder\.box_outputs\.\d+|decoder\.qualities\.\d+\.reg_conf)"
    r"\.layers\.(\d+)\."
)
# The same in every file: of D-FINE's bins, and by how much points lie nearer.
_CONSTANTS = ("decoder.up", "decoder.reg_scale", "points_scale")


@dataclass(frozen=True)
class TransformersNames(WeightMap):
    """Weights as transformers has them: renamed, and the three matrices of an attention put into one."""

    def adapt(self, tensors: Mapping[str, Tensor], file: str, model: nn.Module) -> Mapping[str, Tensor]:
        # Reading drops a prefix that all names share, which "model." is in files without the copies of tied weights.
        if not any(name.removeprefix("model.").startswith("enc_score_head.") for name in tensors):
            return tensors
        ours = {our_name(name): value for name, value in tensors.items() if not name.endswith(_CONSTANTS)}
        if (labels := ours.get("label_content.weight")) is not None:
            ours["label_content.weight"] = labels[:-1]  # the last is of "no object", which ours do not have
        for name in [name for name in ours if name.endswith(".self_attn.q_proj.weight")]:
            stem = name.removesuffix("q_proj.weight")
            for kind in ("weight", "bias"):
                parts = [ours.pop(f"{stem}{part}_proj.{kind}") for part in "qkv"]
                ours[f"{stem}in_proj_{kind}"] = torch.cat(parts)
        return ours


def our_name(name: str) -> str:
    """A name of transformers' in ours.

    >>> our_name("model.decoder.bbox_embed.2.layers.1.bias"), our_name("model.encoder.lateral_convs.0.conv.weight")
    ('decoder.box_outputs.2.2.bias', 'encoder.lateral.0.conv.weight')
    """
    for theirs, ours in _NAMES:
        name = re.sub(theirs, ours, name)
    return _PERCEPTRON.sub(lambda found: f"{found[1]}.{2 * int(found[2])}.", name)
