"""Run networks: which library, in which precision, on which device, and what the library says really ran."""
