"""Writes a trained checkpoint as an ONNX file laid out like a YOLOv8 export.

    python3 export.py maze.pt maze_yolov8.onnx

Input `images` [batch, 3, size, size], RGB in 0..1; output `output0` [batch, 4 + classes, anchors].
"""

import argparse
import ast
from pathlib import Path

import onnx
import onnx.numpy_helper
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from yolov8 import CHANNELS, DEPTHS, STRIDES, ConvBnAct, Exported, YoloV8


def save_checkpoint(path: Path, network: nn.Module, names: list[str], size: int) -> None:
    """Weights and what is needed to build the network again. Replaces `path` in one step."""
    partial = path.with_suffix(".partial")
    state = {"weights": network.state_dict(), "names": names, "size": size, "channels": CHANNELS, "depths": DEPTHS}
    torch.save(state, partial)
    partial.replace(path)


def load_checkpoint(path: Path) -> tuple[YoloV8, list[str], int]:
    """The network in evaluation mode, its class names and input size."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = YoloV8(len(state["names"]), tuple(state["channels"]), tuple(state["depths"]))
    network.load_state_dict(state["weights"])
    return network.eval(), state["names"], state["size"]


def fuse(network: nn.Module) -> None:
    """Folds each batch normalisation into its convolution, in place."""
    for module in network.modules():
        if isinstance(module, ConvBnAct):
            module[0], module[1] = fuse_conv_bn_eval(module[0], module[1]), nn.Identity()


@torch.no_grad()
def unfuse(network: YoloV8, images: Tensor) -> None:
    """The reverse of `fuse`, in place: each convolution gets its batch normalisation back, with the mean and variance that
    the pictures `images` `[N, 3, H, W]` have there, and the weight and bias that undo them: the answers stay the same."""

    def measured(conv: nn.Conv2d, _: tuple[Tensor], output: Tensor) -> None:
        norm = norms[conv]
        norm.running_var, norm.running_mean = torch.var_mean(output, dim=(0, 2, 3))
        norm.weight.copy_((norm.running_var + norm.eps).sqrt())
        norm.bias.copy_(norm.running_mean)

    blocks = [module for module in network.modules() if isinstance(module, ConvBnAct)]
    norms = {conv: ConvBnAct(conv.in_channels, conv.out_channels)[1] for conv, *_ in blocks}
    hooks = [conv.register_forward_hook(measured) for conv in norms]
    network.eval()(images)
    for hook in hooks:
        hook.remove()
    for block in blocks:
        conv, block[1] = block[0], norms[block[0]]
        # The normalisation's bias stands for the convolution's.
        block[1].running_mean -= conv.bias
        conv.bias = None


def load_exported(path: Path, images: Tensor) -> tuple[YoloV8, list[str], int]:
    """`load_checkpoint` for a file that `export` wrote; `images` as in `unfuse`."""
    model = onnx.load(path)
    about = {entry.key: entry.value for entry in model.metadata_props}
    names, size = list(ast.literal_eval(about["names"]).values()), ast.literal_eval(about["imgsz"])[0]
    network = YoloV8(len(names))
    fuse(network.eval())
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {name: torch.from_numpy(arrays[f"network.{name}"].copy()) for name in network.state_dict()}
    network.load_state_dict(weights)
    unfuse(network, images)
    return network, names, size


def metadata(names: list[str], size: int) -> dict[str, str]:
    """What a YOLOv8 export says about itself, in its spelling."""
    return {
        "description": "YOLOv8-architecture detector of turtlebot-maze, trained on its simulator's frames",
        "license": "Apache-2.0",
        "task": "detect",
        "stride": str(max(STRIDES)),
        "batch": "1",
        "imgsz": str([size, size]),
        "names": str(dict(enumerate(names))),
    }


def export(network: YoloV8, names: list[str], size: int, path: Path) -> None:
    """Writes `network` to `path` with a free batch axis."""
    fuse(network)
    torch.onnx.export(
        Exported(network, size, size).eval(),
        (torch.zeros(2, 3, size, size),),
        str(path),
        input_names=["images"],
        output_names=["output0"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        opset_version=18,
        external_data=False,
        verbose=False,
    )
    model = onnx.load(path)
    # The exporter notes the source line of every operator; nobody needs that in a model file.
    for part in [*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output]:
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.helper.set_model_props(model, metadata(names, size))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path, help="ONNX file to write")
    options = parser.parse_args()
    export(*load_checkpoint(options.checkpoint), options.model)


if __name__ == "__main__":
    main()
