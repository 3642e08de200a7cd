"""Finds what the browser tests need: Chromium, its WebDriver, and the pinned axe-core. Installs or fetches what is missing."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

import bootstrap
import pins

WHEEL = "axe-playwright-python"
MEMBER = "axe_playwright_python/axe.min.js"
# Debian's names first; others call them differently.
PROGRAMS = {
    "chromium": ["chromium", "chromium-browser", "google-chrome"],
    "chromium-driver": ["chromedriver"],
}


def missing():
    """Debian's packages whose program is not on the path."""
    return [package for package, names in PROGRAMS.items() if not any(map(shutil.which, names))]


def program(package):
    """The path of a package's program; installs both packages where one is missing and apt-get can."""
    if missing():
        install(missing())
    found = next(filter(None, map(shutil.which, PROGRAMS[package])), None)
    if found is None:
        raise pins.Unavailable(f"{package} is not installed")
    return found


def install(packages):
    """Asks apt-get, as root or with sudo."""
    for command in bootstrap.apt(packages):
        done = subprocess.run(command, stdout=sys.stderr)
        if done.returncode == 0 and not missing():
            return
    raise pins.Unavailable(f"`apt-get install {' '.join(packages)}` failed")


def axe():
    """The source of axe-core, out of the pinned wheel that carries it."""
    target = pins.CACHE / "axe" / f"{pins.load()['wheel.' + WHEEL]['version']}.js"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=str(target.parent)) as scratch:
            with zipfile.ZipFile(str(pins.wheel(WHEEL, scratch))) as archive:
                partial = os.path.join(scratch, "axe.js")
                with open(partial, "wb") as file:
                    file.write(archive.read(MEMBER))
            os.replace(partial, str(target))
    return target.read_text(encoding="utf-8")
