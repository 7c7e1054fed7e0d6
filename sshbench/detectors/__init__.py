"""Detectors: the protocol they follow, the registry, and one small adapter a module."""
