"""What rules with a formula achieve where there are too many states to list: to each player the
others are what they are worth together.

Where types are independent and values private, the best alternative, and what a rule pays, depend
on the others' types through the sum of their values alone. Sums of the same size are one: of values
on a grid there are few. A player and the sum of the others are a setting of two players, of whom
the first is judged.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from mechanism.design.checks import NOT_ESTABLISHED, payoff_range
from mechanism.design.environment import (
    Achieved,
    Environment,
    efficient,
    joining_check,
    misreport_gains,
    transfers_by,
    truth_check,
)
from mechanism.design.rules import TAX_RULES
from mechanism.design.setting_file import MOST_ENTRIES, DesignOptions
from mechanism.design.states import INCENTIVES, Array, Incentive
from mechanism.frozen import read_only

GRAIN = 1e-11
"""Share of the range of payoffs by which sums that are the same may differ through rounding."""


class TooManySumsError(Exception):
    """Values add up to too many different sums."""


def sums(environment: Environment, player: int) -> tuple[Array, Array]:
    """What alternatives are worth to all but a player, (M, A), the public among them, and how
    likely that is, (M,)."""
    worth: Array = environment.public_value[None]
    chance: Array = np.ones(1)
    most = MOST_ENTRIES // (2 * environment.shape[player])
    for j in environment.others(player):
        worth = (worth[:, None] + environment.values[j]).reshape(-1, worth.shape[-1])
        likely = np.outer(chance, environment.probabilities[j]).ravel()
        steps = np.round(worth / (GRAIN * environment.range)).astype(np.int64)
        _, first, same = np.unique(steps, axis=0, return_index=True, return_inverse=True)
        worth = worth[first]
        chance = np.asarray(np.bincount(same.ravel(), likely), float)
        if len(worth) > most:
            raise TooManySumsError(
                f"values of the others add up to more than {most:,} different sums for"
                f" {environment.players[player]}; take fewer players or types, or values on a grid"
            )
    return worth, chance


def beside_others(environment: Environment, player: int) -> Environment:
    """A player and, as one other, what alternatives are worth to all others together."""
    worth, chance = sums(environment, player)
    needed = None
    if environment.needed is not None:
        own = environment.needed[player]
        needed = np.stack([own, np.zeros_like(own)])
    own_outside = np.reshape(environment.outside[player], (-1, 1))
    return Environment(
        name=environment.name,
        players=(environment.players[player], "others"),
        types=(environment.types[player], tuple(map(float, range(len(worth))))),
        probabilities=(environment.probabilities[player], chance),
        alternatives=environment.alternatives,
        values=(environment.values[player], worth),
        outside=(own_outside, np.zeros((1, 1))),
        public_value=np.zeros_like(environment.public_value),
        needed=needed,
    )


def achieved_by_sums(environment: Environment, options: DesignOptions) -> Achieved:
    """What a rule with a formula achieves; joint lies are not judged, nor the worst state unless
    the rule balances the budget in every one.

    Raises:
        TooManySumsError: Values add up to too many different sums.
    """
    balanced = TAX_RULES[options.tax_rule].balanced
    payoff, earned, interim, least, outlay = [], [], [], [], 0.0
    lies: dict[Incentive, list[Array]] = {strength: [] for strength in INCENTIVES}
    for i in range(len(environment.players)):
        here = beside_others(environment, i)
        plan = efficient(here)
        # What the others pay for mutually does not move with the own report, and is nothing in
        # expectation.
        transfers = transfers_by(options.tax_rule, plan, options.timing)
        gets = plan.truth[0] + transfers[0]
        left = gets - here.outside[0]
        for strength in INCENTIVES:
            lies[strength].append(misreport_gains(plan, transfers, 0, strength))
        interim.append(here.interim(0, left))
        least.append(np.broadcast_to(left, here.shape).min(1))
        earned.append(gets)
        payoff.append(float(here.expect(gets).item()))
        outlay += float(here.expect(np.broadcast_to(transfers[0], here.shape)).item())
        surplus = float(here.expect(plan.welfare).item())
    scale = payoff_range(*earned)
    always = NOT_ESTABLISHED if balanced else joining_check(environment, least, scale)
    return Achieved(
        surplus=surplus,
        payoff=tuple(payoff),
        outlay=0.0 if balanced else outlay,
        worst=0.0 if balanced else None,
        ic=MappingProxyType(
            {strength: truth_check(environment, gains, scale) for strength, gains in lies.items()}
        ),
        ir=MappingProxyType(
            {"interim": joining_check(environment, interim, scale), "ex_post": always}
        ),
        collusion=NOT_ESTABLISHED,
        rents=tuple(map(read_only, interim)),
    )
