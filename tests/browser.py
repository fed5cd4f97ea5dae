"""Drives a Chromium without a display over its debugging port on loopback: evaluate, move the mouse, press keys, look."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)


def chromium() -> str | None:
    """Path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        self.allowed = ""
        """Beginning of the addresses that a page may ask for."""
        self.complaints: list[str] = []
        """What the page threw, logged as an error, or wanted to load from elsewhere."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        about, kind = event["params"], event["method"]
        if kind == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(about["exceptionDetails"])[:500])
        if kind == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.complaints.append(about["entry"]["text"])
        if kind == "Network.requestWillBeSent" and about["request"]["url"].startswith(("http", "ws", "ftp")):
            url = about["request"]["url"]
            if not (self.allowed and url.startswith(self.allowed)):
                self.complaints.append(f"asked for {url}")

    def open(self, page: Path, width: int = 960, height: int = 720, dark: bool = False, hash: str = "") -> None:
        """A page that `render-ih view` wrote."""
        self.visit(page.as_uri() + hash, width, height, dark)
        self.wait("document.querySelectorAll('#fields div').length > 0")
        self.settle()

    def visit(self, url: str, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        """An address, until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        self.settle()

    def value(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not self._holds(condition):
            assert time.monotonic() < deadline, f"not within {seconds} s: {condition}; {self.complaints}"
            time.sleep(0.05)

    def _holds(self, condition: str) -> bool:
        """False also while the page goes to another one."""
        try:
            return bool(self.value(condition))
        except AssertionError as error:
            if "navigated" in str(error) or "context was destroyed" in str(error):
                return False
            raise

    def settle(self) -> None:
        """Two frames and a moment for pictures to be decoded."""
        self.value(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 150))))"
        )

    def mouse(self, x: float, y: float, kind: str = "mouseMoved", **more: Any) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def key(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)
        self.settle()

    def click(self, selector: str) -> None:
        self.value(f"document.querySelector({json.dumps(selector)}).click()")
        self.settle()

    def screenshot(self, whole: bool = True) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Tab]:
    """A browser with one tab; ended when the block ends."""
    with subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            with connect(_address(profile, process), max_size=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()


def _address(profile: Path, process: subprocess.Popen) -> str:
    """Where the first page listens."""
    import httpx

    note, deadline = profile / "DevToolsActivePort", time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if note.exists() and len(lines := note.read_text().splitlines()) == 2:
            targets = httpx.get(f"http://127.0.0.1:{lines[0]}/json/list", trust_env=False).json()
            pages = [target for target in targets if target["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.05)
    raise RuntimeError("the browser did not start")
