"""SSH, the Single Stage Headless face detector (Najibi et al., ICCV 2017), as its authors released it.

`architecture` holds widths and layer names as data; `preprocess`, `anchors` and `decode` are what happens before and
after the network; `backends` runs it; `reference` and `parity` say whether the outputs are right; `weights`,
`importing`, `caffe` and `onnx_graph` read and write parameters. Only `model`, `device` and `torch_weights` need torch
(`pip install sshbench[ssh]`): ONNX Runtime runs SSH without it.
"""
