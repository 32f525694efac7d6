"""The C library's allocator, for processes that make and free large arrays over and over."""

from __future__ import annotations

import ctypes

# malloc.h of glibc
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_NEVER_BYTES = 2**30


def keep_freed_memory() -> None:
    """Keep freed memory for the next array: given back to the system, every page of it faults in again.

    For the whole process, so programs call it, not modules. Without glibc it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER_BYTES)
