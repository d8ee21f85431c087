"""The second best over all levels, as a rule of one case: levels drawn by lottery at every pair of
types, solved for together with the transfers.

What must be given up of welfare where public money is dear or firms may stay out is taken there.
`mechanism.scheme.generation` finds the levels and says what others could add at most.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from mechanism.casefile.standard import Standard
from mechanism.design.program import WELFARE, Merit
from mechanism.design.rules import DESIGNED
from mechanism.design.states import over_states, own_first
from mechanism.scheme.behaviour import (
    ExpectedOutcome,
    Replies,
    by_pair,
    expected_outcome,
    levels_at,
)
from mechanism.scheme.designed import Designed, asked, design_transfers
from mechanism.scheme.generation import DRAWN, Generated, generate
from mechanism.scheme.incentives import Earned
from mechanism.scheme.market_environment import at_same_levels, market_environment
from mechanism.scheme.own_table import listed
from mechanism.scheme.preparation import Scheme
from mechanism.scheme.rule_results import DrawnLevels, Lottery


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
            tables=(listed(first), listed(np.swapaxes(second, -1, -2))),
            truth=own_first(*plan.truth),
            weights=self.types.weights,
            size=np.abs(self.assignment.utility).max(),
        )

    @cached_property
    def replies(self) -> Replies:
        """The same for the types, by what the rival is and says."""
        types = self.types
        if types.private_values:
            tables = self.earned("with_cost").tables
        else:
            tables = listed(self._at_both_true(0)), listed(self._at_both_true(1))
        return Replies(types=types, tables=tables, reports=types.nodes)

    def _at_both_true(self, firm: int) -> Array:
        """What one firm earns in expectation over the lottery by its type and report and its
        rival's type and report, (K, K, K * K)."""
        K, points = len(self.types.nodes), self.types
        # axes: own type, own report, rival's type, rival's report
        pairs = np.empty((K, 1, K, 1, 2))
        pairs[..., firm] = points.types_of(firm)[:, None, None, None]
        pairs[..., 1 - firm] = points.types_of(1 - firm)[:, None]
        case = self.case.map(lambda a: a.reshape(1, 1, 1, 1, -1)).with_parameter(
            points.parameter, np.broadcast_to(pairs, (K, K, K, K, 2))
        )
        menu, shares = (a if firm == 0 else np.swapaxes(a, 1, 2) for a in (self.menu, self.shares))
        table = np.zeros((K, K, K, K))
        for levels, share in zip(menu, shares, strict=True):
            x = np.broadcast_to(levels[None, :, None], (K, K, K, K, 4))
            table += share[None, :, None] * account(case, x, bertrand_matrix).profit[..., firm]
        return table.reshape(K, K, K * K)

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
        """For each pair of types the levels that may be drawn, the likeliest first."""
        one, other = self.types.types_of(0), self.types.types_of(1)

        def drawn(k: int, m: int) -> tuple[DrawnLevels, ...]:
            shares = self.shares[:, k, m]
            return tuple(
                DrawnLevels(
                    probability=float(shares[layer]),
                    sharing=self.menu[layer, k, m, SHARING],
                    investment=self.menu[layer, k, m, INVESTMENT],
                )
                for layer in np.argsort(-shares, kind="stable")
                if shares[layer] > DRAWN
            )

        return tuple(
            Lottery(types=(float(one[k]), float(other[m])), levels=drawn(k, m))
            for k, m in np.ndindex(self.shares.shape[1:])
        )


def lottery_scheme(scheme: Scheme, merit: Merit = WELFARE) -> LotteryScheme | None:
    """The design with lotteries at one case; None where nothing solves it, or what staying out is
    worth is not known."""
    if not np.isfinite(scheme.own_outside).all():
        return None
    here = _at_types(scheme)
    menus = _menus(here, merit)
    if menus is None:
        return None
    found = design_transfers(menus.plan, here.options, menus.bound, merit)
    if found is None or found.plan.lottery is None:
        return None
    size = len(here.types.nodes)
    first, second = np.ogrid[:size, :size]
    # (K, K, m)
    drawn = found.plan.lottery.reshape(size, size, -1, size, size)[first, second, :, first, second]
    whole = {f.name: getattr(here, f.name) for f in fields(Scheme) if f.init}
    return LotteryScheme(**whole, design=found, menu=menus.levels, shares=np.moveaxis(drawn, -1, 0))


def most_at_reports(scheme: Scheme, standard: Standard, floor: float) -> LotteryScheme | None:
    """The second best by the standard, to which nothing comes that rests on reports: consumers keep
    at least `floor` unless they may lose, and nobody who could refuse must join; None where there
    is none. Where nobody may refuse no firm is left below zero."""
    form = "ir2" if standard.participation == "none" else standard.participation
    options = replace(
        scheme.options,
        tax_rule=DESIGNED,
        allocation="second_best",
        objective="max_surplus",
        participation=form,  # type: ignore[arg-type]
        budget="none",
        fees=standard.fees,
    )
    merit = Merit(
        payoff_weight=float(standard.profit_weight),
        least_public=None if standard.consumers_may_lose else floor,
    )
    return lottery_scheme(replace(scheme, options=options), merit)


def _menus(here: Scheme, merit: Merit) -> Generated | None:
    """What lotteries may choose from; where the budget cannot be met, what is best without a limit
    to it is on the menus too. None where nothing is found, or that the budget cannot be met is not
    proven."""
    outside, wanted = over_states(here.own_outside), asked(here.options)
    one = (here.case, here.types, here.assignment.levels[0], outside)
    same = at_same_levels(here.options.participation)
    menus = generate(*one, wanted, merit, same_levels=same)
    if menus is None or menus.possible:
        return menus
    if not menus.bound.proven or wanted.budget == "none":
        return None
    more = generate(*one, wanted.model_copy(update={"budget": "none"}), merit, same_levels=same)
    if more is None:
        return None
    levels = np.concatenate([menus.levels, more.levels[1:]])
    plan = market_environment(here.case, here.types, levels, outside, same)
    return replace(more, plan=plan, levels=levels)


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
