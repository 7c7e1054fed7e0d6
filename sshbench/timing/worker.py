"""Process that times one detector, pass by pass on request: `python -m sshbench.timing.worker`.

Requests and answers are JSON objects, one per line. The first is the job; then `{"size": S}` begins a series,
`{"step": true}` measures a pass, `{"finish": true}` returns the figures of the series, `{"record": true}` returns the
record of all sizes so far. The process ends when its input does. An answer has the field `error` if something failed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from sshbench.errors import SshbenchError
from sshbench.timing.harness import Series
from sshbench.timing.job import Bench, Job
from sshbench.timing.record import SizeTiming


def main() -> None:
    """Answer requests until the input ends, which it also does when the parent process is killed."""
    # What libraries print must not get among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    try:
        with Bench(Job.model_validate_json(sys.stdin.readline())) as bench:
            answer({"ready": True})
            _serve(bench, answer)
    except SshbenchError as error:
        answer({"error": str(error), "exit_code": error.exit_code})
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the parent shall hear of it, whatever it is
        answer({"error": f"{type(error).__name__}: {error}", "exit_code": 1})


def _serve(bench: Bench, answer: Any) -> None:
    sizes: list[SizeTiming] = []
    series: Series | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if "size" in request:
            series = bench.series(request["size"])
            size = request["size"]
            series.warm_up()
            answer({"least": series.least(bench.job.min_count)})
        elif "step" in request and series is not None:
            going = series.step()
            answer({"going": going, "spent": series.spent, "count": series.count})
        elif "finish" in request and series is not None:
            sizes.append(bench.timing(size, series.result))
            answer({"finished": size})
        elif "record" in request:
            answer({"record": bench.record(sizes).model_dump(mode="json")})


if __name__ == "__main__":
    main()
