"""Measures the report that the README shows, SmolLM2 in five types, and takes its pictures: `make example`.

The tree must be clean, so that the report names the revision it was made by. Writes examples/smollm2.html, four pictures beside it and the
README's output.
"""

import argparse
import base64
import re
import shutil
import subprocess
import sys
from pathlib import Path

import browser as programs
import pins

ROOT = pins.VENDOR.parent
sys.path.insert(0, str(ROOT / "tests/browser"))
import webdriver  # noqa: E402 (it lies beside the browser tests)

EXAMPLES = ROOT / "examples"
RUN = pins.CACHE / "example"
# Where the README has what a person sees in the terminal.
OUTPUT = re.compile(r"(?<=<!-- output -->\n)```\n.*?```\n|(?<=<!-- output -->\n)", re.DOTALL)


def measure(program, models, budget):
    """Compares the models; returns the table that is printed first, and the sentences of the choice."""
    command = [program, "compare", *models, "--budget", budget, "--out", str(RUN.relative_to(ROOT)), "--overwrite"]
    printed = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    parts = printed.strip().split("\n\n")
    choice = next(part for part in parts if part.startswith(("Take ", "Keep ", "No recommendation")))
    return parts[0] + "\n…\n" + choice.split("\nRule: ")[0]


def picture(page, name, *, width=1280, height=800, scale=1, dark=False, mobile=False):
    """The first screen of a page, as a file."""
    page.devtools("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
    page.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)
    save(page, name)


def paper(page, name):
    """The first sheet, as a printer would have it."""
    page.devtools("Emulation.setEmulatedMedia", media="print", features=[])
    page.devtools("Emulation.setDeviceMetricsOverride", width=718, height=1016, deviceScaleFactor=2, mobile=False)
    save(page, name)


def save(page, name):
    shot = page.devtools("Page.captureScreenshot", format="png")["data"]
    (EXAMPLES / name).write_bytes(base64.b64decode(shot))


def main(words):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the program to measure with")
    parser.add_argument("models", nargs="+", help="the original, and what was made of it")
    parser.add_argument("--budget", default="4m", help="the time limit of the run")
    asked = parser.parse_args(words)
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=str(ROOT), stdout=subprocess.PIPE, check=True).stdout
    if changed.strip():
        sys.exit("error: the tree is not clean: commit first, so that the report names the revision it was made by")
    printed = measure(asked.program, asked.models, asked.budget)
    shutil.copyfile(str(RUN / "report.html"), str(EXAMPLES / "smollm2.html"))
    with webdriver.browser(programs.program("chromium-driver"), programs.program("chromium")) as page:
        page.open(EXAMPLES / "smollm2.html")
        picture(page, "smollm2.png")
        picture(page, "smollm2-dark.png", dark=True)
        picture(page, "smollm2-phone.png", width=390, height=844, scale=2, mobile=True)
        paper(page, "smollm2-print.png")
    readme = ROOT / "README.md"
    text, count = OUTPUT.subn(lambda _: f"```\n{printed.rstrip()}\n```\n", readme.read_text(encoding="utf-8"), count=1)
    if count != 1:
        sys.exit("error: README.md has no place for the output: <!-- output -->")
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
