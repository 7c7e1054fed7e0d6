"""CMS-RCNN's shape (Zhu et al., 2016), a reconstruction for timing."""

from __future__ import annotations

from pathlib import Path

from sshbench.detectors.contract import DetectorInfo
from sshbench.errors import UsageError
from sshbench.rivals.faster_rcnn import SETTINGS, FasterRcnnVgg16
from sshbench.rivals.two_stage_layers import CmsRcnnShape
from sshbench.ssh.random_weights import RANDOM, seed_of


class CmsRcnn(FasterRcnnVgg16):
    """A reconstruction of CMS-RCNN's shape for timing: it has no weights, and detects no faces."""

    info = DetectorInfo(
        name="cms-rcnn-shape",
        title="CMS-RCNN's shape (reconstruction for timing)",
        source="Zhu et al., CMS-RCNN, 2016, rebuilt from summaries; parts are guesses, see docs/rivals.md",
        licence="own code, Apache-2.0; there are no weights",
        training_data="none: random weights",
        trained_on=(),
        ranges=FasterRcnnVgg16.info.ranges,
        defaults=SETTINGS,
        defaults_source="those of faster-rcnn-vgg16; the authors' are not published",
        timing_only="its authors published neither code nor weights, and its random weights find no faces",
    )

    @classmethod
    def shape(cls) -> CmsRcnnShape:
        """Return the layers of the network."""
        return CmsRcnnShape(cls.narrow)

    def load(self) -> None:
        """Make random weights and build the network on its device.

        Raises:
            UsageError: The user names a weights file.
        """
        if self._weights is not None and seed_of(self._weights) is None:
            raise UsageError(
                f"'{self.info.name}' takes no weights file ({self._weights}): {self.info.timing_only}",
                remedy="Leave --weights out",
            )
        if self._weights is None:
            self._weights = Path(RANDOM)
        super().load()
