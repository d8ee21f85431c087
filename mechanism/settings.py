"""Mechanism design without the market: players with private values over alternatives, tax rules, and what they achieve.

A setting has n players with finite independent types, alternatives, private values v_i(theta_i, a), outside options and a public value
of each alternative. States are the profiles of types; arrays over states have one axis per player, in the players' order. What a
player reports decides the alternative and its net transfer (positive is received).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechanism.checks import RELATIVE_TOLERANCE, first_largest, payoff_range
from mechanism.rules import TAX_RULES
from mechanism.states import Array, Incentive, Reports, Timing, along, expect, others


@dataclass(frozen=True)
class Setting:
    """Who wants what."""

    name: str
    players: tuple[str, ...]
    types: tuple[Array, ...]
    """(K_i,) per player: the types' labels."""
    probabilities: tuple[Array, ...]
    """(K_i,) per player."""
    alternatives: tuple[str, ...]
    values: tuple[Array, ...]
    """(K_i, A) per player: v_i(theta_i, a)."""
    outside: tuple[Array, ...]
    """Per player, over states or broadcast to them, own types on the player's axis: what staying out is worth."""
    public_value: Array
    """(A,): what an alternative is worth to everybody else."""
    menu: NDArray[np.intp] | None = None
    """(*shape, m): the alternatives among which a lottery may choose in each state; None: all."""

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

    def state(self, index: int) -> list[float]:
        """The players' types in a state, counted in row-major order."""
        return [float(t[k]) for t, k in zip(self.types, np.unravel_index(index, self.shape), strict=True)]

    def along(self, player: int, values: Array) -> Array:
        """Values per own type of one player, laid along its axis of states."""
        return along(self.probabilities, player, values)

    def expect(self, values: Array, over: tuple[int, ...] | None = None) -> Array:
        """Expectation over the types of these players (of all, by default), kept as axes of length one."""
        return expect(self.probabilities, values, over)

    def others(self, player: int) -> tuple[int, ...]:
        """Everybody else."""
        return others(self.probabilities, player)

    def interim(self, player: int, values: Array) -> Array:
        """Expectation over the others' types, (K_i,)."""
        return self.expect(np.broadcast_to(values, self.shape), self.others(player)).ravel()

    @cached_property
    def total(self) -> Array:
        """Welfare of every alternative in every state, (*shape, A)."""
        welfare = np.broadcast_to(self.public_value, (*self.shape, len(self.alternatives))).copy()
        for player, value in enumerate(self.values):
            welfare += np.expand_dims(value, [axis for axis in range(len(self.players)) if axis != player])
        return welfare


@dataclass(frozen=True)
class Plan:
    """Which alternative is taken in which state, for sure or by lottery, and what follows for values."""

    setting: Setting
    chosen: NDArray[np.intp] | None = None
    """(*shape): the alternative in each state."""
    lottery: Array | None = None
    """(*shape, A): the probability of each alternative, where there is no one chosen for sure."""

    def shares(self) -> Array:
        """The probabilities of alternatives, (states, A)."""
        size = len(self.setting.alternatives)
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
        """(K_i, *shape): a player's value by true type (first axis) and reports."""
        return self._over_states(self.setting.values[player])

    @cached_property
    def truth(self) -> tuple[Array, ...]:
        """Every player's value when all report the truth, over states."""
        # The true type's axis and the own report's are one.
        return tuple(np.moveaxis(np.diagonal(self.value(i), axis1=0, axis2=i + 1), -1, i) for i in range(len(self.setting.players)))

    @cached_property
    def public(self) -> Array:
        """The public value over states."""
        return self._over_states(self.setting.public_value)

    def rest(self, player: int) -> Array:
        """What everybody else gets, public value included, over reports."""
        return np.asarray(self.public + sum(self.truth[j] for j in self.setting.others(player)))

    @property
    def welfare(self) -> Array:
        """Over states."""
        return np.asarray(self.public + sum(self.truth))


def efficient(setting: Setting) -> Plan:
    """In every state the alternative of highest welfare; ties go to the first listed."""
    top = setting.total.max(-1, keepdims=True)
    tied = setting.total >= top - 1e-12 * np.maximum(1.0, np.abs(top))
    return Plan(setting, chosen=tied.argmax(-1))


def reports_of(plan: Plan, timing: Timing = "interim") -> Reports:
    """What a tax rule sees of a plan."""
    s = plan.setting

    def best_of_others(player: int) -> Array:
        own = np.expand_dims(s.values[player], list(s.others(player)))
        return np.asarray((s.total - own).max(-1))

    return Reports(
        others=tuple(plan.rest(i) for i in range(len(s.players))),
        welfare=plan.welfare,
        outside=s.outside,
        prior=s.probabilities,
        timing=timing,
        best_of_others=best_of_others,
    )


def transfers_by(rule: str, plan: Plan, timing: Timing = "interim") -> tuple[Array, ...]:
    """The net transfers of a rule with a formula to every player over states, at a plan."""
    return TAX_RULES[rule].net(reports_of(plan, timing))


# --- what transfers achieve


def payoffs(plan: Plan, transfers: tuple[Array, ...]) -> tuple[Array, ...]:
    """Every player's payoff when all report the truth, over states."""
    return tuple(value + transfer for value, transfer in zip(plan.truth, transfers, strict=True))


def interim_by_report(setting: Setting, player: int, utility: Array) -> Array:
    """Expectation over the others' types of utilities (K_i, *shape) by true type and reports: (K_i true, K_i reports)."""
    weights: Array = np.ones(())
    for j in setting.others(player):
        weights = np.multiply.outer(weights, setting.probabilities[j])
    own_axis = np.moveaxis(utility, player + 1, 1)
    return np.asarray(own_axis.reshape(*own_axis.shape[:2], -1) @ weights.ravel())


def misreport_gains(plan: Plan, transfers: tuple[Array, ...], player: int, incentive: Incentive) -> Array:
    """(K_i, K_i): what each true type (row) gains by each report (column), in expectation or at the others' worst profile."""
    s = plan.setting
    utility = plan.value(player) + transfers[player]  # (true type, reports of all)
    if incentive == "bayesian":
        interim = interim_by_report(s, player, utility)
        return np.asarray(interim - np.diagonal(interim)[:, None])
    size = len(s.types[player])
    flat = np.moveaxis(utility, player + 1, 1).reshape(size, size, -1)  # (true, own report, others)
    return np.asarray((flat - flat[np.arange(size), np.arange(size)][:, None]).max(-1))


def report(plan: Plan, transfers: tuple[Array, ...]) -> dict[str, Any]:
    """Truth-telling in both strengths, participation in both timings, budget and expectations, as plain values."""
    s = plan.setting
    earned = payoffs(plan, transfers)
    scale = payoff_range(*earned)
    total = sum(transfers)
    ic = [_incentive(plan, transfers, incentive, scale) for incentive in ("bayesian", "dominant")]
    ir = [_joining(s, earned, timing, scale) for timing in ("interim", "ex_post")]
    return {
        "expected": {
            "surplus": float(s.expect(plan.welfare).item()),
            "payoff": [float(s.expect(p).item()) for p in earned],
            "outlay": float(s.expect(np.asarray(total)).item()),
        },
        "checks": {
            "ic": ic,
            "ir": ir,
            "budget": {"ex_ante": float(s.expect(np.asarray(total)).item()), "worst": float(np.max(total))},
            "collusion": _together(plan, transfers, scale),
        },
        "rents": [
            {"player": name, "types": s.types[i].tolist(), "rent": (s.interim(i, earned[i]) - s.interim(i, s.outside[i])).tolist()}
            for i, name in enumerate(s.players)
        ],
    }


LARGEST_COALITION = 2500
"""States up to which joint reports are searched."""


def joint_gains(plan: Plan, transfers: tuple[Array, ...]) -> Array:
    """(S, S): what all players together gain in a state (row) by jointly reporting another (column), money changing hands among them."""
    s = plan.setting
    states = np.indices(s.shape).reshape(len(s.shape), -1)
    joint = np.broadcast_to(sum(np.broadcast_to(t, s.shape) for t in transfers), s.shape).ravel()[None]
    for i, own in enumerate(states):
        joint = joint + plan.value(i).reshape(len(s.types[i]), -1)[own]
    return np.asarray(joint - np.diagonal(joint)[:, None])


def _together(plan: Plan, transfers: tuple[Array, ...], scale: float) -> dict[str, Any]:
    s = plan.setting
    if int(np.prod(s.shape)) > LARGEST_COALITION:
        return {"status": "not_established", "max_gain": None, "witness": None}
    found = joint_gains(plan, transfers)
    true, told = first_largest(found)
    amount = float(found.max())
    status = "holds" if amount <= RELATIVE_TOLERANCE * scale else "violated"
    return {"status": status, "max_gain": amount, "witness": {"types": s.state(true), "reports": s.state(told), "gain": amount}}


def _incentive(plan: Plan, transfers: tuple[Array, ...], incentive: Incentive, scale: float) -> dict[str, Any]:
    s = plan.setting
    found = [misreport_gains(plan, transfers, i, incentive) for i in range(len(s.players))]
    player = first_largest(np.array([gain.max() for gain in found]))[0]
    kind, told = first_largest(found[player])
    amount = float(found[player].max())
    return {
        "incentive": incentive,
        "status": "holds" if amount <= RELATIVE_TOLERANCE * scale else "violated",
        "max_gain": amount,
        "witness": {
            "player": s.players[player],
            "type": float(s.types[player][kind]),
            "report": float(s.types[player][told]),
            "gain": amount,
        },
    }


def _joining(s: Setting, earned: tuple[Array, ...], timing: Timing, scale: float) -> dict[str, Any]:
    slack = []
    for i in range(len(s.players)):
        left = earned[i] - np.broadcast_to(s.outside[i], s.shape)
        slack.append(s.interim(i, left) if timing == "interim" else np.moveaxis(left, i, 0).reshape(len(s.types[i]), -1).min(1))
    player = first_largest(np.array([-part.min() for part in slack]))[0]
    (kind,) = first_largest(-slack[player])
    least = float(slack[player].min())
    return {
        "timing": timing,
        "status": "holds" if least >= -RELATIVE_TOLERANCE * scale else "violated",
        "min_slack": least,
        "witness": {"player": s.players[player], "type": float(s.types[player][kind]), "slack": least},
    }
