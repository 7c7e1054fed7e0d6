"""The registry of benchmarks, and evaluations by their rules."""
