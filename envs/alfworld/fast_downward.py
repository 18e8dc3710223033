"""Fast Downward's shared library: a pool of copies, one in use by each engine.

The library keeps one planning task in global variables, so each engine needs a separate copy.
``fast_downward.load_lib`` copies the whole file, 34 MB of which 33 are debug information, and the
disk space stays taken while the copy is loaded; here only what the loader maps is copied.

Copies go back to the pool and are never unloaded: unloading one and loading another later crashes
the process now and then, because the copies share C++ symbols that are unique to a process.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import tempfile
import threading
from pathlib import Path
from typing import Any

from fast_downward import Atom, Operator
from fast_downward.interface import DOWNWARD_LIB_PATH

__all__ = ["Atom", "Operator", "acquire", "release", "search"]

_FREE: list[Any] = []
_LOCK = threading.Lock()

_ELF64_LITTLE = b"\x7fELF\x02\x01"
_ELF_TABLES = struct.Struct("<QQIHHHHHH")  # e_phoff .. e_shstrndx
_ELF_TABLES_AT = 32
_SEGMENT = struct.Struct("<IIQQQQQQ")  # Elf64_Phdr


def acquire() -> Any:
    """Return a copy of the library that is not in use."""
    with _LOCK:
        if _FREE:
            return _FREE.pop()
    with tempfile.NamedTemporaryFile(prefix="libdownward-", suffix=".so") as file:
        file.write(_image())
        file.flush()
        return _declare(ctypes.CDLL(file.name))


def release(library: Any) -> None:
    """Give a copy back; the caller must not use it again."""
    library.cleanup()  # frees the task
    with _LOCK:
        _FREE.append(library)


def search(library: Any, task: bytes) -> list[Any] | None:
    """Return the operators of a plan from the library's present state; None: there is no plan.

    Args:
        library: A copy with a task loaded.
        task: The same task, translated for search.
    """
    library.load_sas_replan(task)
    if not library.replan(False):
        return None
    records = (Operator * library.get_last_plan_length())()
    library.get_last_plan(records)
    return list(records)


@functools.cache
def _image() -> bytes:
    """Return the library without what follows its last mapped segment (ELF; others whole)."""
    data = Path(DOWNWARD_LIB_PATH).read_bytes()
    if not data.startswith(_ELF64_LITTLE):
        return data
    tables = _ELF_TABLES.unpack_from(data, _ELF_TABLES_AT)
    segments_at, flags, header_size = tables[0], tables[2], tables[3]
    size, count = tables[4], tables[5]
    segments = [_SEGMENT.unpack_from(data, segments_at + index * size) for index in range(count)]
    end = max(offset + length for _, _, offset, _, _, length, _, _ in segments)
    image = bytearray(data[:end])
    # No section table: it lies in the part that is left out, and the loader does not read it.
    _ELF_TABLES.pack_into(
        image, _ELF_TABLES_AT, segments_at, 0, flags, header_size, size, count, 0, 0, 0
    )
    return bytes(image)


def _declare(library: Any) -> Any:
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = result
    return library


_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "load_sas": (None, ctypes.c_char_p),
    "cleanup": (None,),
    "get_applicable_operators_count": (ctypes.c_int,),
    "get_applicable_operators": (None, ctypes.POINTER(Operator)),
    "get_state_size": (ctypes.c_int,),
    "get_state": (None, ctypes.POINTER(Atom)),
    "apply_operator": (ctypes.c_int, ctypes.c_int, ctypes.POINTER(Atom)),
    "check_goal": (ctypes.c_bool,),
    "get_state_id": (ctypes.c_int,),
    "set_state_id": (None, ctypes.c_int),
    "load_sas_replan": (None, ctypes.c_char_p),
    "replan": (ctypes.c_bool, ctypes.c_bool),
    "get_last_plan_length": (ctypes.c_int,),
    "get_last_plan": (None, ctypes.POINTER(Operator)),
}
"""The library's functions: type of the result, then those of the arguments."""
