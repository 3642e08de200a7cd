"""Builds this program with llama.cpp's Vulkan backend and tests it on Mesa's software driver, lavapipe. No GPU is needed.

Installs what is missing with apt-get, as root or with a sudo that asks for no password. Where that fails so does this, unless
VULKAN_TESTED is `where-possible`: then it says loudly that nothing was tested. Builds into target/vulkan, so that the build
without Vulkan stays. Prints how long each step took.
"""

import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import bootstrap
import pins

ROOT = pins.VENDOR.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "vulkan"
# The first version whose C++ header has VK_EXT_layer_settings, which llama.cpp names whether it is used or not.
HEADERS_WITH_LAYER_SETTINGS = (1, 3, 272)
CORE = "vulkan/vulkan_core.h"


def first(patterns):
    """The first path that is there."""
    return next((path for pattern in patterns for path in sorted(glob.glob(pattern))), None)


def include_folder():
    """Where Vulkan's C++ headers are."""
    sdk = os.environ.get("VULKAN_SDK")
    found = first(([f"{sdk}/include/vulkan/vulkan.hpp"] if sdk else []) + [f"/usr{local}/include/vulkan/vulkan.hpp" for local in ("/local", "")])
    return Path(found).parent.parent if found else None


# Debian's package, and how to see that what is in it is there.
NEEDED = {
    "glslc": lambda: shutil.which("glslc"),
    "libvulkan-dev": include_folder,
    "spirv-headers": lambda: first([f"{root}/{share}/cmake/SPIRV-Headers/SPIRV-HeadersConfig.cmake" for root in roots() for share in ("share", "lib")]),
    "mesa-vulkan-drivers": lambda: first(["/usr/share/vulkan/icd.d/lvp_icd*.json", "/etc/vulkan/icd.d/lvp_icd*.json"]),
}


def roots():
    sdk = os.environ.get("VULKAN_SDK")
    return ([sdk] if sdk else []) + ["/usr/local", "/usr"]


def missing():
    """Debian's packages of what is not there."""
    return [package for package, found in NEEDED.items() if not found()]


def install():
    """Installs what is missing; says why where that cannot be done."""
    wanted = missing()
    if not wanted:
        return
    if platform.system() != "Linux":
        raise pins.Unavailable("lavapipe is looked for on Linux only")
    for command in bootstrap.apt(wanted):
        done = subprocess.run(command, stdout=sys.stderr, check=False)
        if done.returncode == 0 and not missing():
            return
    raise pins.Unavailable(f"`apt-get install {' '.join(wanted)}` did not bring {', '.join(missing())}")


def header_version(text):
    """The version that vulkan_core.h states, as three numbers; None where it states none."""
    complete = re.search(r"#define VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION\(\s*0\s*,\s*(\d+)\s*,\s*(\d+)\s*,", text)
    patch = re.search(r"#define VK_HEADER_VERSION (\d+)", text)
    return (int(complete[1]), int(complete[2]), int(patch[1])) if complete and patch else None


def variables(version):
    """What the compilers must be told: older headers need the types that ours adds."""
    if version is not None and version >= HEADERS_WITH_LAYER_SETTINGS:
        return {}
    paths = [str(pins.VENDOR / "vulkan")] + [path for path in [os.environ.get("CPLUS_INCLUDE_PATH")] if path]
    return {"CPLUS_INCLUDE_PATH": os.pathsep.join(paths)}


def timed(what, command, environment):
    began = time.monotonic()
    code = subprocess.run(command, cwd=str(ROOT), env=environment, check=False).returncode
    print(f"test-vulkan: {what}: {time.monotonic() - began:.0f} s", flush=True)
    if code != 0:
        sys.exit(code)


def main(words):
    try:
        began = time.monotonic()
        install()
        print(f"test-vulkan: packages: {time.monotonic() - began:.0f} s", flush=True)
    except pins.Unavailable as reason:
        told = (
            f"the Vulkan backend cannot be built and tested here without {', '.join(missing())}\n  not installed: {reason}\n"
            f"  by hand: apt-get install {' '.join(NEEDED)} (Debian, Ubuntu)"
        )
        if os.environ.get("VULKAN_TESTED") == "where-possible":
            print(f"test-vulkan: NOT TESTED: {told}", flush=True)
            return
        sys.exit(f"error: {told}")
    version = header_version((include_folder() / CORE).read_text(encoding="utf-8"))
    environment = dict(os.environ, **variables(version))
    cargo = [os.environ.get("CARGO", "cargo"), "test", "--release", "--locked", "--features", "vulkan", "--target-dir", str(TARGET), "--test", "it"]
    timed("build", cargo + ["--no-run"], environment)
    # One after the other: each uses every CPU.
    timed("tests", cargo + (words or ["vulkan::"]) + ["--", "--test-threads", "1"], environment)


if __name__ == "__main__":
    main(sys.argv[1:])
