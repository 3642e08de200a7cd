"""Finds what the browser tests need: Chromium, its WebDriver, and the pinned axe-core. Installs or fetches what is missing."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

import bootstrap
import pins

AXE = "axe-core"
MEMBER = "package/axe.min.js"
# Debian's names first; others call them differently.
PROGRAMS = {
    "chromium": ["chromium", "chromium-browser", "google-chrome"],
    "chromium-driver": ["chromedriver"],
    "npm": ["npm"],
}


def missing():
    """Debian's packages whose program is not on the path."""
    return [package for package, names in PROGRAMS.items() if not any(map(shutil.which, names))]


def program(package):
    """The path of a package's program; installs what is missing where apt-get can."""
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
    """The source of axe-core, out of the pinned npm package."""
    target = pins.CACHE / "axe" / f"{pins.load()['npm.' + AXE]['version']}.js"
    if not target.is_file():
        program("npm")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=str(target.parent)) as scratch:
            with tarfile.open(str(pins.npm(AXE, scratch))) as archive:
                partial = os.path.join(scratch, "axe.js")
                with open(partial, "wb") as file:
                    file.write(archive.extractfile(MEMBER).read())
            os.replace(partial, str(target))
    return target.read_text(encoding="utf-8")
