"""Analysis: from what an evaluation adds up per image to intervals, comparisons, slices, error costs, operating points.

Everything here works on the ledgers and matches that evaluators expose, and matches no box a second time by other
rules.
"""
