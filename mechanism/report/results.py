"""What `evaluate` finds, as values: the evaluation of a case as a whole.

Money is in the case's own unit, payoffs are expectations over the rival's type unless said
otherwise. Firms are counted from 1 where a row names one. Whatever was not asked or is not known is
None. `mechanism.report.evaluation_tree` turns these into the JSON contract; nothing
else does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from market.model.case import Array
from market.model.outcome import Outcome
from mechanism.casefile.policies import Policy, Source
from mechanism.design.options import WhyNot
from mechanism.frozen import freeze
from mechanism.report.words import Sentence
from mechanism.scheme.behaviour import ExpectedOutcome
from mechanism.scheme.rule_results import PrivateMarket, RuleResult

if TYPE_CHECKING:
    import pandas as pd

    from mechanism.casefile.policy_case import PolicyCase
    from mechanism.casefile.types import TypeSpace
    from mechanism.ranking.attainable import Attainable
    from mechanism.ranking.rank import Ranked
    from mechanism.ranking.recommendation import Recommendation
    from mechanism.rates.instruments import LinearSubsidies
    from mechanism.rates.robust_rates import FixedRates
    from mechanism.report.over_draws import OverDraws
    from mechanism.scheme.full_information import FullInformation


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a policy changes against the market as it is. Money."""

    profit: Array
    """(2,): of what firms keep, net transfers included."""
    consumer_surplus: float
    """Of both products."""
    welfare: float
    """Before any cost of public funds."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One policy at one case: at the case's own parameters, or in expectation where types are
    private."""

    policy: Policy
    """Which."""
    status: str
    """That of the outcome its figures come from."""
    expected: ExpectedOutcome | None
    """Its figures; None where none are claimed."""
    welfare_net: float | None
    """Welfare after the cost of public funds."""
    change: Change | None
    """Against the market as it is; None without figures of both."""
    share_of_gain: float | None
    """Of what the planner's levels would add to today's welfare; None where that is at most a
    hundredth of it."""
    value: float | None
    """V when all join: what policies are ranked by."""
    why_not: WhyNot | None
    """Why it does not compete; None where it does."""
    flat_payments: Array | None
    """(2,): the flat part of what firms receive when all join; None of what has none."""
    net_transfer: Array | None
    """(2,): what they then receive on balance."""
    outlay_joined: float | None
    """What the public then pays; negative is revenue."""
    attained: float | None
    """The share of the most that can be attained over today; None of what does not compete, or
    where types are private."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def competes(self) -> bool:
        """Whether it can be recommended."""
        return self.why_not is None

    @property
    def welfare(self) -> float | None:
        """Welfare before any cost of public funds."""
        return None if self.expected is None else float(self.expected.welfare)

    @property
    def consumer_surplus(self) -> float | None:
        """Of both products."""
        return None if self.expected is None else float(self.expected.consumer_surplus)

    @property
    def profit(self) -> Array | None:
        """What firms keep (2,), net transfers included."""
        return None if self.expected is None else self.expected.profit + self.expected.net_transfer

    @property
    def outlay(self) -> float | None:
        """What the public pays net of tax."""
        return None if self.expected is None else float(self.expected.budget)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One case end to end."""

    case: PolicyCase
    """What was evaluated."""
    types: TypeSpace | None
    """What is private; None where nothing is."""
    regimes: Mapping[str, Outcome]
    """Every regime at the case's own parameters, in the order of reports."""
    full_information: FullInformation | None
    """Subsidy and tax where nothing is private; None without a social optimum."""
    rates: LinearSubsidies | None
    """Subsidies per unit at the case's own parameters, at the levels of the highest value or, where
    types are private, the planner's; None without such levels."""
    attainable: Attainable | None
    """The levels of the highest value; None where types are private."""
    rates_under_types: FixedRates | WhyNot | None
    """Those fixed before types are drawn, or why there are none; None where nothing is private."""
    rules: Mapping[str, RuleResult | None] | None
    """By tax rule, None for what there is none of. Empty where some pair of types has no social
    optimum; None where nothing is private."""
    why_not: Mapping[str, WhyNot]
    """Why there is none of a rule, by its key."""
    private_market: PrivateMarket | None
    """The market in which every firm knows its own type alone; None where it was not looked for or
    not found."""
    ranked: Ranked
    """The policies ranked."""
    comparison: tuple[ComparisonRow, ...]
    """Policies side by side, in the order of reports."""
    recommendation: Recommendation | None = None
    """What to do; None until it is worked out."""
    uncertainty: OverDraws | None = None
    """What is not known exactly makes of it; None where all is certain, or was taken as such."""
    verdicts: tuple[Sentence, ...] = ()
    """The findings in words, the most important first."""
    warnings: tuple[Sentence, ...] = ()
    """What limits them."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def dear(self) -> bool:
        """Whether it takes long to look for the numbers of the market that would overturn the
        recommendation: types are private, unit costs fall with what is shared, firms may be made to
        take part, or what is best has to be searched for that leaves consumers what they have."""
        unit, best = self.case.market.unit_cost, self.attainable
        return (
            self.types is not None
            or (unit is not None and bool(np.any(unit.spillover)))
            or (best is not None and bool(best.consumers[0] or not best.proven[0]))
            or self.case.mechanism.participation == "none"
        )

    def to_frame(self) -> pd.DataFrame:
        """The comparison as a pandas table: one row per policy, one column per figure, those of
        both firms ending in the firm's number."""
        from mechanism.report.table import comparison_frame

        return comparison_frame([self])

    def to_json(self, indent: int | None = 2) -> str:
        """What `pigou evaluate --format json` writes, to the byte at the usual indent; with
        `--quick` where what would overturn the answer was not looked for."""
        from mechanism.report.evaluation_tree import evaluation_tree

        return json.dumps(evaluation_tree(self), indent=indent, allow_nan=False)

    def __str__(self) -> str:
        return f"{self.case.name}\n{self.recommendation or 'no recommendation yet'}"

    def _repr_html_(self) -> str:
        table = self.to_frame()[["policy", "value", "competes", "recommended", "welfare"]]
        return f"<pre>{escape(str(self))}</pre>{table.to_html(index=False, na_rep='')}"

    @cached_property
    def rows(self) -> dict[str, ComparisonRow]:
        """The comparison by policy."""
        return {row.policy.key: row for row in self.comparison}

    @property
    def today(self) -> ComparisonRow:
        """The market as it is, against which everything is measured."""
        return self.comparison[self.ranked.today]

    def row_from(self, source: Source) -> ComparisonRow:
        """The row of the policy whose figures come from there."""
        return next(row for row in self.comparison if row.policy.source == source)

    @property
    def own(self) -> RuleResult | None:
        """The case's own tax rule; None where there is none to be had."""
        return (self.rules or {}).get(self.case.mechanism.tax_rule)

    @property
    def found_rules(self) -> dict[str, RuleResult]:
        """The tax rules that there are, the case's own first."""
        own = self.case.mechanism.tax_rule
        ordered = sorted((self.rules or {}).items(), key=lambda item: item[0] != own)
        return {key: found for key, found in ordered if found is not None}

    @property
    def private_asked(self) -> bool:
        """Whether the market with private types was looked for."""
        return bool(self.rules)
