"""Detectors made of a network's graph: an ONNX file or an exported PyTorch program, and a specification of it.

`spec` is what a user says of a graph (or what `guess` found out), `arrays`, `anchored`, `strided`, `heat_map` and
`yolo` decode outputs, `families` has one specification per family of outputs, `placing` and `inputs` make the input,
and `graph` is the detector.
"""
