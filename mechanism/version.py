"""The version of the tool that is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    """Of the installed distribution; "unknown" where the code runs without one."""
    try:
        return installed("pigou")
    except PackageNotFoundError:
        return "unknown"
