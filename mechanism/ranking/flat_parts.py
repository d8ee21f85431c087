"""Flat parts by one rule: what firms receive net when all join.

Every public instrument is a two-part tariff, and its flat parts are set by one rule, never by its
name: they are the least with which every firm (every type) joins, and money may pass between
firms. Unless firms may be charged fees they are together never net payers: what an instrument takes
beyond that is handed back. An alliance is an agreement: those of its members that would lose are
paid by those that gain, or it is not made.
"""

from __future__ import annotations

import numpy as np

from market.model.case import Array
from mechanism.casefile.standard import Standard
from mechanism.ranking.contender import Contender

ROUNDING = 1e-12
"""Share of what is added up below which a sum is none."""


def net_when_all_join(contender: Contender, standard: Standard, today: Array) -> Array:
    """(C, 2): what firms receive net when all join: `today` (C, 2) is what they keep in the market
    as it is."""
    if contender.policy.requires == "permission":
        due = today - contender.expected.profit
        # What members lose together no payment between them makes good: such an agreement is not
        # made.
        return np.where((due.sum(-1) > 0)[:, None], 0.0, least_net(due, standard.fees))
    if contender.least is None:
        return np.zeros_like(contender.expected.profit)
    return least_net(contender.least, standard.fees)


def least_net(least: Array, fees: bool) -> Array:
    """What firms receive net (..., 2) where each needs at least so much, negative for what it would
    give.

    Without `fees` the firms together are no net payers: what they would give beyond what others
    need stays with them, those who need something being paid in proportion to what the others would
    give.
    """
    if fees:
        return least
    needs, gives = (
        np.maximum(least, 0.0).sum(-1, keepdims=True),
        np.maximum(-least, 0.0).sum(-1, keepdims=True),
    )
    most = np.maximum(needs, gives)
    share = np.where(gives > needs, needs / np.where(most > 0, most, 1.0), 1.0)
    return np.where(least >= 0, least, least * share) + 0.0  # no negative zeros


def outlay_of(net: Array) -> Array:
    """(...): what the public pays; payments between firms add up to nothing but for rounding."""
    total = net.sum(-1)
    return np.where(np.abs(total) <= ROUNDING * np.abs(net).sum(-1), 0.0, total)
