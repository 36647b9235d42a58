"""Weights made of sines, so that no generator is asked, and the same in a network of transformers."""

import torch

from zorki.tasks.detection.models.rtdetr.published import TransformersNames, our_name


def fill_with_waves(model):
    """Gives every weight a value that hangs on its name alone."""
    with torch.no_grad():
        for place, (name, value) in enumerate(sorted(model.state_dict().items())):
            if value.is_floating_point() and not name.startswith("normalize."):
                value.copy_(_waves(name, value, place))


def copy_to_transformers(model, theirs):
    """The same weights in a network of transformers; the weight map finds all of ours again."""
    own = model.state_dict()
    with torch.no_grad():
        for name, value in theirs.state_dict().items():
            if not name.endswith(("n_points_scale", "num_points_scale", "num_batches_tracked", ".up", ".reg_scale")):
                value.copy_(_their_value(name, value, own))
    back = TransformersNames().adapt(theirs.state_dict(), "model.safetensors", model)
    learned = {name: value for name, value in own.items() if name in dict(model.named_parameters())}
    assert all(torch.equal(back[name], value) for name, value in learned.items())
    assert not [name for name in back if name not in own and not name.endswith(("_points_scale", "_tracked"))]


def wave_images(*shape):
    values = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return ((torch.sin(values * values * 0.013) + 1) * 127.5).byte().view(shape)


def _waves(name, value, place):
    index = torch.arange(value.numel(), dtype=torch.float64)
    noise = torch.sin(index * index * 0.37 + index * 1.1 + place).float().view_as(value)
    if name.endswith(("running_var", "lab.scale")) or (name.endswith("weight") and value.ndim == 1):
        return 1 + 0.2 * noise
    return noise * (0.2 if value.ndim > 1 else 0.1)


def _their_value(name, value, own):
    if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight", "q_proj.bias", "k_proj.bias", "v_proj.bias")):
        stem, part, kind = our_name(name).rsplit(".", 2)
        return own[f"{stem}.in_proj_{kind}"].chunk(3)["qkv".index(part[0])]
    mine = own[our_name(name)]
    if mine.shape != value.shape:  # a label more, of "no object"
        return torch.cat([mine, value[-1:]])
    return mine
