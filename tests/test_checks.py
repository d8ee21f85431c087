"""Checks: what counts as a gain, who is named, and the plain values they become."""

from __future__ import annotations

import numpy as np
import pytest

from mechanism.design.checks import JointLie, Lie, Refusal, gain_check, participation, slack_check
from mechanism.report.checks_tree import witness_tree


@pytest.mark.parametrize("scale", [1.0, 250.0])
def test_a_gain_and_a_shortfall_count_from_the_same_share_of_the_payoff_range(scale: float) -> None:
    limit = 1e-7 * scale
    for amount, status in ((0.99 * limit, "holds"), (1.01 * limit, "violated"), (-5.0, "holds")):
        lie = gain_check(Lie(player=0, type=0.0, report=1.0, gain=amount), scale)
        assert (lie.status, lie.amount) == (status, amount)
        refusal = slack_check(Refusal(player=0, type=0.0, slack=-amount), scale)
        assert (refusal.status, refusal.amount) == (status, -amount)


def test_participation_names_the_firm_its_type_and_its_rival_s() -> None:
    points = np.array([0.2, 0.5, 0.8])
    interim = np.zeros((2, 3))
    interim[1, 2] = -4.0
    assert participation(interim, 0.0, points).witness == Refusal(player=1, type=0.8, slack=-4.0)
    ex_post = np.zeros((2, 3, 3))
    ex_post[0, 1, 2] = -3.0
    assert participation(ex_post, 0.0, points).witness == Refusal(
        player=0, type=0.5, rival_type=0.8, slack=-3.0
    )
    assert participation(np.array([1.0, -1.0]), 0.0).witness == Refusal(player=1, slack=-1.0)


def test_of_equal_firms_the_first_is_named() -> None:
    assert participation(np.array([-1.0, -1.0 - 1e-15]), 0.0).witness == Refusal(
        player=0, slack=-1.0 - 1e-15
    )


def test_witnesses_as_plain_values() -> None:
    """A player is named in a setting and counted from 1 in the market; what is not known has no
    key."""
    lie = Lie(player=1, type=0.2, report=0.4, gain=3.0)
    assert list(witness_tree(lie, ("buyer", "seller")).items()) == [  # type: ignore[union-attr]
        ("player", "seller"),
        ("type", 0.2),
        ("report", 0.4),
        ("gain", 3.0),
    ]
    assert witness_tree(lie) == {"firm": 2, "type": 0.2, "report": 0.4, "gain": 3.0}
    assert witness_tree(Refusal(player=0, slack=-1.0)) == {"firm": 1, "slack": -1.0}
    refusal = witness_tree(Refusal(player=0, type=0.0, rival_type=0.0, slack=-1.0))
    assert refusal == {"firm": 1, "type": 0.0, "rival_type": 0.0, "slack": -1.0}
    joint = JointLie(types=(0.1, 0.2), reports=(0.3, 0.4), gain=2.0)
    assert witness_tree(joint) == {"types": [0.1, 0.2], "reports": [0.3, 0.4], "gain": 2.0}
    assert witness_tree(None) is None
