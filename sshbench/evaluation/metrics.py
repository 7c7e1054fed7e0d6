"""How metrics are written and laid out in tables."""

from __future__ import annotations

from collections.abc import Iterable


def percent(fraction: float | None) -> str:
    """Return a fraction in percent with two digits, `-` where there is none.

    >>> percent(0.98765), percent(None)
    ('98.77', '-')
    """
    return "-" if fraction is None else f"{100 * fraction:.2f}"


def title_of(metric: str) -> str:
    """Return the column heading of a metric.

    >>> title_of("AP/easy"), title_of("TPR@1000/discrete"), title_of("AP50/tall")
    ('easy', 'discrete @1000', 'AP50 tall')
    """
    first, _, second = metric.partition("/")
    if first == "AP" and second:
        return second
    if first.startswith("TPR"):
        return f"{second} {first.removeprefix('TPR')}"
    return metric.replace("/", " ")


def pivot(metrics: Iterable[str]) -> tuple[list[str], list[str], dict[tuple[str, str], str]]:
    """Arrange metrics `a/b` in rows and columns, the larger set as rows.

    Returns:
        Rows, columns, and the metric of each cell that has one.

    >>> pivot(["AP", "AP50", "AP/small"])
    (['AP', 'AP50'], ['', 'small'], {('AP', ''): 'AP', ('AP50', ''): 'AP50', ('AP', 'small'): 'AP/small'})
    """
    names = list(metrics)
    parts = [(name.rpartition("/")[0], name.rpartition("/")[2]) if "/" in name else (name, "") for name in names]
    firsts, seconds = list(dict.fromkeys(a for a, _ in parts)), list(dict.fromkeys(b for _, b in parts))
    if len(seconds) > len(firsts):
        return seconds, firsts, {(b, a): name for (a, b), name in zip(parts, names, strict=True)}
    return firsts, seconds, dict(zip(parts, names, strict=True))
