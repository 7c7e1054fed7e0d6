"""The assignment solver of the official FDDB tool, which is not always optimal.

It is Kuhn's Hungarian method of 1955 on the matrix as it is, not padded to a square: its potentials prove optimality
for square problems only, and on others it can stop early. Exact FDDB curves need that behaviour.

Source: description of the official FDDB evaluation code; H. W. Kuhn, The Hungarian Method for the Assignment Problem,
Naval Research Logistics Quarterly, 1955 (routines I and II).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sshbench.records import FloatArray

_TIGHT = 1e-15


def official_assignment(scores: FloatArray) -> list[tuple[int, int]]:
    """Match rows with columns one to one as the official tool does.

    Args:
        scores: float64 (m, n), m <= n, at least one positive number in every row and column.

    Returns:
        The pairs (row, column); pairs of score 0 may be among them.
    """
    return _Solver(scores).solve()


class _Solver:
    def __init__(self, scores: FloatArray) -> None:
        self.r = scores
        self.m, self.n = scores.shape
        self.star_of_row = np.full(self.m, -1)
        self.star_of_column = np.full(self.n, -1)
        row_maxima, column_maxima = scores.max(axis=1), scores.max(axis=0)
        # Python's sum adds from left to right, as the tool does; the comparison hangs on it.
        if sum(row_maxima.tolist()) <= sum(column_maxima.tolist()):
            self.u, self.v = row_maxima, np.zeros(self.n)
            self._cover()
            for i in range(self.m):
                self._star_first(i, [j for j in range(self.n) if self.tight[i, j]], by_row=True)
        else:
            self.u, self.v = np.zeros(self.m), column_maxima
            self._cover()
            for j in range(self.n):
                self._star_first(j, [i for i in range(self.m) if self.tight[i, j]], by_row=False)

    def solve(self) -> list[tuple[int, int]]:
        while True:
            essential_rows = self._routine_one()
            essential_columns = np.array([i >= 0 and not essential_rows[i] for i in self.star_of_column])
            if not self._routine_two(essential_rows, essential_columns):
                return [(int(i), j) for j, i in enumerate(self.star_of_column) if i >= 0]

    def _cover(self) -> None:
        self.tight: npt.NDArray[np.bool_] = np.abs((self.u[:, None] + self.v[None, :]) - self.r) < _TIGHT

    def _star_first(self, line: int, crossing: list[int], *, by_row: bool) -> None:
        for other in crossing:
            i, j = (line, other) if by_row else (other, line)
            if self.star_of_row[i] < 0 and self.star_of_column[j] < 0:
                self.star_of_row[i], self.star_of_column[j] = j, i
                return

    def _routine_one(self) -> npt.NDArray[np.bool_]:
        """Augment until no column without a star can be; return the rows from which the searches dead-ended."""
        while True:
            essential = np.zeros(self.m, dtype=np.bool_)
            if not any(self._augment(j, essential) for j in range(self.n) if self.star_of_column[j] < 0):
                return essential

    def _augment(self, column: int, essential: npt.NDArray[np.bool_]) -> bool:
        """Look for an augmenting path from a column without a star: depth first, rows ascending."""
        path: list[tuple[int, int]] = []  # (row, the column it was reached from)
        on_path = np.zeros(self.m, dtype=np.bool_)
        at = column
        while True:
            options = self.tight[:, at] & ~essential & ~on_path
            if at == column and not path:
                row = int(options.argmax()) if options.any() else -1
            else:
                options[self.star_of_column[at]] = False
                row = int(options.argmax()) if options.any() else -1
            if row >= 0:
                path.append((row, at))
                on_path[row] = True
                if self.star_of_row[row] < 0:
                    for i, j in path:
                        self.star_of_row[i], self.star_of_column[j] = j, i
                    return True
                at = int(self.star_of_row[row])
            elif path:
                row, at = path.pop()
                on_path[row] = False
                essential[row] = True
            else:
                return False

    def _routine_two(self, essential_rows: npt.NDArray[np.bool_], essential_columns: npt.NDArray[np.bool_]) -> bool:
        """Change the potentials; False where the method stops."""
        rows, columns = ~essential_rows, ~essential_columns
        if not rows.any() or not columns.any():
            return False
        d = float(((self.u[:, None] + self.v[None, :]) - self.r)[np.ix_(rows, columns)].min())
        if abs(d) < _TIGHT:
            return False
        if (self.u[rows] == 0).any():
            m = min(d, float(self.v[columns].min()))
            self.u[essential_rows] += m
            self.v[columns] -= m
        else:
            m = min(d, float(self.u[rows].min()))
            self.u[rows] -= m
            self.v[essential_columns] += m
        self._cover()
        for j, i in enumerate(self.star_of_column):
            if i >= 0 and not self.tight[i, j]:
                self.star_of_row[i] = self.star_of_column[j] = -1
        return True
