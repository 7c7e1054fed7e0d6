"""Datasets: where their files lie and what belongs together, one module each."""

from sshbench.datasets.base import Dataset

__all__ = ["Dataset"]
