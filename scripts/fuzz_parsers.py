"""Feed mutated files to every parser: each must give a result or an SshbenchError, within 10 seconds and 2 GiB.

    python scripts/fuzz_parsers.py --seconds 60

Seeds are the small golden sets and the cases of the tests. An input that breaks a parser is kept under --keep, and the
exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from sshbench.errors import SshbenchError
from sshbench.formats.coco import read_coco_results
from sshbench.formats.coco_truth import read_coco
from sshbench.formats.fddb import read_fddb
from sshbench.formats.pascal import read_csv, read_pascal
from sshbench.formats.wider import read_wider
from sshbench.formats.wider_truth import read_text
from sshbench.formats.yolo import read_yolo
from sshbench.models import FileModel
from sshbench.protocols import load_protocol
from sshbench.published.fddb import read_roc_file
from sshbench.report.measured import ArchivedIdentity
from sshbench.ssh.caffe import read_caffemodel
from sshbench.ssh.weights import load_weights

ROOT = Path(__file__).resolve().parents[1]
TRAINED = ROOT / "sshbench" / "ssh" / "trained"
SECONDS, BYTES = 10, 2 << 30
Parser = Callable[[Path], object]


def wider_file(path: Path) -> object:
    """Read one file of a submission, as the only file of its folder."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "e").mkdir()
        (Path(folder) / "e" / "i.txt").write_bytes(path.read_bytes())
        return read_wider(folder, ["e/i"])


def yolo_file(path: Path) -> object:
    """Read one file of labels."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "i.txt").write_bytes(path.read_bytes())
        return read_yolo(Path(folder), ["i"], lambda keys: dict.fromkeys(keys, (640, 480)))


def identity(path: Path) -> FileModel:
    """Read the identity of an archived run."""
    return ArchivedIdentity.read(path, remedy="")


def seeds() -> dict[str, tuple[Parser, str, list[bytes]]]:
    """Return parser, file name and seeds by the name of the format."""
    cases, golden = ROOT / "tests" / "cases" / "data", ROOT / "tests" / "golden"

    def content(*patterns: str, below: Path = cases, most: int = 20_000) -> list[bytes]:
        files = [file for pattern in patterns for file in sorted(below.glob(pattern)) if file.is_file()]
        return [file.read_bytes()[:most] for file in files[:40]]

    keys = ["a", "2002/01/01/big/img_1"]
    ids: dict[int | str, str] = {1: "a", 2: "b"}
    return {
        "wider": (wider_file, "i.txt", content("B03/predictions/*/*.txt", "B21/predictions/*/*.txt")),
        "wider-truth": (read_text, "bbx_gt.txt", content("*/*bbx_gt.txt", "B27/label.txt", "*/data/*/*bbx_gt.txt")),
        "fddb": (lambda path: read_fddb(path, keys), "f.txt", content("*/fddb-*.txt")),
        "pascal": (lambda path: read_pascal(path, keys), "p.txt", content("*/pascal-*.txt")),
        "pascal-csv": (read_csv, "p.csv", content("**/*.csv", below=golden)),
        "coco": (lambda path: read_coco_results(path, keys, ids), "r.json", content("*/*.json")),
        "coco-truth": (read_coco, "gt.json", content("*/gt*.json", "*/data/*.json")),
        "yolo": (yolo_file, "i.txt", content("B09/labels/*.txt", "B27/yolo*/*.txt")),
        "protocol": (load_protocol, "p.toml", content("*.toml", below=ROOT / "protocols")),
        "roc": (read_roc_file, "r.txt", content("B24/rocCurves/*.txt")),
        "identity": (identity, "identity.json", content("*/*/identity.json", below=ROOT / "results" / "measured")),
        "caffemodel": (read_caffemodel, "m.caffemodel", [b"\x0a\x04name", bytes(range(64))]),
        "safetensors": (
            load_weights,
            "w.safetensors",
            content("*.safetensors", below=ROOT / "sshbench/ssh/trained", most=1 << 22),
        ),
    }


def mutated(seed: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Change a file in a few places: bits, bytes, numbers, lines, lengths, parts of another file."""
    made = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at, what = chance.randrange(len(made) + 1), chance.randrange(8)
        if what == 0 and made:
            made[at % len(made)] ^= 1 << chance.randrange(8)
        elif what == 1:
            made[at:at] = chance.choice(_WORDS)
        elif what == 2:
            del made[at : at + chance.choice((1, 2, 10, 1000))]
        elif what == 3:
            made[at:at] = chance.randbytes(chance.choice((1, 4, 64)))
        elif what == 4:
            other = chance.choice(others)
            start = chance.randrange(len(other) + 1)
            made[at:at] = other[start : start + 200]
        elif what == 5:
            made[at : at + 1] = b"\n"
        elif what == 6:
            made[at:] = b""
        else:
            made[at:at] = made[at : at + 50] * chance.choice((1, 3, 50))
    return bytes(made[: len(seed) + 200_000])


_WORDS = [
    b"9" * 5000,
    b"9" * 400,
    b"-1",
    b"1e400",
    b"nan",
    b"Infinity",
    b"0x10",
    b",",
    b"\x00",
    b"\xff\xfe",
    b"{",
    b'"',
]
_WORDS += [b"[" * 3000, b"null", b"true", b"1_0", b"\r", b"\xc2\xa0", b"1.5", b"99999999", b"# a.jpg\n", b" "]


def main() -> int:
    """Fuzz every parser for some time, and say what was found."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60, help="for each parser")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    options.add_argument("names", nargs="*", help="parsers; default: all")
    arguments = options.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (BYTES + (1 << 30), BYTES + (1 << 30)))

    def expire(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {SECONDS} seconds")

    signal.signal(signal.SIGALRM, expire)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, (parse, file, known) in seeds().items():
            if arguments.names and name not in arguments.names:
                continue
            chance = random.Random(arguments.seed)
            path = Path(folder) / file
            counts = {"inputs": 0, "accepted": 0, "refused": 0, "broken": 0}
            until = time.monotonic() + arguments.seconds
            while time.monotonic() < until:
                content = mutated(chance.choice(known), known, chance)
                path.write_bytes(content)
                counts["inputs"] += 1
                signal.alarm(SECONDS)
                try:
                    parse(path)
                    counts["accepted"] += 1
                except SshbenchError:
                    counts["refused"] += 1
                except BaseException:  # noqa: BLE001  # that is what is looked for
                    counts["broken"] += 1
                    arguments.keep.mkdir(exist_ok=True)
                    (arguments.keep / f"{name}-{counts['inputs']}-{file}").write_bytes(content)
                    traceback.print_exc(limit=-3)
                finally:
                    signal.alarm(0)
            wrong += counts["broken"]
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(json.dumps({"parser": name, **counts, "peak_mib": peak}), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    os.environ.setdefault("SSHBENCH_CACHE", tempfile.mkdtemp())
    sys.exit(main())
