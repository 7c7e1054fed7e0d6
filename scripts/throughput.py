"""Compare one process with `--workers auto` on the first images of a dataset, in turn, and print one JSON line each.

    python scripts/throughput.py --data ~/WIDER --detector yunet --detector ssh-tiny --limit 400

`ratio` is the time of one process divided by that of the workers; `busy` is the elapsed time of the workers divided by
their processor time per core: 1 is a machine that does nothing but the work.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from sshbench.inference.parallel import Plan
from sshbench.provenance import usable_cores
from sshbench.runs import open_run


def measured(words: list[str], out: Path) -> dict[str, float]:
    """Run a command; return its elapsed and processor seconds, children included, without start and evaluation."""
    shutil.rmtree(out, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([*words, "-o", str(out)], check=True, capture_output=True)
    elapsed = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"elapsed": elapsed, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def main() -> None:
    """Measure all detectors that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--detector", action="append", required=True)
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    for detector in given.detector:
        words = [sys.executable, "-m", "sshbench", "eval", "--dataset", "wider", "--data", given.data]
        words += ["--detector", detector, "--limit", str(given.limit), "--json"]
        with tempfile.TemporaryDirectory() as name:
            out = Path(name) / "run"
            alone, helped = [], []
            for _ in range(given.repeats):
                alone.append(measured(words, out))
                with open_run(out) as run:
                    digest = run.digest()
                helped.append(measured([*words, "--workers", "auto"], out))
                with open_run(out) as run:
                    plan, same = run.plans()[0], run.digest() == digest
        one, many = (median(times["elapsed"] for times in runs) for runs in (alone, helped))
        cpu = median(times["cpu"] for times in helped)
        line = {
            "detector": detector,
            "images": given.limit,
            "one_process": round(one, 2),
            "auto": round(many, 2),
            "ratio": round(one / many, 3),
            "busy": round(many / (cpu / usable_cores()), 3),
            "plan": str(Plan(**plan)),
            "same_bits": same,
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
