"""The version of the tool that is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("pigou")
except PackageNotFoundError:
    VERSION = "unknown"
    """Where the code runs without being installed."""
