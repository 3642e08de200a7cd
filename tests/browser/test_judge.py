"""Answers judged blind by keyboard, from the page to the program's report. The program is named by GGUF_BENCH."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "vendor"))

import browser as installed
import pages
import webdriver

PAGES = {"real": pages.real, "hostile": pages.hostile}
CODES = {"1": ("Digit1", 49), "2": ("Digit2", 50), "0": ("Digit0", 48), "Backspace": ("Backspace", 8)}


class Judge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = os.environ.get("GGUF_BENCH", str(pages.ROOT / "target" / "release" / "gguf-bench"))
        held = contextlib.ExitStack()
        cls.addClassCleanup(held.close)
        cls.folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        cls.paths = {name: pages.render(cls.program, make(), cls.folder, name) for name, make in PAGES.items()}
        driver, chromium = installed.program("chromium-driver"), installed.program("chromium")
        cls.browser = held.enter_context(webdriver.browser(driver, chromium))

    def press(self, key):
        code, number = CODES[key]
        text = {"text": key} if len(key) == 1 else {}
        self.browser.devtools("Input.dispatchKeyEvent", type="keyDown", key=key, code=code,
                              windowsVirtualKeyCode=number, **text)
        self.browser.devtools("Input.dispatchKeyEvent", type="keyUp", key=key, code=code, windowsVirtualKeyCode=number)

    def shown(self, name, what="textContent"):
        return self.browser.run("return document.querySelector(`[data-judge=${arguments[0]}]`)[arguments[1]]", name, what)

    def begin(self, name):
        self.browser.open(self.paths[name])
        self.browser.run("document.querySelector('[data-judge=begin]').click()")
        return self.browser.run("return JSON.parse(document.getElementById('ballot').textContent)")

    def vote_through(self, ballot):
        """Votes left, right and neither in turn; whose answer was chosen each time, by the texts shown and the page's own list."""
        chosen = []
        for at, question in enumerate(ballot["questions"]):
            texts = self.browser.run("""
                const answers = document.querySelectorAll("#answers .prompt")[arguments[0].prompt].querySelectorAll(".said");
                const {original, candidate} = arguments[0].answers;
                return [answers[original].textContent, answers[candidate].textContent]""", question)
            left, right = self.shown("left"), self.shown("right")
            self.assertEqual(sorted([left, right]), sorted(texts))
            key = "120"[at % 3]
            side = {"1": left, "2": right, "0": None}[key]
            whose = "neither" if side is None else "original" if side == texts[0] else "candidate"
            chosen.append({"workload": question["workload"], "candidate": question["candidate"], "better": whose})
            self.assertEqual(self.shown("progress"), f"{at} of {len(ballot['questions'])} judged")
            self.press(key)
        return chosen

    def test_the_whole_way_by_keyboard(self):
        for name in PAGES:
            ballot = self.begin(name)
            # The names come at the end only.
            self.assertFalse(self.shown("question", "hidden"))
            self.assertTrue(self.shown("result", "hidden"))
            self.press("1")
            self.press("Backspace")
            chosen = self.vote_through(ballot)
            self.assertTrue(self.shown("question", "hidden"))
            self.assertFalse(self.shown("result", "hidden"))
            self.assertEqual(self.browser.run("return document.querySelectorAll('[data-judge=key] li').length"), len(chosen))
            tally = self.browser.run("""
                return [...document.querySelectorAll("#tally tbody tr")].map((row) =>
                  [...row.cells].slice(1).map((cell) => Number(cell.textContent)))""")
            candidates = sorted({q["candidate"] for q in ballot["questions"]} | {model for _, model in ballot["same"]})
            expected = [
                [sum(c["candidate"] == one and c["better"] == kind for c in chosen)
                 for kind in ("original", "candidate", "neither")]
                + [sum(model == one for _, model in ballot["same"])]
                for one in candidates
            ]
            self.assertEqual(tally, expected)
            self.assertIsNone(self.browser.run("return window.owned ?? null"))
            self.count_by_the_program(name, ballot, chosen, tally)

    def count_by_the_program(self, name, ballot, chosen, tally):
        """The file the page saves, through `report --votes`."""
        saved = self.folder / f"{name}-saved"
        saved.mkdir()
        self.browser.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(saved))
        self.browser.run("document.querySelector('[data-judge=save]').click()")
        votes = saved / "votes.json"
        # It gets its name when it is whole.
        webdriver.until(votes.exists, "the file to be saved")
        self.assertEqual(json.loads(votes.read_text()), {"format": 1, "ballot": ballot["id"], "votes": chosen})
        record = self.folder / f"{name}.json"
        said = subprocess.run([self.program, "report", str(record), "--votes", str(votes), "--format", "json", "--out", "-"],
                              check=True, capture_output=True)
        rows = json.loads(said.stdout)["votes"]
        fields = ("original_preferred", "candidate_preferred", "neither", "same")
        self.assertEqual([[row[field] for field in fields] for row in rows], tally)
        self.assertEqual([row["not_judged"] for row in rows], [0] * len(rows))

    def test_keys_are_free_elsewhere(self):
        self.begin("real")
        before = self.shown("progress")
        self.browser.run("document.activeElement.blur()")
        self.press("1")
        self.assertEqual(self.shown("progress"), before)


if __name__ == "__main__":
    unittest.main()
