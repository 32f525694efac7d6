"""Errors a user can cause."""

from __future__ import annotations


class CalibrationInputError(ValueError):
    """An input cannot be used. The message says what was expected, what came, and what to do.

    The command line prints the message without a traceback and exits with code 2.
    """
