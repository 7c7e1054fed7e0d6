"""Evaluators: pure functions from (detections, ground truth, protocol) to a result, one module per protocol."""
