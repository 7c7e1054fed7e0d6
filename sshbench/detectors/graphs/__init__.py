"""Detectors made of a network's graph: an ONNX file or an exported PyTorch program, and a specification of it.

`spec` is what a user says of a graph. The families of outputs are in `yolo`, `with_priors`, `levels`, `centernet` and
`decoded`; `anchored`, `strided` and `heat_map` hold their arithmetic, which adapters of published detectors use, too.
`placing` and `inputs` make the input. `guess` finds a specification: `facts` and `declared` read the file, `recognise`
and `recognise_boxes` look at a trial. `graph`, `onnx_graph` and `torch_graph` are the detectors.
"""

from __future__ import annotations

SPEC_FILE, PICTURE = "spec.toml", "spec-check.jpg"
"""Names of the specification, and of the picture to check it by, in the folder of a run."""
