"""What a user should know of the image files that a detector got: damaged ones, and those with an EXIF orientation."""

from __future__ import annotations

from collections.abc import Mapping

from sshbench.flat import counted
from sshbench.images import AS_STORED, CORRUPT, UPRIGHT, file_part
from sshbench.items import Finding


def findings_of(contents: Mapping[str, str]) -> list[Finding]:
    """Return findings on image files.

    Args:
        contents: By image key, what `read_identified` says of the file.

    >>> [finding.code for finding in findings_of({"a": "9-ab-cut", "b": "9-cd-o6-upright", "c": "9-ef"})]
    ['damaged-image', 'turned-image']
    """
    bare = {key: file_part(content) for key, content in contents.items()}
    turned = [key for key, content in bare.items() if "-o" in content]
    marks = {key: contents[key].removesuffix(CORRUPT) for key in turned}
    applied = tuple(key for key in turned if marks[key].endswith(UPRIGHT))
    by_size = tuple(key for key in turned if marks[key].endswith(AS_STORED))
    unknown = tuple(key for key in turned if key not in {*applied, *by_size})
    cut = tuple(key for key, content in bare.items() if content.endswith("-cut"))
    corrupt = tuple(key for key, content in contents.items() if content.endswith(CORRUPT) and key not in cut)
    found = [
        ("damaged-image", cut, "cut off: the file ends early, and the rest of the image is grey"),
        ("damaged-image", corrupt, "with corrupt JPEG data, as the decoder says: pixels may be wrong"),
        (
            "turned-image",
            applied,
            "turned upright by the EXIF orientation, as the annotated sizes or the layout of the dataset say",
        ),
        (
            "orientation",
            by_size,
            "with an EXIF orientation, which is not applied, because the annotated sizes are those of stored pixels",
        ),
        (
            "orientation",
            unknown,
            "with an EXIF orientation, which is not applied, because no annotated size tells, and benchmarks give "
            'boxes in pixels as stored. If yours are of upright images, write [layout] orientation = "upright" in a '
            "protocol of your own",
        ),
    ]
    return [Finding(code, f"{counted(len(keys), 'image')} {text}", keys) for code, keys, text in found if keys]
