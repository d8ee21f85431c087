"""The regimes of the market: the table, and how each is solved.

`table` says what a regime is, `objectives` what its choosers maximise, `starts` and `search` find
points that may solve it, `solve` chooses among them and proves what can be proven, `record` is what
comes out.
"""

from market.model.outcome import finish, other_point
from market.regimes.objectives import BOTH, deviation_bounds, firm_game, level_bounds, sole_payoff
from market.regimes.record import Outcomes, joined, outcome_at, outcomes, part
from market.regimes.sellers import climb_among_sellers
from market.regimes.solve import solve_lanes, solve_markets, solve_regime, solve_regimes
from market.regimes.starts import starting_levels
from market.regimes.table import REGIMES, Regime, benefit_matrix, headroom

__all__ = [
    "BOTH",
    "REGIMES",
    "Outcomes",
    "Regime",
    "benefit_matrix",
    "climb_among_sellers",
    "deviation_bounds",
    "finish",
    "firm_game",
    "headroom",
    "joined",
    "level_bounds",
    "other_point",
    "outcome_at",
    "outcomes",
    "part",
    "sole_payoff",
    "solve_lanes",
    "solve_markets",
    "solve_regime",
    "solve_regimes",
    "starting_levels",
]
