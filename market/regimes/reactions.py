"""Reaction curves in investments: where equilibria of a game can lie.

A firm's curve holds the pairs of investments at which its own is part of its global best reply, in
sharing and investment, to the rival's investment and to the sharing that the rival then chooses.
At every equilibrium in which both firms sell the two curves meet, and only there: each firm's
sharing is then the best answer to the other's. There are such curves where sharing follows
investments (`market.model.sharing.sharing_settles`).
"""

from __future__ import annotations

import numpy as np

from market.model.case import Array, Case, levels
from market.model.reply import best_reply
from market.model.sharing import sharing_equilibrium

ROUNDS = 60
"""Rounds of answers after which a point that still moves is given up."""
STILL = 1e-10
"""Share of the largest investment by which a point that stands still may move."""


def reaction_curve(case: Case, firm: int, rival_investment: Array) -> Array:
    """Levels (n, 4) on the curve of a firm (0 or 1) at investments (n,) of its rival; NaN where its
    reply has no limit, or none was found that it stays at.

    One market without batch axes; every bound on sharing is the paper's, 0 to 1.
    """
    n = len(rival_investment)
    case = case.flat().map(lambda x: np.repeat(np.atleast_2d(x), n, 0))
    t = np.zeros((n, 2))
    t[:, 1 - firm] = rival_investment
    moved = np.full(n, np.inf)
    for _ in range(ROUNDS):
        s, _ = sharing_equilibrium(case, t)
        reply, _ = best_reply(case, levels(s, t), firm)
        moved = np.abs(reply[:, 2 + firm] - t[:, firm])
        t[:, firm] = np.where(np.isnan(reply[:, 2 + firm]), t[:, firm], reply[:, 2 + firm])
        if np.nanmax(moved, initial=0.0) <= STILL * max(float(t.max()), 1e-300):
            break
    s, _ = sharing_equilibrium(case, t)
    still = moved <= STILL * np.maximum(t.max(), 1e-300)
    return np.where(still[:, None], levels(s, t), np.nan)
