"""The form that S3FD's authors gave detections for each benchmark."""

from __future__ import annotations

import numpy as np

from sshbench.boxes import bounding_boxes
from sshbench.records import Detections
from sshbench.rivals.s3fd_ellipses import ellipses_of

OUTPUTS = ("rectangle", "ellipse", "trimmed")


def as_output(found: Detections, output: str) -> Detections:
    """Return detections in the form that S3FD's authors wrote for a benchmark.

    Args:
        found: With rectangles.
        output: `rectangle` leaves them; `ellipse` maps them to ellipses (FDDB); `trimmed` rounds corners half away from
            zero and moves the top down by a fifth of the height (AFW, PASCAL Faces, whose boxes are shorter).

    Source: sfzhang15/SFD, sfd_test_code: FDDB/fddb_test.py, AFW/afw_test.py, PASCAL_face/pascal_test.py.

    >>> as_output(Detections(np.array([[10.4, 20.5, 29.6, 59.2]]), np.array([0.9])), "trimmed").boxes
    array([[10. , 28.8, 30. , 59. ]])
    """
    if output == "ellipse":
        sides = found.boxes[:, 2:] - found.boxes[:, :2] + 1
        ellipses = ellipses_of(np.column_stack((found.boxes[:, :2], sides)))
        return Detections(bounding_boxes(ellipses), found.scores, ellipses)
    if output == "trimmed":
        boxes = np.copysign(np.floor(np.abs(found.boxes) + 0.5), found.boxes)
        boxes[:, 1] += 0.2 * (boxes[:, 3] - boxes[:, 1] + 1)
        return Detections(boxes, found.scores)
    return found
