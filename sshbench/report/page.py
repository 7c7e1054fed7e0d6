"""The page of a report: one HTML file that needs nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import sshbench
from sshbench.evaluation import Evaluation
from sshbench.report.gallery import Picture
from sshbench.report.published import paper_methods
from sshbench.runs import Identity


@dataclass(frozen=True, slots=True, eq=False)
class RunReport:
    """One run as the page shows it.

    Attributes:
        label: Its name in this report.
        folder: Where it lies.
        identity: Who made it.
        evaluation: Computed again from its detections.
        stages: Median milliseconds an image by stage; empty for imported predictions.
        threshold: Raw score of the operating point.
        subset: The subset for which that was chosen, and whose outcomes are drawn.
        pictures: The grid.
        no_pictures: Why the grid is empty, where it is.
    """

    label: str
    folder: Path
    identity: Identity
    evaluation: Evaluation
    stages: dict[str, float]
    threshold: float
    subset: str
    pictures: list[Picture]
    no_pictures: str


def render_page(reports: list[RunReport], svgs: dict[str, str]) -> str:
    """Fill the template.

    Args:
        reports: The runs, at least one, all of one protocol and one set of images.
        svgs: By subset, the PR figure.
    """
    environment = Environment(
        loader=PackageLoader("sshbench", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    record = reports[0].evaluation.record
    protocol = reports[0].evaluation.protocol
    comparable = not record.smoke_test and record.images == record.total_images
    text: str = environment.get_template("page.html.j2").render(
        reports=reports,
        record=record,
        protocol=protocol,
        metrics=[name for name in record.metrics if not name.startswith("fold")],
        subsets=list(record.counted),
        svgs={subset: Markup(svg) for subset, svg in svgs.items()},  # our own drawing, escaped by matplotlib
        published=paper_methods(record.protocol) if comparable else [],
        unfinished=[report.label for report in reports if not report.evaluation.record.complete],
        version=sshbench.__version__,
        percent=_percent,
        details=_details,
    )
    return text


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f}"


def _details(report: RunReport) -> list[tuple[str, str]]:
    identity, protocol = report.identity, report.evaluation.protocol
    return [
        ("detector", identity.detector),
        ("settings", _line(identity.settings)),
        ("weights sha256", identity.weights_sha256 or "none"),
        ("dataset", f"{identity.dataset} {identity.split}, fingerprint {identity.dataset_fingerprint}"),
        ("protocol", f"{identity.protocol} version {protocol.version}, hash {identity.protocol_hash}"),
        ("evaluation", _line(protocol.evaluation.model_dump())),
        ("made", identity.created),
        ("versions", _line(identity.versions)),
        ("machine", _line(identity.machine)),
        ("run", str(report.folder)),
    ]


def _line(content: dict[str, Any]) -> str:
    parts = []
    for name, value in content.items():
        if value not in (None, {}, ""):
            parts.append(f"{name} {json.dumps(value) if isinstance(value, dict) else value}")
    return ", ".join(parts)
