"""What every model must keep, whoever wrote it. Large networks are built without memory; small ones are run."""

import pytest
import torch

from zorki import registry
from zorki.contracts import Model
from zorki.types import Label

ENTRIES = registry.entries()
SMALL = [
    "lenet5", "cifar_resnet20", "squeezenet1_1", "mobilenet_v3_small", "resnet18", "vit_tiny_16", "alexnet_torchvision",
    "alexnet", "vgg11", "googlenet",
]  # fmt: skip
SIZES = {"lenet5": 32, "cifar_resnet20": 32, "alexnet": 131, "alexnet_torchvision": 96}
NUM_CLASSES = 3


def built(name, **options):
    torch.manual_seed(0)
    known = registry.find(name).options()
    settings = {"size": SIZES.get(name, 64)} | ({"dropout": 0.0} if "dropout" in known else {}) | options
    return registry.build(name, NUM_CLASSES, settings)


def pictures(count, height=40, width=56, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8) for _ in range(count)]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_model_is_documented_and_built(entry):
    assert entry.summary.endswith((".", ")")), "the first line of the docstring says what it is"
    with torch.device("meta"):
        model = entry.build(NUM_CLASSES)
    assert isinstance(model, Model)
    assert model.stages()
    assert model.expected_loss() == pytest.approx(1.0986, abs=1e-3)
    learning = {id(p) for p in model.parameters()}
    in_stages = {id(p) for stage in model.stages() for p in stage.parameters()}
    assert in_stages < learning, "the head does not belong to the stages"


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_gets_a_gradient_and_inputs_stay(name):
    model = built(name).train()
    inputs, _ = model.preprocess(pictures(4))
    before = inputs.clone()
    loss = torch.stack(list(model.loss(model(inputs), [Label(i % NUM_CLASSES) for i in range(4)]).values())).sum()
    loss.backward()
    assert torch.equal(inputs, before)
    without = [n for n, p in model.named_parameters() if p.grad is None]
    assert not without


@pytest.mark.parametrize("name", ["lenet5", "cifar_resnet20", "squeezenet1_1", "vit_tiny_16"])
def test_the_loss_falls_on_one_repeated_batch(name):
    model = built(name).train()
    inputs, _ = model.preprocess(pictures(6))
    labels = [Label(i % NUM_CLASSES) for i in range(6)]
    rule = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(40):
        loss = torch.stack(list(model.loss(model(inputs), labels).values())).sum()
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(float(loss.detach()))
    assert min(losses[-5:]) < 0.7 * losses[0], losses


@pytest.mark.parametrize("name", SMALL)
def test_four_pictures_are_answered_as_one_by_one(name):
    model = built(name).eval()
    images = pictures(4)
    with torch.inference_mode():
        inputs, placements = model.preprocess(images)
        together = model.decode(model(inputs), placements)
        alone = []
        for image in images:
            one, placement = model.preprocess([image])
            alone += model.decode(model(one), placement)
    for a, b in zip(together, alone, strict=True):
        assert a.index == b.index
        assert torch.allclose(a.scores, b.scores, atol=1e-4)
        assert float(a.scores.sum()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_outputs_have_one_type_and_same_seed_same_result(name):
    model, twin = built(name), built(name)
    inputs, _ = model.preprocess(pictures(2))
    with torch.no_grad():
        kinds = {type(model.train()(inputs)), type(model.eval()(inputs))}
        assert len(kinds) == 1
        twin.load_state_dict(model.state_dict())
        assert torch.equal(model.eval()(inputs).main, twin.eval()(inputs).main)


@pytest.mark.parametrize("name", ["lenet5", "cifar_resnet20", "squeezenet1_1"])
def test_weights_survive_saving(name, tmp_path):
    from zorki.weights import load_into, read_weights, save_weights

    model, other = built(name).eval(), built(name)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    save_weights(tmp_path / "w.safetensors", model, {})
    match = load_into(other, read_weights(tmp_path / "w.safetensors"))
    assert not match.new
    assert not match.mismatched
    inputs, _ = model.preprocess(pictures(2))
    with torch.no_grad():
        assert torch.equal(model(inputs).main, other.eval()(inputs).main)


@pytest.mark.parametrize("name", ["resnet18", "cifar_resnet20", "lenet5", "vit_tiny_16"])
def test_gray_networks_answer_colour_pictures(name):
    model = built(name, in_channels=1).eval()
    inputs, placements = model.preprocess(pictures(2))
    with torch.no_grad():
        assert len(model.decode(model(inputs), placements)) == 2


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "cifar_resnet20"])
def test_feature_maps_have_the_channels_and_strides_that_they_claim(name):
    backbone = built(name).backbone.eval()
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, 96, 128))
    assert [m.shape[1] for m in maps] == list(backbone.channels)
    for feature, stride in zip(maps, backbone.strides, strict=True):
        assert abs(feature.shape[2] - 96 / stride) <= 1
        assert abs(feature.shape[3] - 128 / stride) <= 1


@pytest.mark.parametrize("name", ["resnet18", "lenet5"])
def test_exported_equals_eager(name):
    model = built(name).eval()
    inputs, _ = model.preprocess(pictures(2))
    program = torch.export.export(model, (inputs,), strict=False).module()
    with torch.no_grad():
        assert torch.allclose(program(inputs).main, model(inputs).main, atol=1e-5)
