"""Print the stages of timings, and the share that is not the network: `stage_shares.py FILE... [-o CSV]`."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import pandas as pd

from sshbench.timing import TimingRecord


def shares(files: list[Path]) -> pd.DataFrame:
    """Return medians in milliseconds per file and size; `around` is the share that is neither reading nor network."""
    rows = []
    for file in files:
        record = TimingRecord.load(file)
        for one in record.sizes:
            ms = {name: median(values) / 1e6 for name, values in one.stages.items()}
            total = sum(value for name, value in ms.items() if name not in ("read", "total"))
            extra = record.settings["extra"]
            how = {name: str(extra.get(name, "")) for name in ("backend", "precision", "device")}
            around = 1 - ms["forward"] / total
            rows.append({"detector": record.detector, **how, "size": one.size, **ms, "around": around})
    return pd.DataFrame(rows).round(3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path, help="CSV file")
    options = parser.parse_args()
    table = shares(options.files)
    print(table.to_string(index=False))
    if options.out is not None:
        table.to_csv(options.out, index=False)
