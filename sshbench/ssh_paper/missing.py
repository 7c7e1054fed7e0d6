"""What the page still lacks, and the command that fills it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sshbench.ssh_paper.exhibits import Exhibit
from sshbench.ssh_paper.measured import MeasuredLine, TimedLine

SIZES = ("400x800", "600x1000", "800x1200", "1200x1600")
"""Of the paper's Table 2."""
SUITE = "paper.toml"
WEIGHTS = {
    "ssh": "ssh-vgg16.safetensors",
    "ssh-pyramid": "ssh-vgg16.safetensors",
    "hr-resnet101": "hr_res101.mat",
    "hr-vgg16": "hr_vgg16.mat",
}
"""By detector of the paper, its weights file: those of its authors, or made from them."""
_FOLDERS = {"wider": "WIDER", "fddb": "FDDB", "pascal": "PASCAL"}
COMMANDS = (
    f"sshbench suite {SUITE} -o results",
    f"sshbench timing --detector ssh --weights {WEIGHTS['ssh']} --device cuda --sizes {','.join(SIZES)} "
    "-o results/timing-ssh.json",
    "sshbench paper -o page --on results",
)
"""The three that fill the page, from the folder that holds weights and datasets."""
BEFORE = f"sshbench weights import SSH.caffemodel -o {WEIGHTS['ssh']}"


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that the page lacks.

    Attributes:
        what: In words.
        command: That fills it; empty where none can.
    """

    what: str
    command: str = ""


def suite_text() -> str:
    """Return the suite of the paper: its detectors on its datasets, for `sshbench suite`.

    >>> suite_text().count("[[detectors]]")
    4
    """
    lines = [
        "# The SSH paper's detectors on its datasets, for `sshbench suite`; paths are relative to this file. Leave out",
        '# what you do not have. Without a GPU: device = "cpu".',
        "images = 12",
    ]
    for name, weights in WEIGHTS.items():
        lines += ["", "[[detectors]]", f'name = "{name}"', f'settings = [{{ weights = "{weights}", device = "cuda" }}]']
    for name, folder in _FOLDERS.items():
        lines += ["", "[[datasets]]", f'name = "{name}"', f'data = "{folder}"']
    return "\n".join([*lines, ""])


def missing_of(exhibit: Exhibit, lines: Sequence[MeasuredLine], *, has_curves: bool) -> list[Missing]:
    """Return what an exhibit lacks."""
    found = {line.detector for line in lines if line.comparable}
    missing = []
    if exhibit.split == "test":
        missing.append(Missing("measured rows: the annotation of the test images is not public"))
    else:
        wanted = [name for name in exhibit.detectors or ("ssh", "ssh-pyramid", "hr-resnet101") if name in WEIGHTS]
        for name in wanted:
            if name not in found:
                command = (
                    f"sshbench eval --dataset {exhibit.protocol} --data {_FOLDERS[exhibit.protocol]} --detector {name} "
                    f"--weights {WEIGHTS[name]} --device cuda -o results/{exhibit.protocol}-{name}"
                )
                missing.append(Missing(f"{name} on all images, with weights of a training", command))
        if "cms-rcnn-shape" in exhibit.detectors:
            missing.append(Missing("CMS-RCNN: its authors published neither code nor weights"))
    if exhibit.curves and exhibit.protocol == "wider" and not has_curves:
        missing.append(Missing("official curves", "sshbench curves import eval_tools/plot/baselines"))
    if exhibit.curves and exhibit.protocol == "fddb" and not has_curves:
        missing.append(Missing("official curves", "sshbench curves import FOLDER_OF_ROC_FILES --benchmark fddb"))
    return missing


def missing_times(lines: Sequence[TimedLine]) -> list[Missing]:
    """Return the sizes of Table 2 that no timing with weights of a training covers."""
    timed = {size for line in lines if not line.mark.startswith("random") for size in line.ms}
    lacking = [size for size in SIZES if size not in timed]
    return [Missing(f"SSH with weights of a training at {', '.join(lacking)}", COMMANDS[1])] if lacking else []
