"""Reads vendor/pins.toml and fetches the wheels and npm packages it names. Standard library only, Python 3.8 or newer."""

import hashlib
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VENDOR = Path(__file__).resolve().parent
CACHE = VENDOR / "cache"


class Unavailable(Exception):
    """Something could not be had here; the text says what and why, and fits after a colon."""


def read(text):
    """The tables of pins.toml by name. Knows strings and whole numbers, which is all the file uses."""
    tables, current = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        header = re.fullmatch(r"\[([\w.-]+)\]", line)
        pair = re.fullmatch(r'([\w-]+) = (?:"([^"\\]*)"|(\d+))', line)
        if header:
            current = tables.setdefault(header.group(1), {})
        elif pair and current is not None:
            name, string, whole = pair.groups()
            current[name] = int(whole) if string is None else string
        elif line and not line.startswith("#"):
            raise ValueError(f"pins.toml, line {number}: cannot read {line!r}")
    return tables


def load():
    """The tables of this checkout's pins.toml."""
    return read((VENDOR / "pins.toml").read_text(encoding="utf-8"))


def sha256(path):
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def platform_key():
    """The name that pins.toml gives this machine."""
    system = {"Linux": "linux", "Darwin": "macos"}.get(platform.system(), platform.system().lower())
    machine = platform.machine().lower()
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(machine, machine)
    return f"{system}-{machine}"


def wheel(name, folder, tags=()):
    """Downloads one pinned wheel into `folder` and returns its path; pip refuses any other file. `tags` are pip's options for one of another system."""
    pin = load()["wheel." + name]
    checksum = pin.get("any") or pin.get(platform_key())
    if checksum is None:
        raise Unavailable(f"no wheel of {name} is pinned for {platform_key()}")
    requirements = Path(folder) / "requirements.txt"
    requirements.write_text(f"{name}=={pin['version']} --hash=sha256:{checksum}\n")
    command = pip() + ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--requirement", str(requirements), "--dest", str(folder), *tags]
    print(f"fetching {name} {pin['version']} (a pinned wheel)", file=sys.stderr)
    return _fetched(name, "pip", command, folder, "*.whl")


def npm(name, folder):
    """Downloads one pinned npm package into `folder` and returns the path of its archive, once its checksum is the pinned one."""
    pin = load()["npm." + name]
    print(f"fetching {name} {pin['version']} (a pinned npm package)", file=sys.stderr)
    command = ["npm", "pack", "--silent", f"{name}@{pin['version']}"]
    archive = _fetched(name, "npm", command, folder, "*.tgz")
    if sha256(archive) != pin["sha256"]:
        raise Unavailable(f"{name} {pin['version']} from npm has the checksum {sha256(archive)}, which is not the pinned one")
    return archive


def _fetched(name, client, command, folder, pattern):
    """The one file that a client's command leaves in `folder`, where it runs."""
    done = subprocess.run(command, cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = list(Path(folder).glob(pattern))
    if done.returncode != 0 or len(found) != 1:
        reason = (done.stdout.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"{client} could not fetch {name}: {reason}")
    return found[0]


def pip():
    """The command of a working pip. Debian's python3 comes without one, but may be able to make one."""
    own = CACHE / "pip" / "bin" / "python3"
    for python in (sys.executable, str(own)):
        if succeeds([python, "-m", "pip", "--version"]):
            return [python, "-m", "pip"]
    if not succeeds([sys.executable, "-m", "venv", "--clear", str(own.parent.parent)]):
        raise Unavailable("this Python has no pip (Debian, Ubuntu: apt-get install python3-pip)")
    return [str(own), "-m", "pip"]


def succeeds(command):
    """Whether a command can be run and exits with 0."""
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        return False
    return done.returncode == 0


def unpack(archive, folder, wanted):
    """Unpacks the members of a wheel that `wanted` accepts; the folder appears whole or not at all."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=str(folder.parent)) as scratch, zipfile.ZipFile(str(archive)) as file:
        file.extractall(scratch + "/new", [name for name in file.namelist() if wanted(name)])
        Path(scratch, "new").replace(folder)
