"""The second best: levels drawn by lottery, solved for together with the transfers.

At every pair of types the lottery is over the levels that maximise w x welfare + (1 - w) x joint
profit for the weights w of `market_environment.WEIGHTS`: what must be given up of welfare where
public money is dear or firms may stay out is taken there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.design.states import over_states, own_first
from mechanism.scheme.behaviour import (
    ExpectedOutcome,
    Replies,
    by_pair,
    expected_outcome,
    levels_at,
)
from mechanism.scheme.designed import Designed, design_transfers
from mechanism.scheme.incentives import Earned
from mechanism.scheme.market_environment import (
    WEIGHTS,
    NoEnvironmentError,
    market_environment,
    menu_levels,
)
from mechanism.scheme.preparation import Scheme
from mechanism.scheme.rule_results import Lottery


@dataclass(frozen=True, kw_only=True, eq=False)
class LotteryScheme(Scheme):
    """One case on its types themselves, where at every pair of reports levels are drawn from a
    menu."""

    design: Designed
    menu: Array
    """(m, K, K, 4)."""
    shares: Array
    """(m, K, K): the probability of each levels on the menu."""

    def earned(self, payoff: str, observed: bool = False) -> Earned:
        """Before net transfers, in expectation over the lottery; transfers are solved for in the
        payoff `with_cost` alone."""
        plan = self.design.plan
        assert plan is not None
        # (true type, firm 1's report, firm 2's)
        first, second = (plan.value(firm) for firm in (0, 1))
        return Earned(
            at=self.types.nodes,
            tables=(first, np.swapaxes(second, -1, -2)),
            truth=own_first(*plan.truth),
            weights=self.types.weights,
            size=np.abs(self.assignment.utility).max(),
        )

    @cached_property
    def replies(self) -> Replies:
        """The same for the types."""
        return Replies(
            types=self.types, tables=self.earned("with_cost").tables, reports=self.types.nodes
        )

    def at_truth(self, net: Array) -> ExpectedOutcome:
        """Expectations over types and lotteries when all tell the truth."""
        return self.at_reports(net, np.stack([self.types.nodes, self.types.nodes]))

    def at_reports(self, net: Array, reports: NDArray[np.intp]) -> ExpectedOutcome:
        """The same when types report these points (2, K)."""
        shares = self.shares[:, reports[0][:, None], reports[1]]
        return expected_outcome(
            self.case,
            self.types,
            levels_at(self.menu, reports),
            by_pair(net, reports),
            shares=shares,
        )

    def lotteries(self) -> tuple[Lottery, ...]:
        """For each pair of types the probabilities of levels at each weight on welfare, the rest
        being on joint profit."""
        one, other = self.types.types_of(0), self.types.types_of(1)
        drawn = np.moveaxis(self.shares, 0, -1)
        return tuple(
            Lottery(
                types=(float(one[k]), float(other[m])),
                probability_by_weight={
                    f"{w:g}": float(p)
                    for w, p in zip(WEIGHTS, drawn[k, m], strict=True)
                    if p > 1e-12
                },
            )
            for k, m in np.ndindex(drawn.shape[:2])
        )


def lottery_scheme(scheme: Scheme) -> LotteryScheme | None:
    """The design with lotteries at one case; None where nothing solves it, or what staying out is
    worth is not known."""
    if not np.isfinite(scheme.own_outside).all():
        return None
    here = _at_types(scheme)
    types, outside = here.types, here.own_outside
    try:
        menu = menu_levels(here.case, types.types, True, here.assignment.levels[0])
    except NoEnvironmentError:
        return None
    found = design_transfers(
        market_environment(here.case, types.everywhere(), menu, over_states(outside)), here.options
    )
    if found is None or found.plan.lottery is None:
        return None
    size = len(types.nodes)
    first, second = np.ogrid[:size, :size]
    # (K, K, m)
    drawn = found.plan.lottery.reshape(size, size, -1, size, size)[first, second, :, first, second]
    whole = {f.name: getattr(here, f.name) for f in fields(Scheme) if f.init}
    return LotteryScheme(**whole, design=found, menu=menu, shares=np.moveaxis(drawn, -1, 0))


def _at_types(scheme: Scheme) -> Scheme:
    """One case on its types alone, without the points between them."""
    nodes, market, private = scheme.types.nodes, scheme.market_levels, scheme.private_market
    assignment = scheme.assignment.at_points(nodes)
    return Scheme(
        case=scheme.case,
        types=assignment.types,
        options=scheme.options,
        assignment=assignment,
        residual=scheme.residual,
        several=scheme.several,
        market_levels=None if market is None else market[np.ix_(nodes, nodes)],
        private_market=None if private is None else private.at_points(nodes),
    )
