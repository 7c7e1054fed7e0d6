"""A headless Chromium that tests talk to through a pipe, by its DevTools protocol."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1400, 900
_PATIENCE = 60.0


def browser_path() -> str | None:
    """Return the path of the browser, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it under `SSHBENCH_REQUIRE_BROWSER=1`: no run of our CI passes without a browser."""
    if os.environ.get("SSHBENCH_REQUIRE_BROWSER") == "1":
        pytest.fail(what)
    pytest.skip(what)


class Browser:
    """One page.

    Attributes:
        problems: Exceptions and error messages of the page so far.
        requests: Addresses that it loaded.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._number = 0

    def __enter__(self) -> Browser:
        path = browser_path() or missing("there is no Chromium: apt-get install chromium")
        read, theirs = os.pipe()
        our_in, self._write = os.pipe()
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
        options += [f"--user-data-dir={self._profile.name}", f"--window-size={WIDTH},{HEIGHT}", "about:blank"]
        # The browser reads commands from descriptor 3 and answers on 4.
        line = f"exec {shlex.join([path, *options])} 3<&{our_in} 4>&{theirs}"
        self._process = subprocess.Popen(
            ["bash", "-c", line], pass_fds=(our_in, theirs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(our_in)
        os.close(theirs)
        self._read = os.fdopen(read, "rb", buffering=0)
        self._left, self._session = b"", None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._write)
        self._read.close()
        self._profile.cleanup()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            part = self._read.read(1 << 16)
            assert part, "the browser has gone"
            self._left += part
        text, _, self._left = self._left.partition(b"\0")
        event: dict[str, Any] = json.loads(text)
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(event["params"]["exceptionDetails"])[:2000])
        elif event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            self.problems.append(json.dumps(event["params"]["entry"]))
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])
        return event

    def show(
        self,
        width: int = WIDTH,
        height: int = HEIGHT,
        *,
        scheme: str = "light",
        media: str = "screen",
        density: int = 1,
    ) -> None:
        """Take a size of the screen, light or dark, and screen or paper."""
        size = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media="" if media == "screen" else media, features=features)

    def forget(self) -> None:
        """Begin anew for another test: a screen of the usual size, no problem and no request so far."""
        self.show()
        self.problems.clear()
        self.requests.clear()

    def open(self, page: Path, state: str = "") -> None:
        """Load a page from disk, in a view."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=page.as_uri() + state)
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + _PATIENCE
        while not self.run(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)

    def key(self, key: str, text: str = "") -> None:
        """Press a key."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, code=key)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)
