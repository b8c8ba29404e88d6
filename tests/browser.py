"""Headless Chromium over its DevTools protocol: load pages, hear what they complain of, run axe-core in them."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from tornado.websocket import websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--remote-debugging-port=0")
HELD = ("file:", "data:", "about:")
LOAD_S = 60
KEYS = {"Enter": 13, "Tab": 9}
ON_PAPER = "on paper"
AXE = "axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found.violations))"


@dataclass
class Seen:
    """What one page did at one width."""

    page: Path
    width: int
    scheme: str = "light"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    wider_than_the_screen: bool = False


def find_chromium() -> str | None:
    """Return the browser's path, or None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def look(pages: list[Path], views: dict[int, str], axe: str) -> list[Seen]:
    """Load each page at each width, in the colour scheme that goes with it, with axe-core (its source) run in it."""

    async def all_views(tab):
        return [await tab.load(Seen(page, width, scheme), axe) for page in pages for width, scheme in views.items()]

    return _with_tab(all_views)


def use(page: Path, steps: list[str]) -> list:
    """Load a page and take steps in it; the values of those that are JavaScript return.

    `Enter` and `Tab` are pressed; from `ON_PAPER` on the page is laid out as it is printed.
    """

    async def all_steps(tab):
        await tab.open(page)
        values = []
        for step in steps:
            if step in KEYS:
                await tab.press(step)
            elif step == ON_PAPER:
                await tab.call("Emulation.setEmulatedMedia", media="print")
            else:
                found = await tab.call("Runtime.evaluate", expression=step, returnByValue=True)
                values.append(found["result"].get("value"))
        return values

    return _with_tab(all_steps)


def _with_tab(work):
    """Return what `work`, a coroutine function of a tab, returns in a browser of its own."""
    with tempfile.TemporaryDirectory(prefix="mgk-browser-", ignore_cleanup_errors=True) as profile:
        command = [find_chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                return asyncio.run(_work(Path(profile), work))
            finally:
                browser.kill()
                browser.wait()


async def _work(profile: Path, work):
    file = profile / "DevToolsActivePort"
    for _ in range(10 * LOAD_S):
        if file.exists() and file.read_text():
            break
        await asyncio.sleep(0.1)
    port = file.read_text().splitlines()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
        target = next(t for t in json.load(answer) if t["type"] == "page")
    tab = _Tab(await websocket_connect(target["webSocketDebuggerUrl"], max_message_size=2**28))
    for domain in ("Page", "Network", "Log", "Runtime"):
        await tab.call(f"{domain}.enable")
    return await work(tab)


class _Tab:
    def __init__(self, socket):
        self.socket, self.number, self.events = socket, 0, []

    async def call(self, method: str, **parameters) -> dict:
        self.number += 1
        await self.socket.write_message(json.dumps({"id": self.number, "method": method, "params": parameters}))
        return await self.hear(lambda message: message.get("id") == self.number)

    async def hear(self, wanted) -> dict:
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.read_message(), LOAD_S))
            self.events.append(message)
            if wanted(message):
                assert "error" not in message, message
                return message.get("result", {})

    async def open(self, page: Path) -> None:
        self.events.clear()
        await self.call("Page.navigate", url=page.resolve().as_uri())
        if not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            await self.hear(lambda message: message.get("method") == "Page.loadEventFired")

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=KEYS[key], **text)

    async def load(self, seen: Seen, axe: str) -> Seen:
        size = {"width": seen.width, "height": 900, "deviceScaleFactor": 1, "mobile": seen.width < 600}
        scheme = {"name": "prefers-color-scheme", "value": seen.scheme}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        await self.open(seen.page)
        await self.call("Runtime.evaluate", expression=axe)
        found = await self.call("Runtime.evaluate", expression=AXE, awaitPromise=True)
        seen.violations = [_told(v) for v in json.loads(found["result"]["value"]) if v["impact"] in SERIOUS]
        wide = await self.call(
            "Runtime.evaluate", expression="document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        seen.wider_than_the_screen = wide["result"]["value"]
        for event in self.events:
            _note(event.get("method"), event.get("params", {}), seen)
        return seen


SERIOUS = ("serious", "critical")


def _told(violation: dict) -> str:
    places = "; ".join(str(node["target"]) for node in violation["nodes"][:3])
    return f"{violation['id']} ({violation['impact']}): {violation['help']}, {len(violation['nodes'])} times: {places}"


def _note(method: str | None, event: dict, seen: Seen) -> None:
    if method == "Network.requestWillBeSent" and not event["request"]["url"].startswith(HELD):
        seen.requests.append(event["request"]["url"])
    elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
        seen.complaints.append(event["entry"]["text"])
    elif method == "Runtime.exceptionThrown":
        seen.complaints.append(event["exceptionDetails"]["text"])
    elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning"):
        seen.complaints.append(str(event["args"]))
