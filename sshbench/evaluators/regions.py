"""FDDB's regions as sets of pixels, and the overlap of every detection with every face of its image.

Faces and elliptical detections are drawn by OpenCV's filled `ellipse`, as the official tool draws them: its polygon is
part of the protocol, and row spans or an analytic ellipse are not the same pixels.

Source: description of the official FDDB evaluation code.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sshbench.records import FaceSet, FloatArray, IntArray, Mask, Region


def ellipse_region(ellipse: FloatArray, width: int, height: int) -> Region:
    """Draw an ellipse on a canvas of the image's size.

    Args:
        ellipse: Major radius, minor radius, angle in radians, centre x, centre y.
        width: Of the image, pixels.
        height: Of the image, pixels.
    """
    import cv2

    major, minor, angle, x, y = ellipse.tolist()
    centre = (int(np.rint(np.float32(x))), int(np.rint(np.float32(y))))
    canvas = np.zeros((height, width), dtype=np.uint8)
    cv2.ellipse(canvas, centre, (int(major), int(minor)), 180 - (np.pi - angle) * 180 / np.pi, 0, 360, 1, -1)
    # Only the part that the ellipse can reach is looked at: a search over the whole canvas costs more than the drawing.
    reach = int(max(major, minor)) + 2
    left, top = max(centre[0] - reach, 0), max(centre[1] - reach, 0)
    part = canvas[top : max(centre[1] + reach + 1, 0), left : max(centre[0] + reach + 1, 0)]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not len(rows):
        return Region(0, 0, np.zeros((0, 0), dtype=np.uint8))
    inside = part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return Region(left + int(columns[0]), top + int(rows[0]), inside)


def face_regions(faces: FaceSet) -> list[list[Region]]:
    """Draw every face, and return the pixels by image.

    Args:
        faces: With ellipses and image sizes.
    """
    assert faces.ellipses is not None
    assert faces.sizes is not None
    drawn = []
    for i, (width, height) in enumerate(faces.sizes.tolist()):
        rows = faces.ellipses[faces.offsets[i] : faces.offsets[i + 1]]
        drawn.append([ellipse_region(row, width, height) for row in rows])
    return drawn


def rectangle_corners(boxes: FloatArray) -> IntArray:
    """Return first and last pixel of rectangles, both inclusive: int64 (n, 4), x1, y1, x2, y2, not yet clipped.

    Corners are rounded half to even from single precision; inside-out rectangles are turned.
    """
    # Far outside any image, and safe to count in whole numbers.
    corners = np.rint(np.clip(boxes, -1e9, 1e9).astype(np.float32)).astype(np.int64)
    first, last = np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])
    return np.hstack((first, last))


def rectangle_overlaps(boxes: FloatArray, faces: list[Region], width: int, height: int) -> FloatArray:
    """Compute the IoU of rectangles with face regions, in pixels: float64 (detections, faces).

    Args:
        boxes: float64 (n, 4) corners.
        faces: The image's face regions.
        width: Of the image, pixels.
        height: Of the image, pixels.
    """
    corners = rectangle_corners(boxes)
    x1, y1 = np.maximum(corners[:, 0], 0), np.maximum(corners[:, 1], 0)
    x2, y2 = np.minimum(corners[:, 2], width - 1) + 1, np.minimum(corners[:, 3], height - 1) + 1
    areas = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
    overlaps = np.zeros((len(boxes), len(faces)))
    for f, face in enumerate(faces):
        rows, columns = face.mask.shape
        left, right = np.maximum(x1 - face.left, 0), np.minimum(x2 - face.left, columns)
        top, bottom = np.maximum(y1 - face.top, 0), np.minimum(y2 - face.top, rows)
        meet = np.flatnonzero((left < right) & (top < bottom))
        if not len(meet):
            continue
        table, area = _summed(face.mask)
        a, b, c, d = left[meet], right[meet], top[meet], bottom[meet]
        shared = table[d, b] - table[c, b] - table[d, a] + table[c, a]
        overlaps[meet, f] = shared / (area + areas[meet] - shared)
    return overlaps


def region_overlaps(regions: list[Region], faces: list[Region]) -> FloatArray:
    """Compute the IoU of elliptical detections with face regions, in pixels: float64 (detections, faces)."""
    overlaps = np.zeros((len(regions), len(faces)))
    areas = [face.area for face in faces]
    for d, region in enumerate(regions):
        area = region.area
        for f, face in enumerate(faces):
            left, top = max(region.left, face.left), max(region.top, face.top)
            right = min(region.left + region.mask.shape[1], face.left + face.mask.shape[1])
            bottom = min(region.top + region.mask.shape[0], face.top + face.mask.shape[0])
            if left < right and top < bottom:
                one = region.mask[top - region.top : bottom - region.top, left - region.left : right - region.left]
                two = face.mask[top - face.top : bottom - face.top, left - face.left : right - face.left]
                shared = int(np.count_nonzero(one & two))
                overlaps[d, f] = shared / (area + areas[f] - shared)
    return overlaps


def _summed(mask: Mask) -> tuple[npt.NDArray[np.int32], int]:
    """Return the summed-area table (rows + 1, columns + 1) and the total: four look-ups count a rectangle's pixels."""
    import cv2

    table = np.asarray(cv2.integral(mask), dtype=np.int32)
    return table, int(table[-1, -1])
