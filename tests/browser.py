"""Headless Chromium, driven over its DevTools protocol: what a page does when a reader opens it.

`python tests/browser.py plots/report.html page.png --width 1280` takes its picture.
"""

import argparse
import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    # No name is resolved, so nothing can be fetched even where there is a network.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
]
PATIENCE = 60
"""Seconds in which a page must have come to rest on a busy machine."""


def find_browser() -> str | None:
    """Find a Chromium on this machine."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


DRAWN = "document.documentElement.dataset.drawn !== undefined"
"""Whether the page of a run has drawn all its figures."""

MARKS = """[...document.querySelectorAll(".plot")].map((plot) => plot.querySelectorAll(
  ".points path, path.js-line, .bars path, .heatmaplayer image"
).length)"""
"""How many dots, lines, bars or fields of colour each figure of such a page has."""


class Browser:
    """One window without a network; what goes wrong in it is gathered in `errors`."""

    def __init__(self, executable: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [executable, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._number = 0
        self._socket = websocket.create_connection(self._address(), timeout=PATIENCE)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    _session: str | None = None

    def close(self) -> None:
        """End the browser."""
        self._socket.close()
        self._process.terminate()
        self._process.wait(10)
        self._profile.cleanup()

    def open(self, page: Path, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Open a page afresh in a window of a certain width."""
        self.errors.clear()
        self.requests.clear()
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", media="screen", features=[scheme])
        self._call("Page.navigate", url=page.resolve().as_uri())
        self.wait_until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page and return its value."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def wait_until(self, condition: str) -> None:
        """Wait until an expression holds in the page."""
        end = time.monotonic() + PATIENCE
        while not self.run(condition):
            if time.monotonic() > end:
                raise TimeoutError(f"{condition} does not come true; {self.errors}")
            time.sleep(0.05)

    def fetched(self) -> list[str]:
        """List what the page asked for besides itself."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def overflow(self) -> int:
        """Say by how many pixels the page is wider than the window."""
        root = "document.documentElement"
        return self.run(f"{root}.scrollWidth - {root}.clientWidth")

    def press(self, key: str) -> None:
        """Press and release a key, such as Tab or Enter."""
        text = {"Enter": "\r", " ": " "}.get(key)
        code = {"Enter": 13, "Tab": 9, " ": 32}[key]
        event = {"key": key, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
        self._call("Input.dispatchKeyEvent", type="keyDown", **event)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def picture(self, top: int = 0, height: int | None = None) -> bytes:
        """Take a picture of the page, or of a strip of it, as PNG."""
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": top, "width": size["width"], "scale": 1}
        clip |= {"height": height or size["height"]}
        taken = self._call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def place_of(self, selector: str) -> tuple[int, int]:
        """Say where an element begins, and how tall it is."""
        found = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        top, height = self.run(f"(({{ top, height }}) => [top + scrollY, height])({found})")
        return int(top), int(height) + 1

    def see_as_printed(self) -> None:
        """Show the page in the style of paper; its scripts notice as before printing."""
        dark = {"name": "prefers-color-scheme", "value": "dark"}
        self._call("Emulation.setEmulatedMedia", media="print", features=[dark])

    def _address(self) -> str:
        port = Path(self._profile.name) / "DevToolsActivePort"
        end = time.monotonic() + PATIENCE
        while not (port.is_file() and port.read_text().count("\n")):
            if time.monotonic() > end or self._process.poll() is not None:
                raise RuntimeError("the browser does not start")
            time.sleep(0.05)
        number, path = port.read_text().split("\n")[:2]
        return f"ws://127.0.0.1:{number}{path}"

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._note(answer.get("method"), answer.get("params", {}))

    def _note(self, method: str | None, answer: dict[str, Any]) -> None:
        match method:
            case "Runtime.exceptionThrown":
                details = answer["exceptionDetails"]
                error = details.get("exception", {}).get("description", details["text"])
                self.errors.append(error)
            case "Runtime.consoleAPICalled" if answer["type"] in ("error", "assert"):
                values = [str(one.get("value", one.get("description"))) for one in answer["args"]]
                self.errors.append(" ".join(values))
            case "Log.entryAdded" if answer["entry"]["level"] == "error":
                self.errors.append(answer["entry"]["text"])
            case "Network.loadingFailed" if not answer.get("canceled"):
                self.errors.append(f"failed request: {answer['errorText']}")
            case "Network.requestWillBeSent":
                self.requests.append(answer["request"]["url"])


def main() -> None:
    """Take a picture of the page of a run, or of one element of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path, help="a .png")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, help="of the picture; default: to the end")
    parser.add_argument("--of", help="CSS selector of the element to be seen, in place of the page")
    arguments = parser.parse_args()
    executable = find_browser()
    if executable is None:
        raise SystemExit(f"no browser here; install one of {', '.join(NAMES)}")
    browser = Browser(executable)
    try:
        browser.open(arguments.page, arguments.width)
        browser.wait_until(DRAWN)
        strip = browser.place_of(arguments.of) if arguments.of else (0, arguments.height)
        arguments.picture.write_bytes(browser.picture(*strip))
        if browser.errors:
            raise SystemExit("\n".join(browser.errors))
    finally:
        browser.close()


if __name__ == "__main__":
    main()
