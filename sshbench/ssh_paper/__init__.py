"""The SSH paper: its claims checked by measurements, and its tables and figures regenerated."""
