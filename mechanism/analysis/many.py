"""Policies at many cases at once: the figures `evaluate` gives for each case alone, and the same
ranking, as columns.

Rows are ordered by case, then by policy in the order asked. A policy is a regime, a tax rule or an
instrument (`mechanism.casefile.policies`). Without types its row stands at the case's own
parameters, and a tax rule has nothing to ask. With types every row is an expectation over both
firms' types, as in the `comparison` of `evaluate`. Policies are ranked among those asked; today's
market is solved beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from market.regimes import REGIMES, Outcomes, solve_markets
from mechanism.analysis.many_types import solve_private
from mechanism.casefile.policies import GOAL, Policy, followed, known, policy_of, today
from mechanism.casefile.policies import policies as every_policy
from mechanism.casefile.policy_case import PolicyCase
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.standard import CONSUMERS_LOSE, Standard, standard_of, welfare_net
from mechanism.casefile.together import Together, gathered
from mechanism.casefile.types import TypeSpace, type_space
from mechanism.ranking.contenders import NOT_ASKED, at_rates_kept, known_policies, typed_policies
from mechanism.ranking.rank import WHY_NOT, Ranked, rank

Columns = dict[str, NDArray[Any]]

TOLD = ("ic", "ir", "message", "why_not", "best")
"""What is told beside the figures: whether truth and participation hold under a tax rule, why there
are no figures, why a policy does not compete, and what is recommended at the case (empty: no
advice), which is today's market where nothing asked is worth more, whether it is asked or not."""
TEXT = ("policy", "status", *TOLD)
"""The columns that hold strings; all others hold floats, NaN where no number is claimed."""

PER_FIRM = ("sharing", "investment", "price", "profit", "flat_payment", "net_transfer")
"""Figures of each firm: what its levels and prices are, what it keeps as the policy stands, the
flat part that makes all join, and what it then receives on balance."""

NUMBERS = (
    *(f"{name}_{firm}" for name in PER_FIRM for firm in (1, 2)),
    "consumer_surplus",
    "welfare",
    "public_outlay",
    "welfare_net",
    "value",
    "outlay_joined",
    "competes",
    "recommended",
    "best_value",
    "ic_max_gain",
    "ir_min_slack",
    "residual",
    "regret",
)
"""The columns of figures: money in the case's own unit, residual and regret in natural units, 1 or
0 for whether a policy competes and is recommended, and the value of what is. `welfare_net` is
welfare less the case's shadow cost of public funds for what is paid out as the policy stands."""


def _not_there(row: Policy) -> str:
    """Why a policy does not stand at a case."""
    where = {
        "private": "it rests on types that are private: the case needs types",
        "known": "this is for cases in which everything is known",
        "unpaid": (
            "levels are ordered without payment only where nobody may refuse (participation none)"
        ),
    }
    return where.get(row.compared, "it is not compared where types are private")


def solve_many(cases: Sequence[PolicyCase], policies: Sequence[str]) -> Columns:
    """Columns over rows (case-major, then policies in the order asked) of what each policy leads to
    at each case."""
    return solve_together(gathered(cases), len(cases), policies)


def solve_together(alike: Sequence[Together], count: int, policies: Sequence[str]) -> Columns:
    """The same of so many cases as columns; rows of those that are not among them have no
    figures."""
    unknown = [policy for policy in policies if not known(policy)]
    if unknown:
        raise ValueError(
            f"no such policy: {', '.join(unknown)}; there are {', '.join(followed(private=True))}"
        )
    rows, width = count * len(policies), len(policies)
    out: Columns = {"policy": np.array(list(policies) * count, object)}
    out |= {name: np.full(rows, "", object) for name in TEXT[1:]} | {
        name: np.full(rows, np.nan) for name in NUMBERS
    }
    out["status"][:] = NOT_ASKED
    burden = np.zeros(count)
    for cases in alike:
        private, options = cases.types is not None, cases.options
        needed = _needed(
            [policy_of(key) for key in policies],
            private,
            options.participation == "none",
            options.allocation == "second_best",
        )
        burden[cases.at] = cases.weights["public_funds_cost"]
        for at, ranked in (
            rank_private(cases, needed) if private else [(cases.at, rank_known(cases, needed))]
        ):
            at = at * width
            _write_best(out, (at[:, None] + np.arange(width)).T, ranked)
            there = {c.policy.key: p for p, c in enumerate(ranked.contenders)}
            for k, key in enumerate(policies):
                if key in there:
                    _write(out, at + k, ranked, there[key])
                else:
                    out["message"][at + k] = _not_there(policy_of(key))
    out["welfare_net"] = welfare_net(out["welfare"], out["public_outlay"], np.repeat(burden, width))
    return out


def _needed(
    asked: Sequence[Policy], private: bool, unpaid: bool, drawn: bool
) -> tuple[Policy, ...]:
    """The policies to be solved, in the order of reports: those asked that stand at such a case,
    today's market, and what instruments aim at."""
    stands = [
        row
        for row in asked
        if row.key in REGIMES or (row.compared != "never" and row.stands(private, unpaid, drawn))
    ]
    needed = {row.key: row for row in [*stands, policy_of(today(private))]}
    if any(row.source not in ("regime", "private_market") for row in needed.values()):
        needed.setdefault(GOAL, policy_of(GOAL))
    order = [row.key for row in every_policy()]
    return tuple(
        sorted(
            needed.values(),
            key=lambda row: order.index(row.key) if row.key in order else len(order),
        )
    )


class KeptFigures(NamedTuple):
    """Plain subsidies at C cases at rates that were fixed beforehand."""

    levels: Array
    """(C, 4): what firms choose there; NaN where no equilibrium was found."""
    value: Array
    """(C,): V, NaN as before."""
    today: Array
    """(C,): that of today's market."""
    consumers_lose: NDArray[np.bool_]
    """(C,): whether consumers have less than there."""


def kept_rates(
    cases: Sequence[PolicyCase], rates: Array, today: Array, starts: Array
) -> KeptFigures:
    """Plain subsidies at rates (2, 4) fixed beforehand beside today's market with levels (C, 4), at
    C cases in which everything is known; equilibria are sought from around the starts
    (k, C, 4)."""
    levels, value = np.full((len(cases), 4), np.nan), np.full((2, len(cases)), np.nan)
    lose = np.zeros(len(cases), bool)
    for some in gathered(cases):
        same = some.at
        ranked = at_rates_kept(some.market, rates, today[same], starts[:, same], some.standard)
        books = ranked.contenders[1].expected
        levels[same] = np.concatenate([books.sharing, books.investment], -1)
        value[:, same] = ranked.value
        lose[same] = ranked.why_not[1] == CONSUMERS_LOSE
    return KeptFigures(levels, value[1], value[0], lose)


def rank_known(
    cases: Together,
    policies: Sequence[Policy],
    roughly: bool = False,
    settled: Mapping[str, Outcomes] | None = None,
) -> Ranked:
    """The policies, today's market and the planner among them, ranked at cases in which everything
    is known; `roughly`: as in `market.regimes.solve_markets`; `settled`: the outcomes of regimes
    that are known."""
    market, standard, lanes = cases.market, cases.standard, len(cases.at)
    found = {
        policy.key: settled[policy.key]
        if settled is not None and policy.key in settled
        else solve_markets(market, policy.key, lanes, roughly=roughly)
        for policy in policies
        if policy.source == "regime"
    }
    return rank(
        known_policies(market, found, policies, standard, roughly).contenders,
        today(private=False),
        GOAL,
        standard,
    )


def rank_private(
    cases: Together, policies: Sequence[Policy]
) -> list[tuple[NDArray[np.intp], Ranked]]:
    """Which cases, with the same types, and the policies, `bayes_nash` and the planner among them,
    ranked at them: together where plain, each searched thoroughly where not."""
    assert cases.types is not None
    types, options = type_space(cases.types), cases.options
    return [
        (cases.at[lanes], _ranked(found, types, options, policies))
        for lanes, found in solve_private(cases.market, types, options, policies)
        if len(lanes)
    ]


def _ranked(
    found: Any, types: TypeSpace, options: MechanismOptions, policies: Sequence[Policy]
) -> Ranked:
    """The policies of some cases with types, ranked."""
    standard: Standard = standard_of(options)
    return rank(
        typed_policies(policies, found, types, standard), today(private=True), GOAL, standard
    )


def _write(out: Columns, at: NDArray[np.intp], ranked: Ranked, p: int) -> None:
    """Write a policy's figures at C cases into the rows `at` (C,)."""
    c = ranked.contenders[p]
    e, solved = c.expected, c.solved
    out["status"][at] = c.status
    out["why_not"][at] = [WHY_NOT[code] if code else "" for code in ranked.why_not[p]]
    per_firm = {
        "sharing": e.sharing,
        "investment": e.investment,
        "price": e.price,
        "profit": e.kept,
    }
    per_firm |= {"net_transfer": ranked.net_transfer[p]}
    if c.least is not None:
        per_firm["flat_payment"] = ranked.flat[p]
    for name, values in per_firm.items():
        for firm in (0, 1):
            out[f"{name}_{firm + 1}"][at] = np.where(solved, values[:, firm], np.nan)
    totals = {
        "consumer_surplus": e.consumer_surplus,
        "welfare": e.welfare,
        "public_outlay": e.budget,
    }
    totals |= {"value": ranked.value[p], "outlay_joined": ranked.outlay[p]}
    for name, figures in totals.items():
        out[name][at] = np.where(solved, figures, np.nan)
    out["competes"][at], out["recommended"][at] = ranked.competes[p], ranked.winner == p
    for name, column in c.columns.items():
        out[name][at] = column


def _write_best(out: Columns, at: NDArray[np.intp], ranked: Ranked) -> None:
    """Write what is recommended at C cases into all their rows `at` (policies, C)."""
    keys = np.array([*(c.policy.key for c in ranked.contenders), ""], object)
    out["best"][at], out["best_value"][at] = keys[ranked.winner], ranked.value_of(ranked.winner)
