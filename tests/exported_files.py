"""Exported files of networks that a person can do in the head: written by hand, without torch."""

import json

import onnx
from onnx import TensorProto, helper

BOXES = {"kind": "boxes"}


def write(path, nodes, inputs, outputs, **about):
    """A graph with what `zorki export` writes beside it; None leaves a word out."""
    said = {
        "format": 1, "version": "0.1.0", "task": "classification", "model": "by_hand", "num_classes": 3,
        "class_info": {"names": ["red", "green", "blue"]}, "preprocess": {"kind": "ResizeCrop", "size": 8},
        "decoding": {"kind": "label"}, "thresholds": {},
    } | about  # fmt: skip
    graph = helper.make_graph(nodes, "by hand", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(
        model, {f"zorki.{key}": json.dumps(value) for key, value in said.items() if value is not None}
    )
    onnx.save(model, path)
    return path


def images(height="height", width="width", batch="batch"):
    return helper.make_tensor_value_info("images", TensorProto.UINT8, [batch, 3, height, width])


def classifier(path, batch="batch", **about):
    """The class of the channel whose mean is largest, by the softmax of the means."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["axes"], value_ints=[2, 3]),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("Softmax", ["means"], ["scores"], axis=1),
    ]
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3])
    return write(path, nodes, [images(batch=batch)], [scores], **about)


def detector(path, height="height", width="width", **about):
    """One box, round the whole image, that scores the share of white; of the first class."""
    nodes = [
        helper.make_node("Constant", [], ["one"], value_ints=[1]),
        helper.make_node("Unsqueeze", ["frames", "one"], ["xyxy"]),
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["axes"], value_ints=[1, 2, 3]),
        helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=0),
        helper.make_node("Constant", [], ["white"], value_float=255.0),
        helper.make_node("Div", ["mean", "white"], ["share"]),
        helper.make_node("Unsqueeze", ["share", "one"], ["scores"]),
        helper.make_node("Sub", ["scores", "scores"], ["nothing"]),
        helper.make_node("Cast", ["nothing"], ["labels"], to=TensorProto.INT64),
        helper.make_node("Constant", [], ["count_of_one"], value_int=1),
        helper.make_node("Squeeze", ["labels", "one"], ["zeros"]),
        helper.make_node("Add", ["zeros", "count_of_one"], ["count"]),
    ]
    frames = helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", 4])
    kinds = {"xyxy": TensorProto.FLOAT, "scores": TensorProto.FLOAT, "labels": TensorProto.INT64}
    shapes = {"xyxy": ["batch", 1, 4], "scores": ["batch", 1], "labels": ["batch", 1]}
    outputs = [helper.make_tensor_value_info(name, kind, shapes[name]) for name, kind in kinds.items()]
    outputs.append(helper.make_tensor_value_info("count", TensorProto.INT64, ["batch"]))
    about = {
        "task": "detection", "decoding": BOXES, "preprocess": {"kind": "Letterbox", "size": 32, "stride": 8},
    } | about  # fmt: skip
    return write(path, nodes, [images(height, width), frames], outputs, **about)
