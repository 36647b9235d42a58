"""Any network of timm (Wightman, PyTorch Image Models) as a backbone, by its name there."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zorki.errors import RecipeError, did_you_mean
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.heads.class_heads import ClassHead
from zorki.nn.layers.initialize import initialize_output


class TimmBackbone(Backbone):
    """A network of timm without its classifier.

    `top` is one vector an image: timm's own pooling, with the norms and hidden layers that it has behind the pool.
    `head_channels` is its length. `head_is_convolution` tells whether timm's classifier is a 1x1 convolution, whose
    published weights have four axes. Networks of timm that give no feature maps have empty `channels` and `strides`.

    Args:
        name: in timm, such as "convnext_tiny" or "resnet50.a1_in1k".
        in_channels: of the images.
        size: of the square input; None is the size of the published weights.
        any_size: inputs of any height and width will come, as detectors have it.
        output_stride: of the coarsest map, strides beyond it becoming dilation; None: as the network is.

    Raises:
        RecipeError: timm has no such network, or it cannot take this size, or not be had with this stride.
    """

    def __init__(
        self,
        name: str,
        in_channels: int = 3,
        *,
        size: int | None = None,
        any_size: bool = False,
        output_stride: int | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        settings = timm_settings(name)
        published = settings["input_size"][-1]
        self.size = published if size is None else size
        fixed = settings.get("fixed_input_size", False)
        if output_stride is not None:
            self.network = _create_dilated(name, in_channels, output_stride)
        elif any_size and fixed:
            self.network = _create_stretching(name, in_channels)
        else:
            self.network = _create(name, in_channels, self.size, published, fixed)
        self.head_is_convolution = isinstance(self.network.get_classifier(), nn.Conv2d)
        self.network.reset_classifier(0)
        self.head_channels = int(getattr(self.network, "head_hidden_size", None) or self.network.num_features)
        info = getattr(self.network, "feature_info", None) or []
        places = list(info if isinstance(info, list) else info.info)
        if not hasattr(self.network, "forward_intermediates"):
            places = []
        self.channels = tuple(int(place["num_chs"]) for place in places)
        self.strides = tuple(int(place["reduction"]) for place in places)
        if self.size != published:
            self.check_size(self.size, f"timm:{name}")

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        if not self.channels:
            raise RecipeError(f"timm's {type(self.network).__name__} gives no feature maps; choose another backbone")
        # Networks that were cut off may return their last map in place of those that are gone.
        return list(self.network.forward_intermediates(x, intermediates_only=True))[: len(self.channels)]

    def top(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.network.forward_head(self.network.forward_features(x), pre_logits=True)

    def top_and_map(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, Tensor]:
        if not self.channels:
            return super().top_and_map(x)
        features, maps = self.network.forward_intermediates(x, indices=1)
        return self.network.forward_head(features, pre_logits=True), maps[-1]

    def keep_maps(self, count: int) -> None:
        """Takes out what only later maps than the first `count`, or `top`, need: layers, last norms, hidden layers.

        Networks whose layers timm cannot take out stay whole, and return fewer maps.
        """
        self.channels, self.strides = self.channels[:count], self.strides[:count]
        if hasattr(self.network, "prune_intermediate_layers"):
            # `top` and its length, as far as they are left, no longer mean what they meant.
            self.network.prune_intermediate_layers(list(range(count)), prune_norm=True, prune_head=True)

    def stages(self) -> list[nn.Module]:
        """The network's parts in order, sequences of blocks taken apart; loose parameters go with the first."""
        loose = nn.ParameterList(self.network.parameters(recurse=False))
        parts: list[nn.Module] = []
        for child in self.network.children():
            blocks = list(child) if isinstance(child, nn.Sequential | nn.ModuleList) else [child]
            parts += [block for block in blocks if any(True for _ in block.parameters())]
        return [nn.ModuleList([loose, parts[0]]), *parts[1:]] if len(loose) else parts

    def check_size(self, size: int, network: str) -> None:
        """Raises RecipeError where a square input of `size` pixels does not go through the network."""
        reason = self._refusal(size)
        if reason is None:
            return
        # The next sizes of whole patches and windows, then those that networks are made for.
        multiples = [size + step - size % step for step in (8, 14, 16, 32, 64)]
        works = next((other for other in [*sorted(multiples), 96, 128, 224, 384] if not self._refusal(other)), None)
        advice = f"size {works} works" if works else "leave size empty"
        if works and works > size:
            advice = f"the next size that works is {self._least_between(size, works)}"
        raise RecipeError(f"{network} cannot take images of size {size} ({reason}); {advice}")

    def _least_between(self, refused: int, taken: int) -> int:
        while taken - refused > 1:
            middle = (refused + taken) // 2
            if self._refusal(middle) is None:
                taken = middle
            else:
                refused = middle
        return taken

    def _refusal(self, size: int) -> str | None:
        """Why the network refuses an input of that size, found by shapes alone on torch's meta device."""
        first = next(self.network.parameters())
        tensors = {**dict(self.network.named_parameters()), **dict(self.network.named_buffers())}
        shapes = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
        inputs = torch.empty((1, self.in_channels, size, size), dtype=first.dtype, device="meta")
        training = self.network.training
        try:
            # Parts that stand in a network twice must be exchanged once only: else they come back without values.
            torch.func.functional_call(self.network.eval(), shapes, (inputs,), tie_weights=False)
        except NotImplementedError:
            return None  # some layer has no shape rule: the first batch will tell
        except (RuntimeError, AssertionError, ValueError) as error:
            # Some networks make tensors on a device of their own while they run: no number either.
            return None if "meta" in str(error) else str(error).split("\n", 1)[0].rstrip(".")
        finally:
            self.network.train(training)
        return None


class TimmHead(ClassHead):
    """Dropout and a linear classifier on pooled vectors, of the kind that the network has in timm."""

    def __init__(self, backbone: TimmBackbone, num_classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = backbone.head_channels
        self.dropout = nn.Dropout(dropout)
        self.fc: nn.Linear | nn.Conv2d
        if backbone.head_is_convolution:
            self.fc = nn.Conv2d(backbone.head_channels, num_classes, 1)
        else:
            self.fc = nn.Linear(backbone.head_channels, num_classes)
        initialize_output(self.fc)

    def with_vector(self, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B D"]]:
        kept = self.dropout(x)
        if isinstance(self.fc, nn.Conv2d):
            return self.fc(kept[:, :, None, None]).flatten(1), x
        return self.fc(kept), x


def timm_settings(name: str) -> dict[str, Any]:
    """What timm knows of a network's published weights: mean, std, input_size, crop_pct, classifier, ...

    Raises:
        RecipeError: timm has no network of that name; the message has the nearest names.
    """
    import timm
    from timm.models import get_pretrained_cfg

    if not timm.is_model(name):
        near = did_you_mean(name, timm.list_models())
        raise RecipeError(f"timm has no network named {name!r}.{near} `timm.list_models()` lists them all.")
    architecture, _, tag = name.partition(".")
    try:
        settings = get_pretrained_cfg(name)
    except RuntimeError:
        available = timm.list_pretrained(f"{architecture}.*")
        raise RecipeError(f"timm has no weights {tag!r} of {architecture}; it has {', '.join(available)}") from None
    defaults = {"input_size": (3, 224, 224), "crop_pct": 0.875, "mean": (0.485, 0.456, 0.406)}
    return {**defaults, "std": (0.229, 0.224, 0.225), **(settings.to_dict() if settings else {})}


def timm_published(settings: dict[str, Any]) -> dict[str, str]:
    """Where timm's names of weights stand in a `Classifier` of `TimmBackbone` and `TimmHead`."""
    classifier = settings.get("classifier")
    names = {"": "backbone.network."}
    return {**names, f"{classifier}.": "head.fc."} if isinstance(classifier, str) else names


def _create(name: str, in_channels: int, size: int, published: int, fixed: bool) -> Any:
    import timm

    # Positions that stretch to any input keep the published grid, so weights still fit; else the network is built
    # for the size. Networks know at most one of the two arguments.
    ways: list[dict[str, Any]] = (
        [{"dynamic_img_size": True}, {"img_size": size}] if fixed and size != published else [{}]
    )
    for way in ways:
        try:
            return timm.create_model(name, pretrained=False, num_classes=1, in_chans=in_channels, **way)
        except TypeError as error:
            if not way:
                raise
            reason = error
    raise RecipeError(f"timm:{name} takes images of size {published} only, not {size}: {reason}")


def _create_stretching(name: str, in_channels: int) -> Any:
    """A network made for one size, with positions and windows that stretch to any."""
    import timm

    try:
        return timm.create_model(name, pretrained=False, num_classes=1, in_chans=in_channels, dynamic_img_size=True)
    except TypeError:
        raise RecipeError(
            f"timm:{name} takes images of one size only, and images of many sizes will come; choose a network of "
            "convolutions, such as timm:convnext_tiny, or timm:swin_tiny_patch4_window7_224"
        ) from None


def _create_dilated(name: str, in_channels: int, output_stride: int) -> Any:
    """A network whose maps are no coarser than `output_stride`."""
    import timm

    reason = "it knows no dilation"
    try:
        network = timm.create_model(
            name, pretrained=False, num_classes=1, in_chans=in_channels, output_stride=output_stride
        )
    except (TypeError, NotImplementedError, AssertionError, ValueError) as error:
        reason = str(error) or reason
    else:
        strides = [int(place["reduction"]) for place in getattr(network, "feature_info", None) or []]
        if strides and strides[-1] == max(strides) == output_stride:
            return network
        reason = f"its maps have strides {strides}"
    raise RecipeError(
        f"timm:{name} cannot be had with an output stride of {output_stride} ({reason}); choose a network of timm that "
        "takes output_stride, such as timm:resnet50, timm:convnext_tiny or timm:efficientnet_b0"
    )
