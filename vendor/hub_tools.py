"""Puts huggingface_hub on Python's path, out of pinned wheels; the test of model cards imports it. Nothing is installed."""

import sys
import tempfile

import pins

WHEELS = [
    "anyio",
    "filelock",
    "h11",
    "httpcore2",
    "httpx2",
    "huggingface-hub",
    "idna",
    "pyyaml",
    "tqdm",
    "truststore",
    "typing-extensions",
]
# Wheels of it are for one Python and one system each. Its modules in Python are the same in all, and enough.
TAGS = {
    "pyyaml": "--platform manylinux2014_x86_64 --python-version 3.11 --implementation cp --abi cp311".split(),
}
# What the pinned versions ask for.
OLDEST_PYTHON = (3, 11)


def provide():
    """Fetches what is missing, and lets it be imported."""
    if sys.version_info < OLDEST_PYTHON:
        raise pins.Unavailable("huggingface_hub needs Python {}.{}, and this is {}.{}".format(*OLDEST_PYTHON, *sys.version_info[:2]))
    pinned = pins.load()
    for name in WHEELS:
        target = pins.CACHE / "hub" / "{}-{}".format(name, pinned["wheel." + name]["version"])
        if not target.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=str(target.parent)) as scratch:
                wheel = pins.wheel(name, scratch, TAGS.get(name, ()))
                pins.unpack(wheel, target, lambda member: not member.endswith((".so", ".pyd")))
        sys.path.insert(0, str(target))
