"""Published curves: a user's copy of them read into the local cache, checked, and ready for reports to overlay.

```
report = import_wider(Path("eval_tools/plot/baselines"))
for disagreement in report.disagreements:
    print(disagreement)                      # CMS-RCNN hard (val): 0.629 printed, 0.62444 by the curve
curves = cached_curves("wider", "val")       # {"CMS-RCNN": {"easy": PRCurve(...), ...}, ...}
```
"""

from sshbench.published.fddb import import_fddb
from sshbench.published.records import Disagreement, ImportedCurve, ImportReport
from sshbench.published.store import cached, cached_curves, cached_rocs, stored
from sshbench.published.wider import import_wider

__all__ = [
    "Disagreement",
    "ImportReport",
    "ImportedCurve",
    "cached",
    "cached_curves",
    "cached_rocs",
    "import_fddb",
    "import_wider",
    "stored",
]
