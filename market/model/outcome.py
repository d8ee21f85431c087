"""What a regime leads to, as a claim that carries its proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array, Case, levels, rival
from market.model.cost import investment_cost, unit_cost
from market.model.demand import apply as apply_matrix
from market.model.demand import consumer_surplus, gross_utility, quantity, shifted_intercept
from market.model.pricing import PriceRule, bertrand_matrix, net_intercept
from market.text import FIRMS, Json

Status = Literal[
    "converged", "corner", "infeasible", "unbounded", "no_equilibrium", "not_converged"
]
"""The one vocabulary of statuses; `docs/words.md` explains each."""

SOLVED: frozenset[str] = frozenset({"converged", "corner"})
"""The statuses under which numbers are claimed."""

ROUNDING = 1e-12
"""Share of the larger of both firms' sizes up to which a negative price, quantity or unit cost
counts as zero."""


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Prices, quantities and money at given levels, per firm (..., 2)."""

    price: Array
    quantity: Array
    unit_cost: Array
    """F_i, money per unit sold."""
    investment_cost: Array
    """f_i."""
    profit: Array
    """Pi_i = (p_i - F_i) q_i - f_i."""
    consumer_surplus: Array
    """CS_i = GU_i - p_i q_i."""
    total_surplus: Array
    """TS_i = GU_i - f_i - F_i q_i = CS_i + Pi_i; the sum over firms is social welfare."""

    @property
    def describes_market(self) -> NDArray[np.bool_]:
        """Whether no price, quantity or unit cost is negative, (...)."""
        kinds = (self.price, self.quantity, self.unit_cost)
        return np.logical_and.reduce([not_negative(kind) for kind in kinds])


def not_negative(values: Array, rounding: float = ROUNDING) -> NDArray[np.bool_]:
    """Whether neither firm's value (..., 2) is negative (...), beyond this share of the larger."""
    one, other = values[..., 0], values[..., 1]
    return np.asarray(np.minimum(one, other) >= -rounding * np.maximum(one, other))


def every_firm_sells(case: Case, x: Array, rule: PriceRule = bertrand_matrix) -> NDArray[np.bool_]:
    """Whether levels x (..., 4) describe a market (...) when prices follow the rule, without its
    accounts."""
    net, F = net_intercept(case, x), unit_cost(case, x)
    margin = apply_matrix(rule(case), net)
    kinds = [margin if F is None else margin + F.value, quantity(case, net, margin)]
    kinds += [] if F is None else [F.value]
    return np.logical_and.reduce([not_negative(kind) for kind in kinds])


def account(case: Case, x: Array, rule: PriceRule) -> Accounts:
    """The accounts at levels x (..., 4) when prices follow the rule."""
    A = shifted_intercept(case, x)
    F = unit_cost(case, x)
    margin = apply_matrix(rule(case), net_intercept(case, x))
    per_unit = np.zeros_like(margin) if F is None else np.broadcast_to(F.value, margin.shape)
    price = margin + per_unit
    sold = quantity(case, A, price)
    cost, utility = investment_cost(case, x), gross_utility(case, A, sold)
    return Accounts(
        price=price,
        quantity=sold,
        unit_cost=per_unit,
        investment_cost=np.broadcast_to(cost, margin.shape),
        profit=margin * sold - cost,
        consumer_surplus=consumer_surplus(utility, sold, price),
        total_surplus=utility - cost - per_unit * sold,
    )


@dataclass(frozen=True, kw_only=True)
class Uniqueness:
    """Whether an equilibrium is the only one, and what the statement rests on."""

    status: Literal["proven", "not proven", "no"]
    basis: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Another equilibrium or local optimum that was found."""

    levels: Array
    """(4,)."""
    profit: Array
    """(2,), money units."""
    welfare: float
    stable: bool | None = None
    """Whether best replies return to it after a small disturbance; None where that is not asked."""

    def __post_init__(self) -> None:
        read_only(self.levels, self.profit)

    def exchanged(self) -> Solution:
        """The same with the two firms exchanged."""
        return replace(self, levels=exchanged(self.levels), profit=rival(self.profit))

    def tree(self) -> Json:
        """As plain values for JSON."""
        plain: Json = {
            "sharing": numbers(self.levels[SHARING]),
            "investment": numbers(self.levels[INVESTMENT]),
            "profit": numbers(self.profit),
            "welfare": self.welfare,
        }
        return plain if self.stable is None else plain | {"stable": self.stable}


@dataclass(frozen=True)
class Binding:
    """A level that lies on a bound."""

    level: Literal["sharing", "investment"]
    firm: int
    value: float

    def __str__(self) -> str:
        return f"{self.level}[{self.firm}] = {self.value:g}"


@dataclass(frozen=True, kw_only=True)
class LeavingOut:
    """A firm without which whoever chooses all levels would have more."""

    firm: int
    """0 or 1."""
    value: float
    """The chooser's payoff with that firm out, money; infinite where it has no limit."""
    every_firm: float
    """The same at the best with every firm selling, or the least upper bound of that where there is
    no best."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Why an outcome may be believed."""

    residual: float | None
    """Largest projected first-order residual, in natural units (see `market.model.units`), in which
    a payoff's scale is one."""
    curvature: float | None
    """Largest eigenvalue of the Hessian on the free levels, in each chooser's own levels, natural
    units; negative at a strict local maximum."""
    regret: float | None
    """Largest gain of any firm from a global own deviation, the rival possibly driven out, natural
    units; None where nobody deviates."""
    scope: Literal["proven", "searched"]
    """`proven`: no better point exists up to `gap` (optima), or every best reply is exact
    (equilibria). `searched`: none was found."""
    gap: float | None = None
    """For a proven optimum: how far, in natural units, the proven upper bound lies above the
    value."""
    driven_out: int | None = None
    """The firm (0 or 1) that would be driven out of the market; no figure is claimed then."""
    value: float | None = None
    """Where a chooser would rather drive a firm out: its payoff, at most, with every firm selling;
    money."""
    approached: Solution | None = None
    """Where that is approached, as a firm stops selling."""
    leaving_out: LeavingOut | None = None
    """The firm that a chooser would have more without; None where none was found, or firms choose
    for themselves."""
    others: tuple[Solution, ...] = ()
    """Other equilibria, or local optima, that were found."""
    bounds: tuple[Binding, ...] = ()
    """Levels that lie on a bound."""
    switching: bool = False
    """Whether a later reply switches there."""
    ending: bool = False
    """Whether the equilibrium that follows ends there: beyond, best replies run away and nothing
    follows."""
    unique: Uniqueness | None = None
    """Whether an equilibrium is the only one; None where that is not asked."""
    reply_eigenvalues: tuple[float, ...] | None = None
    """Moduli of the eigenvalues of the best-reply map at an equilibrium, largest first; all below
    one: stable."""

    def exchanged(self) -> Certificate:
        """The certificate of the outcome with the two firms exchanged."""
        return replace(
            self,
            others=tuple(other.exchanged() for other in self.others),
            bounds=tuple(replace(bound, firm=1 - bound.firm) for bound in self.bounds),
            driven_out=None if self.driven_out is None else 1 - self.driven_out,
            approached=self.approached and self.approached.exchanged(),
            leaving_out=self.leaving_out
            and replace(self.leaving_out, firm=1 - self.leaving_out.firm),
        )

    def _edges(self) -> list[str]:
        """What else an agreement or a first mover's levels are at, in words."""
        if self.ending:
            return ["what follows ends here: beyond these levels best replies run away"]
        return ["a later reply switches here"] * self.switching

    def tree(self, firms: tuple[str, str]) -> Json:
        """As plain values for JSON, firms called by these names."""
        return {
            "residual": self.residual,
            "curvature": self.curvature,
            "regret": self.regret,
            "global": self.scope,
            "gap": self.gap,
            "others": [other.tree() for other in self.others],
            "bounds": [str(bound) for bound in self.bounds] + self._edges(),
            "unique": (
                None
                if self.unique is None
                else {"status": self.unique.status, "basis": self.unique.basis}
            ),
            "reply_eigenvalues": numbers(self.reply_eigenvalues),
            "stable": (
                None if self.reply_eigenvalues is None else bool(max(self.reply_eigenvalues) < 1)
            ),
            "driven_out": None if self.driven_out is None else firms[self.driven_out],
            "value": self.value,
            "approached": self.approached and self.approached.tree(),
            "leaving_out": self.leaving_out and _left_out(self.leaving_out, firms),
        }


def _left_out(found: LeavingOut, firms: tuple[str, str]) -> Json:
    value = found.value if np.isfinite(found.value) else None
    return {
        "without": firms[found.firm],
        "value": value,
        "unlimited": value is None,
        "every_firm": found.every_firm,
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """The outcome of one regime at one case. Without a solution every figure is None and `message`
    says why."""

    regime: str
    """Which, by its key."""
    status: Status
    """Whether it is solved, or why there are no figures."""
    message: str | None
    """The same in words, with what would mend the case; None where nothing is to be said."""
    levels: Array | None
    """(4,): sharing (0 to 1) of both firms, then investment (quantity) of both."""
    accounts: Accounts | None
    """Prices, quantities and money at these levels."""
    certificate: Certificate
    """Why it may be believed."""
    firms: tuple[str, str] = FIRMS
    """What the firms are called."""

    def __post_init__(self) -> None:
        if self.levels is not None and self.accounts is not None:
            read_only(self.levels, *vars(self.accounts).values())

    def exchanged(self, key: str) -> Outcome:
        """The outcome of the regime of this key that is the mirror image: the two firms exchanged,
        for equal firms."""
        if self.levels is None or self.accounts is None:
            certificate = self.certificate.exchanged()
            out = certificate.driven_out
            return replace(
                self,
                regime=key,
                certificate=certificate,
                message=(
                    self.message
                    if out is None or not certificate.others
                    else without_firm(self.firms[out], len(certificate.others))
                ),
            )
        accounts = Accounts(**{name: rival(value) for name, value in vars(self.accounts).items()})
        certificate = self.certificate.exchanged()
        return replace(
            self,
            regime=key,
            levels=exchanged(self.levels),
            accounts=accounts,
            certificate=certificate,
        )

    @property
    def solved(self) -> bool:
        """Whether numbers are claimed."""
        return self.status in SOLVED

    @property
    def welfare(self) -> float:
        """Social welfare; NaN without a solution."""
        return float(self.accounts.total_surplus.sum()) if self.accounts else float("nan")

    @property
    def profit(self) -> Array:
        """Profits (2,); NaN without a solution."""
        return self.accounts.profit if self.accounts else np.full(2, np.nan)

    def __str__(self) -> str:
        head = f"{self.regime}: {self.status}" + (f", {self.message}" if self.message else "")
        told = self.tree()
        rows = [
            f"  {name.replace('_', ' '):17}" + "".join(f"{value:>15.6g}" for value in told[name])
            for name in ("sharing", "investment", "price", "quantity", "profit")
            if told[name] is not None
        ]
        if rows:
            names = "".join(f"{name[:14]:>15}" for name in self.firms)
            rows.insert(0, " " * 19 + names)
            rows += [
                f"  {name.replace('_', ' '):17}{told[name]:>15.6g}"
                for name in ("consumer_surplus", "welfare")
            ]
        proof = self.certificate
        kept = {"residual": proof.residual, "regret": proof.regret}
        sure = [f"{name} {value:.1e}" for name, value in kept.items() if value is not None]
        return "\n".join([head, *rows, f"  {', '.join([*sure, proof.scope])}"])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def tree(self) -> Json:
        """As plain values for JSON; None for what is not claimed."""
        x, a = self.levels, self.accounts
        return {
            "status": self.status,
            "message": self.message,
            "sharing": numbers(None if x is None else x[SHARING]),
            "investment": numbers(None if x is None else x[INVESTMENT]),
            "price": numbers(None if a is None else a.price),
            "quantity": numbers(None if a is None else a.quantity),
            "profit": numbers(None if a is None else a.profit),
            "investment_cost": numbers(None if a is None else a.investment_cost),
            "unit_cost": numbers(None if a is None else a.unit_cost),
            "consumer_surplus": None if a is None else float(a.consumer_surplus.sum()),
            "welfare": None if a is None else self.welfare,
            "certificate": self.certificate.tree(self.firms),
        }


def unsolved(
    regime: str, status: Status, message: str, firms: tuple[str, str] = FIRMS, **known: Any
) -> Outcome:
    """An outcome that claims nothing and says why; `known` is what its certificate has all the
    same."""
    nothing = Certificate(residual=None, curvature=None, regret=None, scope="searched", **known)
    return Outcome(
        regime=regime,
        status=status,
        message=message,
        levels=None,
        accounts=None,
        certificate=nothing,
        firms=firms,
    )


def without_firm(firm: str, equilibria: int = 1) -> str:
    """The message about a game that is settled with a firm out of the market, that of this name in
    the equilibrium that is told of first."""
    if equilibria == 1:
        return f"in the only equilibrium that was found {firm} is driven out of the market"
    return (
        f"in each of the {equilibria} equilibria that were found a firm is driven out of the"
        f" market, {firm} in that of the highest joint profit"
    )


def finish(case: Case, key: str, x: Array, accounts: Accounts, certificate: Certificate) -> Outcome:
    """The outcome at levels x (4,) of one flat case, or `infeasible` where a price or quantity is
    negative."""
    accounts = Accounts(
        **{name: getattr(accounts, name)[0] for name in accounts.__dataclass_fields__}
    )
    if not accounts.describes_market:
        return unsolved(key, "infeasible", why_infeasible(accounts), case.firms)
    status: Status = "corner" if certificate.bounds or certificate.switching else "converged"
    return Outcome(
        regime=key,
        status=status,
        message=None,
        levels=x,
        accounts=accounts,
        certificate=certificate,
        firms=case.firms,
    )


def why_infeasible(accounts: Accounts) -> str:
    """The message about levels at which a price or quantity of one market is negative."""
    names = ("price", "quantity", "unit_cost")
    where = [
        f"{name}[{i}] = {v:.6g}"
        for name in names
        for values in (getattr(accounts, name),)
        for i, v in enumerate(values)
        if v < -ROUNDING * np.abs(values).max()
    ]
    return f"the levels that solve it imply {', '.join(where)}: they describe no market"


def bindings(x: Array, held: NDArray[np.bool_]) -> tuple[Binding, ...]:
    """The levels (4,) that are held at a bound, as data."""
    kinds: tuple[Literal["sharing", "investment"], ...] = ("sharing", "investment")
    return tuple(Binding(kinds[i // 2], int(i % 2), float(x[i])) for i in np.flatnonzero(held))


def other_point(case: Case, rule: PriceRule, x: Array, stable: bool | None = None) -> Solution:
    """Another equilibrium or local optimum (4,) of one flat case, as listed in a certificate."""
    books = account(case, x[None], rule)
    return Solution(
        levels=x.copy(),
        profit=books.profit[0].copy(),
        welfare=float(books.total_surplus.sum()),
        stable=stable,
    )


def exchanged(x: Array) -> Array:
    """Levels (..., 4) with the two firms exchanged."""
    return levels(rival(x[..., SHARING]), rival(x[..., INVESTMENT]))


def read_only(*arrays: Array) -> None:
    """Results are not written to: let nobody try."""
    for array in arrays:
        array.flags.writeable = False


def numbers(values: Array | Sequence[float] | None) -> list[float] | None:
    """A list of floats, or None."""
    return None if values is None else [float(v) for v in values]
