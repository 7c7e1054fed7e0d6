"""Choose a detector for given limits, out of what was measured."""
