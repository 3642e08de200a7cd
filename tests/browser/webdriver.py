"""A small client of the WebDriver protocol and of Chromium's commands behind it. Standard library only."""

import contextlib
import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


# What a machine that is slow and busy may take; only what never comes takes longer.
PATIENCE_S = 600


class Failed(Exception):
    """The browser refused a command; the text says why."""


class Browser:
    """One headless Chromium. Every page it opens is a file."""

    def __init__(self, base, session):
        self._base, self._session = base, session

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Failed(json.load(error)["value"]["message"]) from None

    def _post(self, path, body):
        return self._call("POST", f"/session/{self._session}{path}", body)

    def open(self, path):
        """Opens a file, waits until it is loaded and forgets what was logged before."""
        self.run("window.isLeft = true")
        self.log("browser"), self.log("performance")
        self._post("/url", {"url": path.resolve().as_uri()})
        # On a busy machine chromedriver answers while the page is still being parsed.
        until(lambda: self.run("return !window.isLeft && document.readyState === 'complete'"), f"{path.name} to load")

    def run(self, script, *arguments):
        """The value of a function's body in the page."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, *arguments):
        """The value of a promise."""
        body = "const done = arguments[arguments.length - 1]; Promise.resolve((() => {" + script
        body += "})()).then(done, (error) => done({error: String(error)}));"
        return self._post("/execute/async", {"script": body, "args": list(arguments)})

    def devtools(self, command, **parameters):
        """A command of the DevTools protocol."""
        return self._post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def log(self, kind):
        """The entries since the last call."""
        return self._post("/se/log", {"type": kind})

    def requests(self):
        """Every address asked for since the page was opened."""
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def quit(self):
        """Ends the session and with it the browser."""
        self._call("DELETE", f"/session/{self._session}")


@contextlib.contextmanager
def browser(driver, chromium):
    """A browser that is gone afterwards, with its profile."""
    with tempfile.TemporaryDirectory() as profile:
        process, base = _started(driver)
        try:
            flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
            flags += ["--disable-background-networking", f"--user-data-dir={profile}", "--window-size=1280,900"]
            wanted = {
                "browserName": "chrome",
                # A script that looks through a large page takes long on a slow machine.
                "timeouts": {"script": PATIENCE_S * 1000, "pageLoad": PATIENCE_S * 1000},
                "goog:chromeOptions": {"binary": chromium, "args": flags},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            body = json.dumps({"capabilities": {"alwaysMatch": wanted}}).encode()
            with urllib.request.urlopen(base + "/session", data=body, timeout=PATIENCE_S) as answer:
                session = Browser(base, json.load(answer)["value"]["sessionId"])
            try:
                yield session
            finally:
                session.quit()
        finally:
            process.terminate()
            process.wait()


def _started(driver):
    """A chromedriver that is ready, and its address. A port that was free a moment ago may be another's by then: it is asked for again."""
    for _ in range(10):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        base = f"http://127.0.0.1:{port}"
        process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: process.poll() is not None or _is_ready(base), "chromedriver to start")
        if process.poll() is None:
            return process, base
    raise Failed("chromedriver does not start")


def _is_ready(base):
    try:
        with urllib.request.urlopen(base + "/status", timeout=5) as answer:
            return json.load(answer)["value"]["ready"]
    except (OSError, ValueError):
        return False


def until(is_so, awaited):
    """Returns when the condition holds; what can't be asked while a page is left does not hold yet."""
    give_up, refused = time.monotonic() + PATIENCE_S, None
    while True:
        try:
            if is_so():
                return
        except Failed as error:
            refused = error
        if time.monotonic() > give_up:
            raise Failed(f"waited in vain for {awaited}") from refused
        time.sleep(0.05)
