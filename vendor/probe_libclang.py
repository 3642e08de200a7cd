"""Exits with 0 when a libclang can be loaded and finds the C headers: LIBRARY [CLANG ARGUMENT]...

Finding the file is not enough: a libclang without its builtin headers (the wheel, Debian's libclang1 alone) stops
bindgen at the first `#include <stddef.h>`. A process of its own, because two libclangs do not share one.
"""

import ctypes
import sys

SOURCE = b"".join(b"#include <%s.h>\n" % name for name in (b"stdbool", b"stddef", b"stdint", b"stdio"))
ERROR = 3  # CXDiagnostic_Error


class UnsavedFile(ctypes.Structure):
    """CXUnsavedFile: a source that is not on disk."""

    _fields_ = [("name", ctypes.c_char_p), ("contents", ctypes.c_char_p), ("length", ctypes.c_ulong)]


def worst(library, arguments):
    """The gravest diagnostic of the parse, as CXDiagnosticSeverity; none when nothing could be parsed."""
    clang = ctypes.CDLL(library)
    pointer = ctypes.c_void_p
    for function in ("clang_createIndex", "clang_parseTranslationUnit", "clang_getDiagnostic"):
        getattr(clang, function).restype = pointer
    index = pointer(clang.clang_createIndex(0, 0))
    source = UnsavedFile(b"probe.h", SOURCE, len(SOURCE))
    options = (ctypes.c_char_p * len(arguments))(*[argument.encode() for argument in arguments])
    unit = clang.clang_parseTranslationUnit(index, b"probe.h", options, len(arguments), ctypes.byref(source), 1, 0)
    if not unit:
        return None
    unit = pointer(unit)
    found = [pointer(clang.clang_getDiagnostic(unit, number)) for number in range(clang.clang_getNumDiagnostics(unit))]
    return max([clang.clang_getDiagnosticSeverity(diagnostic) for diagnostic in found], default=0)


if __name__ == "__main__":
    try:
        severity = worst(sys.argv[1], sys.argv[2:])
    except (OSError, AttributeError) as reason:
        sys.exit(str(reason))
    sys.exit(0 if severity is not None and severity < ERROR else 1)
