"""Faster R-CNN as a Caffe definition whose proposals are an input, by hand after the release's test.prototxt."""

from __future__ import annotations


def prototxt(height: int, width: int, narrow: int, rois: int) -> str:
    shapes = f"dim: 1 dim: 3 dim: {height} dim: {width}", f"dim: {rois} dim: 5"
    lines = ['name: "VGG_ILSVRC_16_layers"']
    lines += [
        f'input: "{name}" input_shape {{ {shape} }}' for name, shape in zip(("data", "rois"), shapes, strict=True)
    ]

    def layer(kind: str, name: str, bottoms: list[str], parameters: str = "", top: str = "") -> str:
        inputs = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        lines.append(f'layer {{ name: "{name}" type: "{kind}" {inputs} top: "{top or name}" {parameters} }}')
        return name

    def convolution(name: str, bottom: str, outputs: int, kernel: int = 3) -> str:
        numbers = f"num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2} stride: 1"
        return layer("Convolution", name, [bottom], f"convolution_param {{ {numbers} }}")

    def inner(name: str, bottom: str, outputs: int) -> str:
        return layer("InnerProduct", name, [bottom], f"inner_product_param {{ num_output: {outputs} }}")

    def relu(bottom: str) -> str:
        layer("ReLU", f"{bottom}_relu", [bottom], top=bottom)
        return bottom

    top = "data"
    for stage, (count, outputs) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
        if stage > 1:
            numbers = "pool: MAX kernel_size: 2 stride: 2"
            top = layer("Pooling", f"pool{stage - 1}", [top], f"pooling_param {{ {numbers} }}")
        for position in range(1, count + 1):
            top = relu(convolution(f"conv{stage}_{position}", top, outputs // narrow))
    rpn = relu(convolution("rpn_conv/3x3", top, 512 // narrow))
    convolution("rpn_cls_score", rpn, 18, 1)
    convolution("rpn_bbox_pred", rpn, 36, 1)
    numbers = "pooled_w: 7 pooled_h: 7 spatial_scale: 0.0625"
    top = layer("ROIPooling", "roi_pool5", [top, "rois"], f"roi_pooling_param {{ {numbers} }}")
    top = relu(inner("fc6", top, 4096 // narrow))
    top = relu(inner("fc7", top, 4096 // narrow))
    inner("cls_score", top, 2)
    inner("bbox_pred", top, 8)
    return "\n".join(lines)


OUTPUTS = ["rpn_cls_score", "rpn_bbox_pred", "roi_pool5", "cls_score", "bbox_pred"]
