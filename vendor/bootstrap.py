"""Makes sure that llama.cpp can be built here: a cmake that runs, and a libclang that finds the C headers.

Takes what is installed. Else root has it installed by apt-get, and everybody else gets pinned wheels under vendor/cache/, for which nobody
need be root. Where the first way fails the other is tried (apt-get with a sudo that asks for no password, brew), unless called with `wheels`.
What cargo must know to find them goes to vendor/cache/cargo-env.toml, which .cargo/config.toml includes: `make` and plain `cargo` see the same tools.
"""

import glob
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pins

SETTINGS = pins.CACHE / "cargo-env.toml"
TOOLS = pins.CACHE / "tools"
PACKAGES = {"cmake": "cmake", "libclang": "libclang-dev"}
# Where bindgen looks (through clang-sys), in its order.
LINUX = ["/usr/local/llvm*/lib*", "/usr/local/lib*/*/*", "/usr/local/lib*/*", "/usr/local/lib*"]
LINUX += ["/usr/lib*/*/*", "/usr/lib*/*", "/usr/lib*"]
MACOS = ["/Library/Developer/CommandLineTools/usr/lib"]
MACOS += ["/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib"]
MACOS += ["/usr/local/opt/llvm*/lib", "/opt/homebrew/opt/llvm*/lib"]


def output(command):
    """What a command prints, or an empty string when it cannot be run or fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def libclang_files():
    """Every libclang that bindgen would find, the one it would take first."""
    given = os.environ.get("LIBCLANG_PATH")
    if given and Path(given).is_file():
        return [given]
    prefix = output([os.environ.get("LLVM_CONFIG_PATH", "llvm-config"), "--prefix"])
    folders = [prefix + "/lib", prefix + "/lib64"] if prefix else []
    for variable in ("LD_LIBRARY_PATH", "LIBRARY_PATH"):
        folders += [folder for folder in os.environ.get(variable, "").split(":") if folder]
    folders += MACOS if platform.system() == "Darwin" else LINUX
    if given:
        folders = [given]
    names = ["libclang.so", "libclang-*.so", "libclang.so.*", "libclang-*.so.*"]
    names = ["libclang.dylib"] if platform.system() == "Darwin" else names
    found = [path for folder in folders for name in names for path in glob.glob(folder + "/" + name)]
    return sorted(dict.fromkeys(path for path in found if "-cpp." not in path), key=version, reverse=True)


def version(path):
    """The version that clang-sys reads out of a file name; it takes the highest, and of equals the first found."""
    name = Path(path).name
    digits = name[12:] if name.startswith("libclang.so.") else name[9:-3] if name.startswith("libclang-") else ""
    return [int(part) if part.isdigit() else 0 for part in digits.split(".")] if digits else []


def usable(libraries):
    """What to tell cargo about the first libclang that parses C: nothing if bindgen finds it; None if none does."""
    compiler = os.environ.get("CC") or next(filter(shutil.which, ["cc", "gcc", "clang"]), "cc")
    headers = output(shlex.split(compiler) + ["-print-file-name=include"])
    for position, library in enumerate(libraries):
        # A libclang without its own builtin headers does well with the C compiler's.
        for arguments in ([], ["-isystem", headers]):
            if pins.succeeds([sys.executable, "-B", str(pins.VENDOR / "probe_libclang.py"), library] + arguments):
                alone = position == 0 and not arguments and platform.system() != "Darwin"
                extra = {"BINDGEN_EXTRA_CLANG_ARGS": " ".join(map(shlex.quote, arguments))} if arguments else {}
                return {} if alone else dict(extra, LIBCLANG_PATH=library)
    return None


def installed():
    """What is usable without installing anything, as settings by tool; a tool that is missing is missing here, too."""
    found = {"libclang": usable(libclang_files())}
    found["cmake"] = {} if pins.succeeds([os.environ.get("CMAKE", "cmake"), "--version"]) else None
    return {tool: settings for tool, settings in found.items() if settings is not None}


def apt(packages):
    """The commands that install packages with apt-get, one after the other until one attempt succeeds."""
    if not shutil.which("apt-get"):
        raise pins.Unavailable("there is no apt-get")
    if os.geteuid() != 0 and not pins.succeeds(["sudo", "-n", "true"]):
        raise pins.Unavailable("not root, and sudo is absent or wants a password")
    root = ["env", "DEBIAN_FRONTEND=noninteractive"]
    root = root if os.geteuid() == 0 else ["sudo", "-n"] + root
    install_them = root + ["apt-get", "install", "-y", "--no-install-recommends"] + packages
    # Fresh machines and images come without package lists.
    return [install_them, root + ["apt-get", "update"], install_them]


def install(tools):
    """Asks the system's package manager for what is missing; says why when that cannot work."""
    if platform.system() == "Darwin":
        if not shutil.which("brew"):
            raise pins.Unavailable("there is no brew")
        attempts = [["brew", "install"] + [{"cmake": "cmake", "libclang": "llvm"}[tool] for tool in tools]]
    else:
        attempts = apt([PACKAGES[tool] for tool in tools])
    print(f"installing {' and '.join(tools)}: {shlex.join(attempts[0])}", file=sys.stderr)
    results = []
    for command in attempts:
        results.append(subprocess.run(command, stdout=sys.stderr).returncode)
        if results == [0]:
            return
    if results[-1] != 0:
        raise pins.Unavailable(f"`{shlex.join(attempts[-1])}` failed")


def fetch(tool):
    """Unpacks the pinned wheel of a tool and returns the settings that make cargo use it."""
    member = {"cmake": "cmake/data/", "libclang": "clang/native/"}[tool]
    folder = TOOLS / f"{tool}-{pins.load()['wheel.' + tool]['version']}"
    if not folder.is_dir():
        pins.CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=str(pins.CACHE)) as scratch:
            pins.unpack(pins.wheel(tool, scratch), folder, lambda name: member in name)
    if tool == "cmake":
        program = next(folder.glob("**/bin/cmake"))
        program.chmod(0o755)
        settings = {"CMAKE": str(program)} if pins.succeeds([str(program), "--version"]) else None
    else:
        library = next(path for path in folder.glob("**/libclang.*") if path.suffix in (".so", ".dylib"))
        settings = usable([str(library)])
        settings = settings if settings is None else dict(settings, LIBCLANG_PATH=str(library))
    if settings is None:
        raise pins.Unavailable(f"the wheel of {tool} does not run here")
    return settings


def write(settings):
    """Leaves the settings where cargo reads them; JSON strings are TOML strings."""
    lines = ["# Written by vendor/bootstrap.py; delete it to look for the tools again.", "[env]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in sorted(settings.items())]
    SETTINGS.parent.mkdir(parents=True, exist_ok=True)
    partial = SETTINGS.with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(SETTINGS)


def still_there():
    """Whether the settings of an earlier call name only paths that exist."""
    if not SETTINGS.is_file():
        return False
    values = re.findall(r'^\w+ = (".*")$', SETTINGS.read_text(encoding="utf-8"), re.MULTILINE)
    words = [word for value in values for word in shlex.split(json.loads(value))]
    return all(Path(word).exists() for word in words if word.startswith("/"))


def sources():
    """Where tools are taken from, one after the other: nothing of the system is changed for somebody who need not be root."""
    return ["system", "wheels"] if os.geteuid() == 0 else ["wheels", "system"]


def main(sources):
    """Tries one source of tools after the other; the reasons of those that failed go into the one message."""
    if still_there():
        return
    have, reasons = installed(), []
    for source in sources:
        missing = [tool for tool in PACKAGES if tool not in have]
        try:
            if missing and source == "system":
                install(missing)
                have = installed()
                if len(have) < len(PACKAGES):
                    reasons.append("what was installed cannot be used")
            elif source == "wheels":
                for tool in missing:
                    have[tool] = fetch(tool)
        except pins.Unavailable as reason:
            reasons.append(str(reason))
    missing = [tool for tool in PACKAGES if tool not in have]
    if missing:
        sys.exit(
            f"error: llama.cpp cannot be built without cmake and libclang; missing: {', '.join(missing)}\n"
            f"  not installed: {'; '.join(reasons)}\n"
            "  by hand: apt-get install cmake libclang-dev (Debian, Ubuntu), brew install cmake llvm (macOS), "
            "dnf install cmake clang-devel (Fedora)"
        )
    settings = {name: value for part in have.values() for name, value in part.items()}
    if settings:
        write(settings)


if __name__ == "__main__":
    main(["wheels"] if sys.argv[1:] == ["wheels"] else sources())
