"""Mechanism design without the market: players with values over alternatives, tax rules, and what
they achieve.

A setting has n players with finite types, alternatives, values v_i(theta_i, a), outside options and
a public value of each alternative. Types are independent or have a joint distribution, and a value
may depend on the others' types too: v_i(theta, a). States are the profiles of types; arrays
over states have one axis per player, in the players' order. What a player reports decides the
alternative and its net transfer (positive is received).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mechanism.design.checks import (
    NOT_ESTABLISHED,
    RELATIVE_TOLERANCE,
    Check,
    JointLie,
    Lie,
    Refusal,
    first_largest,
    gain_check,
    payoff_range,
    slack_check,
)
from mechanism.design.rules import TAX_RULES
from mechanism.design.states import (
    INCENTIVES,
    TIMINGS,
    Array,
    Incentive,
    Label,
    Reports,
    Timing,
    along,
    expect,
    given_the_rest,
    others,
    product,
)
from mechanism.frozen import freeze, read_only

EPSILON = float(np.finfo(float).eps)
SAME = 1e-12
"""Share of what welfare differs by below which two alternatives tie."""


@dataclass(frozen=True)
class Environment:
    """Who wants what."""

    name: str
    players: tuple[str, ...]
    types: tuple[tuple[Label, ...], ...]
    """(K_i,) per player: what its types are called."""
    probabilities: tuple[Array, ...]
    """(K_i,) per player: how likely its types are, whatever the others'."""
    alternatives: tuple[str, ...]
    values: tuple[Array, ...]
    """Per player (K_i, A): v_i(theta_i, a); or (*shape, A), where it depends on all types."""
    outside: tuple[Array, ...]
    """Per player, over states or broadcast to them, own types on the player's axis: what staying
    out is worth."""
    public_value: Array
    """(A,): what an alternative is worth to everybody else."""
    joint: Array | None = None
    """(*shape): the probability of every state; None: types are independent."""
    menu: NDArray[np.intp] | None = None
    """(*shape, m): the alternatives among which a lottery may choose in each state; None: all."""
    needed: NDArray[np.bool_] | None = None
    """(n, A): whom an alternative needs, without whom it is not there; None: nobody."""
    same_alternative: bool = False
    """Whether players compare joining with the same alternative without transfers, as the printed
    form of participation does: they join where they do not pay. What staying out is worth then
    counts for nothing."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", tuple(map(tuple, self.types)))
        for name in ("probabilities", "values", "outside"):
            object.__setattr__(self, name, tuple(map(read_only, getattr(self, name))))
        freeze(self)

    @property
    def menus(self) -> NDArray[np.intp]:
        """(states, m): the alternatives a lottery may choose in each state."""
        if self.menu is not None:
            return self.menu.reshape(-1, self.menu.shape[-1])
        states, alternatives = int(np.prod(self.shape)), len(self.alternatives)
        return np.broadcast_to(np.arange(alternatives), (states, alternatives))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of types per player: the shape of arrays over states."""
        return tuple(len(t) for t in self.types)

    def state(self, index: int) -> tuple[Label, ...]:
        """The players' types in a state, counted in row-major order."""
        return tuple(
            t[k] for t, k in zip(self.types, np.unravel_index(index, self.shape), strict=True)
        )

    @cached_property
    def probability(self) -> Array:
        """(*shape): the probability of every state."""
        return product(self.probabilities) if self.joint is None else self.joint

    @property
    def occurs(self) -> NDArray[np.bool_]:
        """(*shape): the states that can occur. Of independent types all do: those of probability
        zero are there to be asked about."""
        if self.joint is None:
            return np.ones(self.shape, bool)
        return np.asarray(self.joint > 0)

    def beliefs(self, player: int) -> Array:
        """(K_i, C) or, the same for all, (1, C): how likely each type of a player takes every
        profile of the others' types to be, in row-major order."""
        if self.joint is None:
            away = tuple(self.probabilities[j] for j in self.others(player))
            return product(away).reshape(1, -1)
        weights = given_the_rest(self.probabilities, self.joint, self.others(player))
        return np.moveaxis(weights, player, 0).reshape(self.shape[player], -1)

    def along(self, player: int, values: Array) -> Array:
        """Values per own type of one player, laid along its axis of states."""
        return along(self.probabilities, player, values)

    def expect(self, values: Array, over: tuple[int, ...] | None = None) -> Array:
        """Expectation over the types of these players (of all, by default) given the others', kept
        as axes of length one."""
        return expect(self.probabilities, values, over, self.joint)

    def others(self, player: int) -> tuple[int, ...]:
        """Everybody else."""
        return others(self.probabilities, player)

    def interim(self, player: int, values: Array) -> Array:
        """Expectation over the others' types given the own, (K_i,)."""
        return self.expect(np.broadcast_to(values, self.shape), self.others(player)).ravel()

    @cached_property
    def shift(self) -> tuple[Array, ...]:
        """(K_i,) per player: what staying out is worth to each type, while the others are of their
        first types. Taken off its values and outside options it changes no incentive, no
        participation and no order of alternatives. Where types are dependent it is what its first
        type's is to all: what others may expect of a type given one's own does not move."""
        own = tuple(
            np.broadcast_to(np.moveaxis(worth, i, -1)[(0,) * (worth.ndim - 1)], self.shape[i])
            for i, worth in enumerate(self.outside)
        )
        if self.joint is None:
            return own
        return tuple(np.full_like(worth, worth[0]) for worth in own)

    @property
    def centred(self) -> Environment:
        """The same setting with everything counted from staying out and from the first
        alternative's public value: numbers no larger than what payoffs differ by."""
        return replace(
            self,
            values=tuple(
                value - (base if self.own_only(i) else self.along(i, base))[..., None]
                for i, (value, base) in enumerate(zip(self.values, self.shift, strict=True))
            ),
            outside=tuple(
                worth - self.along(i, base)
                for i, (worth, base) in enumerate(zip(self.outside, self.shift, strict=True))
            ),
            public_value=self.public_value - self.public_value[0],
        )

    @property
    def shifted_welfare(self) -> float:
        """What expected welfare is beyond that of the centred setting."""
        return self.shifted(1.0)

    def shifted(self, weight: float) -> float:
        """The same with players' payoffs counting by this weight."""
        return float(self.public_value[0]) + weight * sum(
            float(p @ base) for p, base in zip(self.probabilities, self.shift, strict=True)
        )

    @cached_property
    def range(self) -> float:
        """The most that payoffs differ by, from staying out or between alternatives: the size a
        program's numbers are measured in; 1 where nothing differs but by rounding."""
        s = self.centred
        most = max(float(np.abs(part).max()) for part in (*s.values, *s.outside, s.public_value))
        return most if most > self.rounding else 1.0

    @cached_property
    def rounding(self) -> float:
        """What sums of the setting's own numbers round to: of values beside much larger constants
        no more is known."""
        return (
            16
            * EPSILON
            * max(
                float(np.abs(part).max())
                for part in (*self.values, *self.outside, self.public_value)
            )
        )

    @cached_property
    def natural(self) -> Environment:
        """The centred setting with payoffs counted in its range."""
        s, unit = self.centred, self.range
        return replace(
            s,
            values=tuple(value / unit for value in s.values),
            outside=tuple(worth / unit for worth in s.outside),
            public_value=s.public_value / unit,
        )

    def own_only(self, player: int) -> bool:
        """Whether a player's values depend on no type but its own."""
        return self.values[player].ndim == 2

    @property
    def private_values(self) -> bool:
        """Whether nobody's values depend on others' types."""
        return all(map(self.own_only, range(len(self.players))))

    def value(self, player: int) -> Array:
        """What alternatives are worth to a player, over states or broadcast to them, alternatives
        last."""
        value = self.values[player]
        return np.expand_dims(value, list(self.others(player))) if value.ndim == 2 else value

    def value_to(
        self,
        player: int,
        own: NDArray[np.intp],
        states: NDArray[np.intp],
        alternatives: NDArray[np.intp],
    ) -> Array:
        """(m, a): what alternatives (m, a) are worth to types `own` (m,) of a player, the others
        being of the types they have in `states` (m,)."""
        value = self.values[player]
        if self.own_only(player):
            return np.asarray(value[own[:, None], alternatives])
        types = list(np.unravel_index(states, self.shape))
        types[player] = own
        return np.asarray(value[(*(each[:, None] for each in types), alternatives)])

    @cached_property
    def total(self) -> Array:
        """Welfare of every alternative in every state, (*shape, A)."""
        welfare = np.broadcast_to(self.public_value, (*self.shape, len(self.alternatives))).copy()
        for player in range(len(self.players)):
            welfare += self.value(player)
        return welfare


@dataclass(frozen=True)
class AllocationRule:
    """Which alternative is taken in which state, for sure or by lottery, and what follows for
    values."""

    environment: Environment
    chosen: NDArray[np.intp] | None = None
    """(*shape): the alternative in each state."""
    lottery: Array | None = None
    """(*shape, A): the probability of each alternative, where there is no one chosen for sure. Both
    None: there are too many states to list."""

    def __post_init__(self) -> None:
        freeze(self)

    @cached_property
    def centred(self) -> AllocationRule:
        """The same in the centred setting."""
        return replace(self, environment=self.environment.centred)

    @cached_property
    def natural(self) -> AllocationRule:
        """The same in the centred setting, payoffs counted in its range."""
        return replace(self, environment=self.environment.natural)

    def shares(self) -> Array:
        """The probabilities of alternatives, (states, A)."""
        size = len(self.environment.alternatives)
        if self.lottery is not None:
            return self.lottery.reshape(-1, size)
        assert self.chosen is not None
        return np.eye(size)[self.chosen.ravel()]

    def _over_states(self, values: Array) -> Array:
        """Values (..., A) of alternatives as values (..., *shape) of states."""
        if self.lottery is not None:
            return np.tensordot(values, self.lottery, axes=(-1, -1))
        return np.asarray(values[..., self.chosen])

    def value(self, player: int) -> Array:
        """(K_i, *shape): a player's value by true type (first axis) and reports, those of the
        others being true."""
        s = self.environment
        if s.own_only(player):
            return self._over_states(s.values[player])
        own = np.expand_dims(np.moveaxis(s.values[player], player, 0), player + 1)
        shares = np.reshape(self.shares(), (*s.shape, -1))
        return np.asarray((own * shares).sum(-1))

    def interim(self, player: int) -> Array:
        """(K_i true, K_i reports): the same in expectation over the others' types."""
        return interim_by_report(self.environment, player, self.value(player))

    def value_in(self, player: int) -> Array:
        """(S, *shape): the same by true state (first axis), whatever anybody reports."""
        s = self.environment
        if s.own_only(player):
            own = np.indices(s.shape)[player].ravel()
            return np.asarray(self._over_states(s.values[player])[own])
        return self._over_states(s.values[player].reshape(-1, len(s.alternatives)))

    @cached_property
    def truth(self) -> tuple[Array, ...]:
        """Every player's value when all report the truth, over states."""
        s, each = self.environment, range(len(self.environment.players))
        if self.chosen is not None and s.private_values:
            types = np.indices(s.shape)
            return tuple(np.asarray(s.values[i][types[i], self.chosen]) for i in each)
        # The true type's axis and the own report's are one.
        return tuple(
            np.moveaxis(np.diagonal(self.value(i), axis1=0, axis2=i + 1), -1, i) for i in each
        )

    @cached_property
    def public(self) -> Array:
        """The public value over states."""
        return self._over_states(self.environment.public_value)

    def others_welfare(self, player: int) -> Array:
        """What everybody else gets, public value included, over reports."""
        return np.asarray(self.public + sum(self.truth[j] for j in self.environment.others(player)))

    @property
    def welfare(self) -> Array:
        """Over states."""
        return np.asarray(self.public + sum(self.truth))


@dataclass(frozen=True)
class ByOwnReport(AllocationRule):
    """An allocation of which no more is known than what each player's own report leads to, in
    expectation over the others' types: all that counts where truth is Bayesian and joining interim.

    The alternatives are the reports, of which each player's values have its own; all players have
    as many types.
    """

    in_states: tuple[Array, ...] = field(kw_only=True)
    """(*shape) each: every player's value when all report the truth, and the public value."""

    @cached_property
    def centred(self) -> ByOwnReport:
        """The same in the centred setting."""
        s = self.environment
        bases = [s.along(i, base) for i, base in enumerate(s.shift)] + [s.public_value[:1]]
        known = (values - base for values, base in zip(self.in_states, bases, strict=True))
        return replace(self, environment=s.centred, in_states=tuple(known))

    @cached_property
    def natural(self) -> ByOwnReport:
        """The same in the centred setting, payoffs counted in its range."""
        s = self.environment
        known = tuple(values / s.range for values in self.centred.in_states)
        return replace(self, environment=s.natural, in_states=known)

    @property
    def truth(self) -> tuple[Array, ...]:
        """Every player's value when all report the truth, over states."""
        return self.in_states[:-1]

    @property
    def public(self) -> Array:
        """The public value over states."""
        return self.in_states[-1]

    def interim(self, player: int) -> Array:
        """(K_i true, K_i reports)."""
        return self.environment.values[player]


def best_alternatives(environment: Environment) -> NDArray[np.bool_]:
    """(*shape, A): the alternatives of highest welfare in every state, up to rounding."""
    total = environment.centred.total
    near = SAME * float(np.ptp(total, -1).max()) + environment.rounding
    return np.asarray(total >= total.max(-1, keepdims=True) - near)


def efficient(environment: Environment) -> AllocationRule:
    """In every state the alternative of highest welfare; ties go to the first listed."""
    return AllocationRule(environment, chosen=best_alternatives(environment).argmax(-1))


def reports_of(plan: AllocationRule, timing: Timing = "interim") -> Reports:
    """What a tax rule sees of a plan: the payoffs of the centred setting, from which every rule has
    the same transfers."""
    plan = plan.centred
    s = plan.environment

    def best_of_others(player: int) -> Array:
        left = slice(None) if s.needed is None else ~s.needed[player]
        return np.asarray((s.total - s.value(player))[..., left].max(-1))

    return Reports(
        others=tuple(plan.others_welfare(i) for i in range(len(s.players))),
        welfare=plan.welfare,
        outside=s.outside,
        prior=s.probabilities,
        joint=s.joint,
        timing=timing,
        best_of_others=best_of_others,
    )


def transfers_by(rule: str, plan: AllocationRule, timing: Timing = "interim") -> tuple[Array, ...]:
    """The net transfers of a rule with a formula to every player over states, at a plan."""
    return TAX_RULES[rule].net(reports_of(plan, timing))


# --- what transfers achieve


def payoffs(plan: AllocationRule, transfers: tuple[Array, ...]) -> tuple[Array, ...]:
    """Every player's payoff when all report the truth, over states."""
    return tuple(value + transfer for value, transfer in zip(plan.truth, transfers, strict=True))


def interim_by_report(environment: Environment, player: int, utility: Array) -> Array:
    """Expectation over the others' types of utilities (K_i, *shape) by true type and reports: (K_i
    true, K_i reports)."""
    own_axis = np.moveaxis(utility, player + 1, 1)
    by_profile = own_axis.reshape(*own_axis.shape[:2], -1)
    return np.asarray((by_profile @ environment.beliefs(player)[..., None])[..., 0])


def misreport_gains(
    plan: AllocationRule, transfers: tuple[Array, ...], player: int, incentive: Incentive
) -> Array:
    """(K_i, K_i): what each true type (row) gains by each report (column), in expectation or at the
    others' worst profile."""
    s = plan.environment
    utility = plan.value(player) + transfers[player]  # (true type, reports of all)
    if incentive == "bayesian":
        interim = interim_by_report(s, player, utility)
        return np.asarray(interim - np.diagonal(interim)[:, None])
    size = len(s.types[player])
    flat = np.moveaxis(utility, player + 1, 1).reshape(size, size, -1)  # (true, own report, others)
    return np.asarray((flat - flat[np.arange(size), np.arange(size)][:, None]).max(-1))


@dataclass(frozen=True, kw_only=True)
class Achieved:
    """What net transfers achieve at a plan when all report the truth."""

    surplus: float
    """Expected welfare before transfers."""
    payoff: tuple[float, ...]
    """Expected payoff per player."""
    outlay: float
    """What the public pays in expectation."""
    worst: float | None
    """What it pays in the state that can occur in which it pays most; None where states are not
    listed."""
    ic: Mapping[Incentive, Check]
    """Truth-telling in both strengths."""
    ir: Mapping[Timing, Check]
    """Participation in both timings."""
    collusion: Check
    """Whether all players together gain by agreeing on their reports; not established where there
    are too many states."""
    rents: tuple[Array, ...]
    """(K_i,) per player: a type's expected payoff less its outside option."""


def achieved(plan: AllocationRule, transfers: tuple[Array, ...]) -> Achieved:
    """Truth-telling, participation, budget and expectations under these net transfers."""
    given, plan = plan.environment, plan.centred
    s = plan.environment
    earned = payoffs(plan, transfers)
    stays = plan.truth if s.same_alternative else s.outside
    spare = tuple(gets - worth for gets, worth in zip(earned, stays, strict=True))
    scale = max(payoff_range(*earned), given.rounding / RELATIVE_TOLERANCE)
    total = np.asarray(sum(transfers))
    outside = [float(p @ base) for p, base in zip(s.probabilities, given.shift, strict=True)]
    return Achieved(
        surplus=given.shifted_welfare + float(s.expect(plan.welfare).item()),
        payoff=tuple(
            base + float(s.expect(p).item()) for base, p in zip(outside, earned, strict=True)
        ),
        outlay=float(s.expect(total).item()),
        worst=float(np.broadcast_to(total, s.shape)[s.occurs].max()),
        ic=MappingProxyType(
            {
                strength: truth_check(
                    s,
                    [misreport_gains(plan, transfers, i, strength) for i in range(len(s.players))],
                    scale,
                )
                for strength in INCENTIVES
            }
        ),
        ir=MappingProxyType(
            {timing: joining_check(s, _slack(s, spare, timing), scale) for timing in TIMINGS}
        ),
        collusion=_together(plan, transfers, scale),
        rents=tuple(read_only(s.interim(i, left)) for i, left in enumerate(spare)),
    )


LARGEST_COALITION = 2500
"""States up to which joint reports are searched."""


def joint_gains(plan: AllocationRule, transfers: tuple[Array, ...]) -> Array:
    """(S, S): what all players together gain in a state (row) by jointly reporting another
    (column), money changing hands among them."""
    s = plan.environment
    joint = np.broadcast_to(sum(np.broadcast_to(t, s.shape) for t in transfers), s.shape).ravel()[
        None
    ]
    for i in range(len(s.players)):
        joint = joint + plan.value_in(i).reshape(joint.shape[-1], -1)
    return np.asarray(joint - np.diagonal(joint)[:, None])


def _together(plan: AllocationRule, transfers: tuple[Array, ...], scale: float) -> Check:
    s = plan.environment
    if int(np.prod(s.shape)) > LARGEST_COALITION:
        return NOT_ESTABLISHED
    found = np.where(s.occurs.reshape(-1, 1), joint_gains(plan, transfers), 0.0)
    true, told = first_largest(found, scale)
    return gain_check(
        JointLie(types=s.state(true), reports=s.state(told), gain=float(found.max())), scale
    )


def truth_check(s: Environment, gains: Sequence[Array], scale: float) -> Check:
    """Truth-telling, from what every player's types gain by each report, (K_i, K_i) per player."""
    player = first_largest(np.array([gain.max() for gain in gains]), scale)[0]
    kind, told = first_largest(gains[player], scale)
    types = s.types[player]
    return gain_check(
        Lie(
            player=player,
            type=types[kind],
            report=types[told],
            gain=float(gains[player].max()),
        ),
        scale,
    )


def _slack(s: Environment, spare: tuple[Array, ...], timing: Timing) -> list[Array]:
    """(K_i,) per player: what joining leaves to a type, in expectation or at the least."""
    slack = []
    for i, over in enumerate(spare):
        left = np.broadcast_to(over, s.shape)
        slack.append(
            s.interim(i, left)
            if timing == "interim"
            else np.moveaxis(np.where(s.occurs, left, np.inf), i, 0)
            .reshape(len(s.types[i]), -1)
            .min(1)
        )
    return slack


def joining_check(s: Environment, slack: Sequence[Array], scale: float) -> Check:
    """Participation, from what joining leaves to every type, (K_i,) per player."""
    player = first_largest(np.array([-part.min() for part in slack]), scale)[0]
    (kind,) = first_largest(-slack[player], scale)
    return slack_check(
        Refusal(player=player, type=s.types[player][kind], slack=float(slack[player].min())),
        scale,
    )
