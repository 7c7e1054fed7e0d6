"""Where an image lies in a network's input, and back: for every size and every way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshbench.detectors.contract import Settings
from sshbench.detectors.graphs.inputs import input_array
from sshbench.detectors.graphs.placing import place
from sshbench.detectors.graphs.spec import InputSpec

SIDES = st.integers(1, 3000)
FITS = st.sampled_from(["letterbox", "pad", "squash"])
SPECS = st.one_of(
    st.builds(InputSpec, size=st.tuples(st.integers(8, 1500), st.integers(8, 1500)), fit=FITS),
    st.builds(InputSpec, size=st.just("dynamic"), multiple=st.sampled_from([1, 8, 32, 64]), fit=FITS),
)
RESIZES = st.sampled_from(["original", "480x640", "fit=640x640", "fit=33x500"])
CORNERS = st.lists(st.floats(-4000, 4000), min_size=4, max_size=4)


@given(SIDES, SIDES, SPECS, RESIZES, st.lists(CORNERS, max_size=5))
def test_boxes_go_into_the_input_and_come_back(
    width: int, height: int, spec: InputSpec, resize: str, boxes: list[list[float]]
) -> None:
    settings = Settings("original" if spec.fixed_size else resize)
    where = place(width, height, spec, settings)
    array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    np.testing.assert_allclose(where.back(where.into(array)), array, atol=1e-6)
    whole = where.into(np.array([[0.0, 0.0, width, height]]))[0]
    expected = [where.left, where.top, where.left + where.inner_width, where.top + where.inner_height]
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    assert 0 <= where.left <= where.left + where.inner_width <= where.width
    assert 0 <= where.top <= where.top + where.inner_height <= where.height


@given(SIDES, SIDES, SPECS, RESIZES)
def test_the_input_has_the_size_that_the_network_takes(width: int, height: int, spec: InputSpec, resize: str) -> None:
    where = place(width, height, spec, Settings("original" if spec.fixed_size else resize))
    if spec.fixed_size:
        assert (where.width, where.height) == spec.fixed_size
        touches = where.inner_width == where.width or where.inner_height == where.height
        assert touches
    else:
        assert where.width % spec.multiple == where.height % spec.multiple == 0
        assert where.width - where.inner_width < spec.multiple
    if spec.fit == "squash":
        assert (where.inner_width, where.inner_height) == (where.width, where.height)
    if spec.fit == "letterbox":
        assert abs(where.width - where.inner_width - 2 * where.left) <= 1


def test_the_input_is_scaled_and_bordered() -> None:
    """A blue image of 4 x 2 in 4 x 4, with a grey border, as R, G, B."""
    image = np.zeros((2, 4, 3), dtype=np.uint8)
    image[:, :, 0] = 200
    spec = InputSpec(size=(4, 4), pad_value=(100, 100, 100), mean=(10, 20, 0), scale=(1, 1, 0.5))
    data = input_array(image, place(4, 2, spec, Settings()), spec)
    assert data.shape == (1, 3, 4, 4)
    assert data.dtype == np.float32
    assert data[0, :, 0, 0].tolist() == [90, 80, 50]
    assert data[0, :, 1, 0].tolist() == [-10, -20, 100]


@pytest.mark.parametrize(("dtype", "layout"), [("uint8", "NHWC"), ("float16", "NCHW")])
def test_other_numbers_and_axes(dtype: str, layout: str) -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    spec = InputSpec.model_validate(
        {"size": "dynamic", "multiple": 1, "channels": "BGR", "dtype": dtype, "layout": layout}
    )
    data = input_array(image, place(4, 2, spec, Settings()), spec)
    assert data.dtype == dtype
    expected = image if layout == "NHWC" else image.transpose(2, 0, 1)
    assert data[0].tolist() == expected.tolist()


def test_one_number_stands_for_three_channels() -> None:
    assert InputSpec.model_validate({"size": "dynamic", "mean": 127.5}).mean == (127.5, 127.5, 127.5)
