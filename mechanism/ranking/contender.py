"""One policy at many cases, as it stands to be ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from market.model.outcome import SOLVED
from mechanism.casefile.policies import Policy
from mechanism.frozen import freeze
from mechanism.scheme.behaviour import ExpectedOutcome


@dataclass(frozen=True, kw_only=True, eq=False)
class Contender:
    """One policy at C cases, as it stands."""

    policy: Policy
    """Which."""
    status: NDArray[np.object_]
    """(C,): that of the outcome its figures come from."""
    expected: ExpectedOutcome
    """(C, ...): figures and the net transfers that are part of it before any flat part; NaN where
    none are claimed."""
    least: Array | None = None
    """(C, 2): the least expected net receipts with which every type of each firm joins; None where
    no money passes by it."""
    worst: Array | None = None
    """(C, 2): what the worst type of each firm keeps as it stands; None: what the firm does."""
    barred: str = ""
    """Why it never competes unless it is allowed, a code of `WHY_NOT`; empty where it may."""
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """(C,) each: what else is told of it in rows of many cases."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def solved(self) -> NDArray[np.bool_]:
        """(C,): whether it has figures."""
        return np.asarray(np.isin(self.status, list(SOLVED)) & np.isfinite(self.expected.welfare))
