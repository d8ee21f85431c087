"""The standard by which policies are ranked: two numbers, what firms may be charged, and what may
be recommended at all.

    V = CS + beta x (profits kept, transfers included) - (1 + mu) x (net public outlay)

with beta the weight of firms' profits and mu the shadow cost of public funds (Baron and Myerson;
Laffont and Tirole). At beta = 1 it is total welfare less mu for every unit of outlay; at beta = 0
what consumers and taxpayers have of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mechanism.casefile.schema import MechanismOptions

CONSUMERS_LOSE = "consumers_lose"
"""What `allow` calls policies by which consumers lose."""

LEAST_WEIGHT = 1e-6
"""Weight of profits below which levels no longer move: consumers alone count."""
SAME = 1e-9
"""Share of today's welfare up to which amounts of money count as equal."""

UNMEASURABLE = 1e-3
"""Share of today's welfare that nobody could measure: what brings no more counts as equal."""
SMALL_GAIN = 10 * UNMEASURABLE
"""Share of today's welfare up to which what the planner's levels add is too little to tell how much
of it a policy brings: a tenth of it or more is what nobody could measure."""


@dataclass(frozen=True, kw_only=True)
class Standard:
    """By what policies are ranked."""

    profit_weight: Any = 1.0
    """beta, in [0, 1]: what a unit of profit counts beside one of consumer surplus; numbers, or one
    per case."""
    public_funds_cost: Any = 0.0
    """mu, not negative: what raising a unit of public money costs beyond the unit itself; numbers,
    or one per case."""
    fees: bool = False
    """Whether firms may be charged what they gain over today's market."""
    materiality: float = 0.05
    """Share of the best competing policy's gain over today by which another may fall short and
    still count as equal."""
    allow: frozenset[str] = frozenset()
    """Policies that compete though by rule they do not, and `CONSUMERS_LOSE`."""
    participation: str = "ir_market"
    """What firms may fall back on when they are asked to join."""
    timing: str = "interim"
    """Whether they decide knowing their own type alone, or both."""

    @property
    def consumers_may_lose(self) -> bool:
        """Whether a policy competes by which consumers lose."""
        return CONSUMERS_LOSE in self.allow

    @property
    def burden(self) -> Any:
        """What a unit moved from the public to firms costs: 1 + mu - beta."""
        return 1.0 + self.public_funds_cost - self.profit_weight

    def value(self, consumer_surplus: Any, kept: Any, outlay: Any) -> Any:
        """V, money: of consumer surplus, what firms keep together, and what the public pays net of
        tax; numbers or arrays."""
        return (
            consumer_surplus + self.profit_weight * kept - (1.0 + self.public_funds_cost) * outlay
        )

    def at(self, profit_weight: Any, public_funds_cost: Any) -> Standard:
        """The same at other weights."""
        return replace(self, profit_weight=profit_weight, public_funds_cost=public_funds_cost)


def standard_of(options: MechanismOptions) -> Standard:
    """The standard a case states."""
    return Standard(
        profit_weight=options.profit_weight,
        public_funds_cost=options.public_funds_cost,
        fees=options.fees,
        materiality=options.materiality,
        allow=frozenset(options.allow),
        participation=options.participation,
        timing=options.timing,
    )


def welfare_net(welfare: Any, outlay: Any, cost: Any) -> Any:
    """Welfare less the shadow cost of public funds for what is paid out, numbers or arrays; revenue
    counts with the other sign."""
    return welfare - cost * outlay
