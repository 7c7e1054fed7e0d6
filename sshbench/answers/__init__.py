"""Answers in one call: `analyze` a run, `compare` several, and gates that fail a build."""
