"""S3FD as a Caffe definition without its last layers, written by hand after the release's deploy.prototxt."""

from __future__ import annotations

SOURCES = ("conv3_3_norm", "conv4_3_norm", "conv5_3_norm", "fc7", "conv6_2", "conv7_2")


def prototxt(height: int, width: int, narrow: int, fc6_pad: int = 3) -> str:
    """The layers up to the predictors; `<source>_scores` is the output after max-out, `<source>_mbox_loc` the boxes."""
    lines = [f'name: "SFD" input: "data" input_shape {{ dim: 1 dim: 3 dim: {height} dim: {width} }}']

    def layer(kind: str, name: str, bottoms: list[str], parameters: str = "", tops: list[str] | None = None) -> str:
        inputs = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        outputs = " ".join(f'top: "{top}"' for top in tops or [name])
        lines.append(f'layer {{ name: "{name}" type: "{kind}" {inputs} {outputs} {parameters} }}')
        return name

    def convolution(name: str, bottom: str, outputs: int, kernel: int = 3, pad: int = 1, stride: int = 1) -> str:
        numbers = f"num_output: {outputs} kernel_size: {kernel} pad: {pad} stride: {stride}"
        return layer("Convolution", name, [bottom], f"convolution_param {{ {numbers} }}")

    def relu(bottom: str) -> str:
        layer("ReLU", f"{bottom}_relu", [bottom], tops=[bottom])
        return bottom

    top = "data"
    for stage, (count, outputs) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
        for position in range(1, count + 1):
            top = relu(convolution(f"conv{stage}_{position}", top, outputs // narrow))
        top = layer("Pooling", f"pool{stage}", [top], "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
    top = relu(convolution("fc6", top, 1024 // narrow, pad=fc6_pad))
    top = relu(convolution("fc7", top, 1024 // narrow, 1, 0))
    top = relu(convolution("conv6_1", top, 256 // narrow, 1, 0))
    top = relu(convolution("conv6_2", top, 512 // narrow, stride=2))
    top = relu(convolution("conv7_1", top, 128 // narrow, 1, 0))
    relu(convolution("conv7_2", top, 256 // narrow, stride=2))
    for source in SOURCES:
        if source.endswith("_norm"):
            numbers = "norm_param { across_spatial: false channel_shared: false }"
            layer("Normalize", source, [source.removesuffix("_norm")], numbers)
        convolution(f"{source}_mbox_loc", source, 4)
        if source != "conv3_3_norm":
            convolution(f"{source}_mbox_conf", source, 2)
            continue
        scores = convolution(f"{source}_mbox_conf", source, 4)
        parts = [f"background{number}" for number in range(3)] + ["face"]
        layer("Slice", "slice", [scores], "slice_param { axis: 1 slice_point: 1 slice_point: 2 slice_point: 3 }", parts)
        best = layer("Eltwise", "best", parts[:3], "eltwise_param { operation: MAX }")
        layer("Concat", "scores", [best, "face"], "concat_param { axis: 1 }")
    return "\n".join(lines)


def outputs() -> list[str]:
    """Names of scores and boxes of each source, in order."""
    scores = ["scores", *(f"{source}_mbox_conf" for source in SOURCES[1:])]
    return [name for pair in zip(scores, (f"{source}_mbox_loc" for source in SOURCES), strict=True) for name in pair]
