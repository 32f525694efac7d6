"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# The same examples every time, and no deadline: how long one takes depends on what else the machine does.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")
