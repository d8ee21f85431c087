"""Tax rules: who receives how much net of tax in every state of reports. One row per rule, which
owns everything true of it.

A formula sees what reports say everybody gets (`mechanism.design.states.Reports`): R_i, what all
but player i get, public value included; W, what all get; o_i, what staying out is worth. In the
market R_i is the subsidy S_i = CS_i + TS_j (35), and the tax is R_i less the net transfer. Formulas
are written in operators and methods of arrays alone, so that this module imports no library of
numbers: the command line and the schemas read their choices from its table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mechanism.design.states import Array, OwnReports, Reports

Formula = Callable[["Reports"], "tuple[Array, ...]"]
"""From what reports say to the net transfers to each player, over states or broadcast to them."""
Between = Callable[["OwnReports", "Array", "Array"], "Array"]
"""From the reports on a grid, other reports (n,) and what all but the player get there (n, C), to
the net transfer there (n, C)."""


@dataclass(frozen=True, kw_only=True)
class TaxRule:
    """A tax rule and everything true of it."""

    key: str
    """Its name in files, options and results."""
    label: str
    """What it is called in the middle of a sentence."""
    phrase: str
    """The same at more length."""
    does: str
    """What it does, as the end of a sentence that its key begins."""
    formula: Formula | None = None
    """The net transfers; None where they are solved for."""
    free_of_own_report: bool = False
    """Whether R_i less the net transfer, the tax, is the same for every own report."""
    between: Between | None = None
    """The net transfer at reports between those of a grid, where the tax depends on the own report;
    None: nobody can say."""
    truth: Literal["dominant", "bayesian"] | None = None
    """How strongly truth is a best reply by design, at efficient levels: at each profile of the
    others' types, or in expectation over them; None: not by design, or as strongly as was asked."""
    designed: bool = False
    """Whether it is solved for, and with it may be what is taken in every state."""
    observed: bool = False
    """Whether the subsidy is settled on the market that comes about rather than on reports: of use
    where both types move both profits."""
    in_settings: bool = True
    """Whether a setting file can ask for it."""
    in_markets: bool = True
    """Whether the market has it."""
    without_player: bool = False
    """Whether it compares with what the others could get without the player."""
    balanced: bool = False
    """Whether the budget balances in every state."""
    least_players: int = 1
    """How many players it needs."""
    if_dependent: str | None = None
    """What it no longer does by design where types are not independent, as a sentence without its
    full stop; None: it does as ever."""

    def net(self, reports: Reports) -> tuple[Array, ...]:
        """Net transfers to each player over all states, read-only."""
        if self.formula is None:
            raise ValueError(f"{self.key} has no formula: its transfers are solved for")
        if len(reports.players) < self.least_players:
            raise ValueError(f"{self.key} needs {self.least_players} players or more")
        return tuple(reports.full(transfer) for transfer in self.formula(reports))

    def net_between(self, grid: OwnReports, reports: Array, others: Array) -> Array | None:
        """The net transfer (n, C) at reports (n,) between those of a grid, from what all but the
        player get there, `others` (n, C).

        A tax free of the own report is the grid's. None where it cannot be said.
        """
        if self.free_of_own_report:
            return others - (grid.others[0] - grid.net[0])
        return None if self.between is None else self.between(grid, reports, others)


# --- the formulas


def _printed(reports: Reports) -> tuple[Array, ...]:
    return tuple(others - others for others in reports.others)


def _clarke(reports: Reports) -> tuple[Array, ...]:
    best = reports.best_of_others
    if best is None:
        raise ValueError("what the others could get without a player is not described")
    return tuple(others - best(i) for i, others in enumerate(reports.others))


def _groves(reports: Reports) -> tuple[Array, ...]:
    return tuple(others - reports.expect(others, (i,)) for i, others in enumerate(reports.others))


def _worst_type(reports: Reports) -> tuple[Array, ...]:
    return tuple(
        others - reports.least(i, reports.gain(i)) for i, others in enumerate(reports.others)
    )


def _agv(reports: Reports) -> tuple[Array, ...]:
    told = [
        reports.expect(others - reports.expect(others), reports.rivals(i))
        for i, others in enumerate(reports.others)
    ]
    return tuple(
        told[i] - sum(told[j] for j in reports.rivals(i)) / (len(told) - 1) for i in reports.players
    )


# --- between the reports of a grid


def _nothing(grid: OwnReports, reports: Array, others: Array) -> Array:
    return others - others


def _expected(grid: OwnReports, reports: Array, others: Array) -> Array:
    """What the own report lets the others expect, less what the grid takes from that: it is the
    same at every own report."""
    return (others @ grid.weights)[:, None] + (grid.net - (grid.others @ grid.weights)[:, None])[0]


def _straight(grid: OwnReports, reports: Array, others: Array) -> Array:
    return grid.straight(reports)


# --- the table


TAX_RULES = {
    rule.key: rule
    for rule in (
        TaxRule(
            # (37): the subsidy at the levels assigned for the same reports is taken back. Whatever
            # is reported nothing is paid, so that what is left of the payoff is the own profit at
            # levels that the own report moves.
            key="printed",
            label="the printed tax",
            phrase="the printed tax, which takes back the subsidy at the firm's own report",
            does="is (37)",
            formula=_printed,
            between=_nothing,
            in_settings=False,
        ),
        TaxRule(
            # R_i less the best the others could get were the player's wishes ignored: it pays what
            # it costs the others.
            key="clarke",
            label="what each costs the others",
            phrase="a tax of what each costs the others by having its wishes heard",
            does="takes what the player costs the others",
            formula=_clarke,
            free_of_own_report=True,
            truth="dominant",
            without_player=True,
            in_markets=False,
        ),
        TaxRule(
            # R_i less its expectation over the own type: the budget is zero in expectation.
            key="groves",
            label="the tax free of the own report",
            phrase="a tax free of the firm's own report",
            does="averages it over the own report",
            formula=_groves,
            free_of_own_report=True,
            truth="dominant",
        ),
        TaxRule(
            # R_i less W - o_i at the player's worst type (Krishna and Perry): participation binds
            # at the type with the least to gain from joining, in expectation over the others or one
            # for each profile of theirs.
            key="worst_type",
            label="the tax set by the worst type",
            phrase="a tax set by the type with the least to gain from joining",
            does="leaves the worst type just its outside option",
            formula=_worst_type,
            free_of_own_report=True,
            truth="dominant",
            if_dependent=(
                "every type holds its own beliefs, so that a type other than the worst may expect"
                " less than its outside option, and other transfers may cost the public less"
            ),
        ),
        TaxRule(
            # E R_i given the own report less its mean, paid for by the others in equal parts
            # (d'Aspremont and Gerard-Varet): the budget is balanced in every state, and interim
            # payoffs are those of groves.
            key="agv",
            label="mutual payments",
            phrase="mutual payments of what each report is worth to the other",
            does="balances the budget in every state",
            formula=_agv,
            between=_expected,
            truth="bayesian",
            balanced=True,
            least_players=2,
            if_dependent=(
                "what a report lets a type expect depends on its own beliefs, so that truth need be"
                " no best reply"
            ),
        ),
        TaxRule(
            # The tax of groves with the subsidy of the market that both true types bring about:
            # where both types move both profits, a player earns welfare at the true types less what
            # its own report does not move.
            key="observed",
            label="the subsidy settled on the market that comes about",
            phrase=(
                "a tax free of the own report and a subsidy settled on the market that comes about"
            ),
            does="settles the subsidy on the market that comes about",
            formula=_groves,
            free_of_own_report=True,
            truth="dominant",
            observed=True,
            in_settings=False,
        ),
        TaxRule(
            key="designed",
            label="transfers that are solved for",
            phrase="transfers that are solved for",
            does="is solved for",
            between=_straight,
            designed=True,
        ),
    )
}
"""Tax rules by their keys, in the order of reports."""

DESIGNED = next(rule.key for rule in TAX_RULES.values() if rule.designed)
"""The rule that is solved for."""


def setting_rules() -> tuple[str, ...]:
    """The keys of the rules a setting file can ask for."""
    return tuple(key for key, rule in TAX_RULES.items() if rule.in_settings)


def market_rules() -> tuple[str, ...]:
    """The keys of the rules a case can ask for; what is settled on the market that comes about
    stands beside them where it is of use."""
    return tuple(key for key, rule in TAX_RULES.items() if rule.in_markets and not rule.observed)
