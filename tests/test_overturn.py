"""What would overturn a recommendation, against scans of the same numbers that know nothing of
brackets."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trees import evaluate_once

from market.casefile.faults import BadCase
from market.regimes import REGIMES, headroom, solve_markets, solve_regime
from mechanism.analysis.along_lines import Idle, Line, Met, followed, stretches
from mechanism.analysis.evaluation import evaluate
from mechanism.analysis.many import solve_many
from mechanism.analysis.over_parameters import over_parameters
from mechanism.analysis.overturn import over_standards
from mechanism.casefile.case_keys import expanded, key_path, leaves, set_at, value_at
from mechanism.casefile.policies import compared
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree
from mechanism.casefile.together import stack
from mechanism.ranking.frontier import Planners, between_tangents
from mechanism.ranking.recommendation import Stretch

CASES = Path(__file__).resolve().parents[1] / "cases"


def random_tree(seed: int) -> dict[str, Any]:
    """A random admissible case, its standard included."""
    rng = np.random.default_rng(seed)

    def pair(low: float, high: float) -> Any:
        return (
            [float(v) for v in rng.uniform(low, high, 2)]
            if rng.random() < 0.5
            else float(rng.uniform(low, high))
        )

    own = pair(1.0, 2.0)
    cross, interaction = float(rng.uniform(0, 0.5)), float(rng.uniform(0, 0.3))
    tree = {
        "demand": {
            "intercept": pair(15, 25),
            "own_slope": own,
            "cross_slope": float(rng.uniform(0, 0.85) * np.min(own)),
        },
        "security": {
            "rivalry": float(rng.uniform(0, 0.9)),
            "demand_spillover": pair(0, 1),
            "leakage": {
                "own": cross + interaction + float(rng.uniform(0.5, 4)),
                "cross": cross,
                "interaction": interaction,
            },
        },
        "cost": {
            "scale": float(rng.uniform(8, 40)),
            "max_saving": float(rng.uniform(0, 0.7)),
            "spillover": pair(0, 1),
        },
        "mechanism": {
            "materiality": float(rng.choice([0.0, 0.05, 0.3, 0.6, 0.9])),
            "public_funds_cost": float(rng.choice([0.0, 0.2, 0.4])),
            "profit_weight": float(rng.choice([1.0, 0.5, 0.0])),
            "fees": bool(rng.random() < 0.2),
            "allow": ["consumers_lose"] if rng.random() < 0.3 else [],
        },
    }
    return tree


def changed(case: PolicyCase, key: str, value: float) -> PolicyCase:
    """The case with another value of one option of its mechanism."""
    tree = deepcopy(case.resolved)
    tree["mechanism"][key] = value
    return parse_tree(tree)


def recommended(cases: list[PolicyCase], private: bool = False) -> list[str | None]:
    """The winner of each case, solved together with everything that competes."""
    keys = [policy.key for policy in compared(private)]
    columns = solve_many(cases, keys)
    won = columns["recommended"].reshape(len(cases), -1) == 1
    return [keys[int(row.argmax())] if row.any() else None for row in won]


def who(over: tuple[Stretch, ...], x: float) -> str | None:
    return next(one.policy for one in over if one.low <= x <= one.high)


# --- the search along lines


def test_every_switch_along_a_line_is_bracketed_and_hidden_ones_are_found() -> None:
    """Three policies, the one of the highest of three curves winning: between .60 and .61 a narrow
    peak that no first look meets."""

    def curves(x: np.ndarray) -> np.ndarray:
        return np.stack([1 - x, x**2, 0.3665 + 0.0 * x - 9 * (x - 0.605) ** 2])

    def solve(which: np.ndarray, x: np.ndarray, idle: Sequence[Idle]) -> Met:
        y = curves(x)
        turns = (y - y.max(0)).T[:, :, None]
        return Met(
            winner=np.array(list("abc"), object)[y.argmax(0)], among=("a", "b", "c"), turns=turns
        )

    (seen,) = followed([Line(low=0.0, high=1.0)], solve)
    over = stretches(seen)
    scan = np.linspace(0, 1, 100_001)
    best = curves(scan).argmax(0)
    edges = scan[1:][best[1:] != best[:-1]]
    assert len(edges) >= 1
    assert [one.policy for one in over] == [
        *np.array(list("abc"))[best[np.r_[0, np.flatnonzero(best[1:] != best[:-1]) + 1]]]
    ]
    np.testing.assert_allclose([one.high for one in over[:-1]], edges, atol=2e-5)


def test_what_wins_between_two_looks_alone_is_found_where_its_figures_lead_there() -> None:
    """Today's market wins wherever it counts as equal to the best, over all but a hundredth
    of the line; consumers have of it what they have."""
    peak, width = 0.56, 0.005

    def solve(which: np.ndarray, x: np.ndarray, idle: Sequence[Idle]) -> Met:
        short = 1 - 200 * ((x - peak) ** 2 - width**2)
        turns = np.stack([[1 - short, 0 * x + 1e-6], [0 * x + 1, 0 * x + 1]]).T.swapaxes(1, 2)
        winner = np.where(short <= 1, "nash", "rates").astype(object)
        return Met(winner=winner, among=("nash", "rates"), turns=turns)

    (seen,) = followed([Line(low=0.0, high=1.0)], solve)
    over = stretches(seen)
    assert [one.policy for one in over] == ["nash", "rates", "nash"]
    np.testing.assert_allclose([one.high for one in over[:2]], [peak - width, peak + width])


def test_what_asks_less_is_found_between_two_looks_though_a_figure_of_it_is_nil_all_along() -> None:
    """Today's market wins where it counts as equal to the best: over a tenth of the line; consumers
    have of it what they have."""
    peak, width = 0.56, 0.05

    def solve(which: np.ndarray, x: np.ndarray, idle: Sequence[Idle]) -> Met:
        counts = 20 * (width**2 - (x - peak) ** 2)
        turns = np.stack([[counts, 0 * x], [0 * x + 1, 0 * x + 1]]).T.swapaxes(1, 2)
        winner = np.where(counts >= 0, "nash", "rates").astype(object)
        return Met(winner=winner, among=("nash", "rates"), turns=turns)

    (seen,) = followed([Line(low=0.0, high=1.0, values=np.array([0, 0.2, 0.5, 0.8, 1.0]))], solve)
    over = stretches(seen)
    assert [one.policy for one in over] == ["rates", "nash", "rates"]
    np.testing.assert_allclose([one.high for one in over[:2]], [peak - width, peak + width], 1e-4)


def test_what_wins_right_where_two_policies_part_is_found() -> None:
    """Rates and a tax have the same levels up to .545; from there on the tax costs less, over a
    hundredth of the line."""
    part, back = 0.545, 0.555

    def solve(which: np.ndarray, x: np.ndarray, idle: Sequence[Idle]) -> Met:
        saved = np.where(x < part, 0.0, 40 * (x - part) * (back - x))
        turns = np.stack([[0 * x + 1, 1e-6 - saved], [0 * x + 1, 1e-6 + saved]]).T.swapaxes(1, 2)
        winner = np.where(saved > 1e-6, "tax", "rates").astype(object)
        alike = np.stack([0 * x > 0, x < part], -1)
        return Met(winner=winner, among=("rates", "tax"), turns=turns, alike=alike)

    (seen,) = followed([Line(low=0.0, high=1.0, own=0.2, values=np.linspace(0, 1, 6))], solve)
    (k,) = seen.switches()
    assert (seen.winner[k], seen.winner[k + 1]) == ("rates", "tax")
    assert seen.x[k] == pytest.approx(part, abs=2e-5)


def test_where_too_little_is_gained_to_be_measured_between_two_looks_today_is_found_to_win() -> (
    None
):
    """What counts as equal is nine tenths of the gain, or one where that is more: today's market
    falls short of it by the same share of the gain at all looks."""
    peak, width = 0.56, 0.05

    def solve(which: np.ndarray, x: np.ndarray, idle: Sequence[Idle]) -> Met:
        gain = 1 + 20 * ((x - peak) ** 2 - width**2)
        short = np.where(gain > 1 / 0.9, -0.1 * gain, 1 - gain)
        rest = 0 * x + 1
        turns = np.stack([short / np.hypot(short, 0.9 * gain), rest])[:, :, None]
        return Met(
            winner=np.where(gain <= 1, "nash", "rates").astype(object),
            among=("nash", "rates"),
            turns=turns.swapaxes(0, 1),
            enough=np.stack([1 - gain, rest], -1),
        )

    looks = np.array([0, 0.2, 0.4, 0.8, 1.0])
    (seen,) = followed([Line(low=0.0, high=1.0, own=0.4, values=looks)], solve)
    (k,) = seen.switches()
    assert seen.winner[k + 1] == "nash"
    assert seen.x[k] == pytest.approx(peak - width, abs=1e-4)


@pytest.mark.slow
def test_a_market_in_which_the_nearest_winner_on_the_way_up_returns_later_is_bracketed() -> None:
    """Nothing is worth what it asks from a rivalry of .78 on; at .94 an alliance on sharing is the
    best of little again, as it is at .76."""
    tree = deepcopy(load_case(CASES / "two_vendors.yaml").resolved) | {"expect": {}}
    tree["security"]["rivalry"] = 0.76
    case = parse_tree(tree)
    switches = {s.to: s.value for s in over_parameters(evaluate_once(case), ["security.rivalry"])}
    rivalries = np.array([*np.linspace(0.745, 0.779, 8), 0.782, 0.81, 0.88, 0.945])
    won = recommended(markets(case, "security.rivalry", rivalries)[1])
    assert won == ["sharing_alliance"] * 8 + ["nash"] * 3 + ["sharing_alliance"]
    assert 0.744 < switches["linear_subsidies"] < 0.745
    assert 0.779 < switches["nash"] < 0.782


@pytest.mark.slow
def test_the_planners_problem_without_a_limit_just_before_a_market_ends_leaves_no_advice() -> None:
    """Where investment is dear the planner's problem has a limit until products are all but one and
    the same."""
    tree = deepcopy(load_case(CASES / "two_vendors.yaml").resolved) | {"expect": {}}
    tree["cost"]["scale"], tree["demand"]["cross_slope"] = 2000, 1.4
    case = parse_tree(tree)
    (*_, last) = over_parameters(evaluate_once(case), ["demand.cross_slope"])
    assert (last.to, last.lacks) == (None, "social_optimum")
    assert 1.499 < last.value < 1.5
    before, after = markets(case, "demand.cross_slope", last.value + np.array([-1e-5, 1e-5]))[1]
    assert solve_regime(before.market, "social_optimum").solved
    assert solve_regime(after.market, "social_optimum").status == "unbounded"


@pytest.mark.parametrize(
    ("dear", "known", "rounds", "values"),
    [(False, True, 4, 60), (True, True, 6, 30), (False, False, 6, 90), (True, False, 11, 40)],
)
def test_a_bracket_is_narrow_after_few_rounds_or_few_values(
    dear: bool, known: bool, rounds: int, values: int
) -> None:
    """At a root, and at a pole beyond which nothing is known; where a value is dear few are
    asked for."""
    at = np.log(1.7)
    asked: list[int] = []

    def solve(which: Any, x: Any, idle: Any) -> Met:
        asked.append(len(x))
        pole = np.where(x < at, 1 / np.abs(at - x), np.nan)
        turns = np.exp(x) - 1.7 if known else pole
        winner = np.where(x < at, "below", "above").astype(object)
        return Met(winner=winner, among=("above",), turns=turns[:, None, None])

    line = Line(low=0, high=1, own=0.2, values=np.linspace(0, 1, 6), width=1e-6, dear=dear)
    (seen,) = followed([line], solve)
    (k,) = seen.switches()
    assert seen.x[k] < at < seen.x[k + 1]
    assert seen.x[k + 1] - seen.x[k] <= line.narrow(seen.x[k + 1])
    assert len(asked) <= rounds
    assert sum(asked) <= values


def test_within_a_bracket_nobody_has_to_be_solved_who_is_far_from_winning_on_both_sides() -> None:
    """Of three policies beside the winners one is far short of them all along, one has no figures
    anywhere, and one is short of them on one side, and barred on the other by something else."""
    spared: dict[float, Idle] = {}

    def solve(which: np.ndarray, x: np.ndarray, idle: Sequence[Idle]) -> Met:
        spared.update(zip(x.tolist(), idle, strict=True))
        right = x > 0.3
        turns = np.stack(
            [
                [0.3 - x, 0 * x + 1],
                [x - 0.3, 0 * x + 1],
                [0 * x - 0.9, 0 * x + 1],
                [0 * x + np.nan, 0 * x + np.nan],
                [np.where(right, 0.5, -0.5), np.where(right, -0.5, 0.5)],
            ]
        )
        winner = np.where(right, "b", "a").astype(object)
        among = ("a", "b", "short", "unknown", "elsewhere")
        return Met(winner=winner, among=among, turns=np.moveaxis(turns, -1, 0))

    looks = np.array([0, 0.25, 0.5, 1.0])
    followed([Line(low=0.0, high=1.0, own=0.25, values=looks)], solve)
    assert {spared[x] for x in looks} == {frozenset()}
    within = {idle for x, idle in spared.items() if x not in looks}
    assert within == {frozenset({"short", "unknown"})}


def test_who_is_on_the_way_to_winning_within_a_bracket_is_solved_there() -> None:
    """An agreement that is far short of the winners at all looks wins about where they change."""
    turn, half = 0.375, 0.0375

    def solve(which: np.ndarray, x: np.ndarray, idle: Sequence[Idle]) -> Met:
        far = 0.3 - 8 * np.abs(x - turn)
        far = np.where(["agreement" in one for one in idle], np.nan, far)
        winner = np.where(far >= 0, "agreement", np.where(x < turn, "a", "b")).astype(object)
        turns = np.stack([turn - x, x - turn, far], -1)[:, :, None]
        return Met(winner=winner, among=("a", "b", "agreement"), turns=turns)

    looks = np.array([0, 0.25, 0.5, 1.0])
    (seen,) = followed([Line(low=0.0, high=1.0, own=0.25, values=looks)], solve)
    (k,) = seen.switches()
    assert seen.winner[k + 1] == "agreement"
    assert seen.x[k] == pytest.approx(turn - half, abs=1e-6)


def test_without_a_clue_brackets_are_cut_evenly() -> None:
    def solve(which: np.ndarray, x: np.ndarray, idle: Sequence[Idle]) -> Met:
        return Met(
            winner=np.where(x < np.pi / 4, "a", "").astype(object),
            among=("a", "b"),
            turns=np.full((len(x), 2, 1), np.nan),
        )

    (seen,) = followed([Line(low=0.0, high=1.0)], solve)
    first, second = stretches(seen)
    assert (first.policy, second.policy) == ("a", None)
    assert first.high == pytest.approx(np.pi / 4, abs=1e-6)


# --- the standard


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_no_switch_over_standards_is_missed_that_a_scan_finds(seed: int) -> None:
    case = parse_tree(random_tree(seed))
    evaluation = evaluate_once(case)
    found = evaluation.recommendation
    assert found is not None
    robust, switching = over_standards(evaluation)
    for key, top in (
        ("public_funds_cost", max(0.5, 2 * case.mechanism.public_funds_cost)),
        ("profit_weight", 1.0),
    ):
        over = getattr(robust, key)
        assert (over[0].low, over[-1].high) == (0.0, top)
        at = np.linspace(0, top, 100)
        cuts = np.array([one.high for one in over[:-1]])
        clear = [float(x) for x in at if not len(cuts) or np.abs(cuts - x).min() > 1e-6]
        assert recommended([changed(case, key, x) for x in clear]) == [who(over, x) for x in clear]
        own = getattr(case.mechanism, key)
        for cut, below, above in zip(cuts, over, over[1:], strict=False):
            step = 2e-6 * max(cut, 0.1)
            assert recommended(
                [changed(case, key, cut - step), changed(case, key, cut + step)]
            ) == [below.policy, above.policy]
        said = {
            (switch.value, switch.to) for switch in switching if switch.key == f"mechanism.{key}"
        }
        here = next(n for n, one in enumerate(over) if one.low <= own <= one.high)
        beside = {(over[here].low, over[here - 1].policy)} if here else set()
        beside |= {(over[here].high, over[here + 1].policy)} if here + 1 < len(over) else set()
        assert said == beside
        assert who(over, own) == (found.policy and found.policy.key)


@pytest.mark.slow
def test_whether_all_standards_agree_is_told() -> None:
    """At 25 x 25 points of the plane's edges; two firms that gain much agree everywhere."""
    case = load_case(CASES / "two_vendors.yaml")
    robust, switching = over_standards(evaluate_once(case))
    assert robust.winners == ("linear_subsidies",)
    assert switching == ()
    tree = deepcopy(case.resolved)
    tree["mechanism"]["materiality"] = 0.9
    case = parse_tree(tree)
    there = []
    for key, other in (
        ("public_funds_cost", "profit_weight"),
        ("profit_weight", "public_funds_cost"),
    ):
        for fixed in (0.0, 1.0 if other == "profit_weight" else 0.5):
            top = 0.5 if key == "public_funds_cost" else 1.0
            held = changed(case, other, fixed)
            there += [changed(held, key, x) for x in np.linspace(0, top, 25)]
    assert set(over_standards(evaluate_once(case))[0].winners) >= set(recommended(there))


@pytest.mark.slow
def test_no_advice_at_any_standard_is_told() -> None:
    robust, switching = over_standards(evaluate_once(load_case(CASES / "ill_posed.yaml")))
    assert robust.winners == (None,)
    assert robust.public_funds_cost == (Stretch(low=0.0, high=0.5, policy=None),)
    assert switching == ()


# --- the market's numbers


def numbers(case: PolicyCase) -> list[str]:
    """The keys of a market's numbers that are not zero."""
    tree = case.resolved
    keys = [key for key in leaves(tree) if not key.startswith(("mechanism", "types"))]
    return [
        key
        for key in keys
        if isinstance(v := value_at(tree, key_path(key)), int | float)
        and not isinstance(v, bool)
        and v
    ]


def markets(case: PolicyCase, key: str, values: Any) -> tuple[list[float], list[PolicyCase]]:
    """The case at those of the values of a key at which there is a market."""
    at, made = [], []
    for x in values:
        tree = deepcopy(case.resolved) | {"expect": {}}
        set_at(tree, key_path(key), float(x))
        try:
            made.append(parse_tree(tree))
        except BadCase:
            continue
        at.append(float(x))
    return at, made


def nearer(case: PolicyCase, points: int) -> list[str]:
    """What a scan of every number from half to twice its own value knows better than the switches
    that are told."""
    found = evaluate_once(case)
    assert found.recommendation is not None
    mine = found.recommendation.policy and found.recommendation.policy.key
    told = over_parameters(found)
    looked: list[tuple[str, PolicyCase, str | None]] = []  # where, the case there, who should win
    for key in numbers(case):
        own = float(value_at(expanded(case.resolved, key_path(key)), key_path(key)))
        ends = {switch.value < own: switch for switch in told if switch.key == key}
        low, high = (
            ends[side].value if side in ends else own * far
            for side, far in ((True, 0.5), (False, 2.0))
        )
        at, made = markets(case, key, np.linspace(low, high, points + 2)[1:-1])
        looked += [(f"{key} = {x}", there, mine) for x, there in zip(at, made, strict=True)]
        for switch in ends.values():
            step = 1e-5 * switch.value * (-1 if switch.value < own else 1)
            at, made = markets(case, key, [switch.value - step, switch.value + step])
            if len(made) == 2:
                looked += [
                    (f"{key} = {x}", there, who)
                    for x, there, who in zip(at, made, (mine, switch.to), strict=True)
                ]
    winners = recommended([there for _, there, _ in looked])
    return [
        f"{where}: {winner}, not {who}"
        for winner, (where, _, who) in zip(winners, looked, strict=True)
        if winner != who
    ]


@pytest.mark.slow
def test_the_nearest_switches_of_parameters_are_those_of_a_scan() -> None:
    assert nearer(load_case(CASES / "two_vendors.yaml"), 20) == []


@pytest.mark.slow
def test_no_scan_of_a_random_case_finds_a_nearer_switch() -> None:
    assert nearer(parse_tree(random_tree(3)), 40) == []


RIVALRY = "security.rivalry"


def won_about(case: PolicyCase, switch: float, *further: float) -> list[str | None]:
    """Who wins at a case's own rivalry, just below and just above a switch, and further on."""
    own = case.resolved["security"]["rivalry"]
    values = [own, switch * (1 - 1e-4), switch * (1 + 1e-4), *further]
    return recommended(markets(case, RIVALRY, values)[1])


@pytest.mark.slow
def test_what_wins_between_two_looks_for_costing_the_public_less_is_found() -> None:
    """Of two policies that count as equal on both sides, one that pays nothing there is the other's
    in between."""
    case = parse_tree(random_tree(83))
    own = case.resolved["security"]["rivalry"]
    told = {s.to: s.value for s in over_parameters(evaluate_once(case), [RIVALRY])}
    assert won_about(case, told["vcg_full_information"], 0.6, own * 1.25) == [
        "linear_subsidies",
        "linear_subsidies",
        "vcg_full_information",
        "vcg_full_information",
        "linear_subsidies",
    ]


@pytest.mark.slow
def test_a_short_stretch_won_where_two_policies_begin_to_differ_is_found() -> None:
    """From a rivalry on at which the planner's levels would leave firms less than today's, rates
    lead to others, and the tax takes less from the firm that gains, for a while."""
    case = parse_tree(random_tree(87))
    (switch,) = over_parameters(evaluate_once(case), [RIVALRY])
    assert won_about(case, switch.value, 0.895, 0.9) == [
        "linear_subsidies",
        "linear_subsidies",
        "vcg_full_information",
        "vcg_full_information",
        "linear_subsidies",
    ]


@pytest.mark.slow
def test_a_stretch_in_which_nothing_brings_what_could_be_measured_is_found() -> None:
    case = parse_tree(random_tree(10))
    own = case.resolved["security"]["rivalry"]
    (switch,) = [s for s in over_parameters(evaluate_once(case), [RIVALRY]) if s.value > own]
    assert won_about(case, switch.value, 0.83, 0.9) == [
        "sharing_alliance",
        "sharing_alliance",
        "nash",
        "nash",
        "sharing_alliance",
    ]


@pytest.mark.slow
def test_levels_that_only_other_policies_lead_to_count_along_lines_too() -> None:
    """Where no weight of profits leads to the best levels, a search from today's market finds
    better ones than any from planners': an alliance does not come up to them."""
    case = parse_tree(random_tree(0))
    own = case.resolved["security"]["rivalry"]
    told = [s.value for s in over_parameters(evaluate_once(case), [RIVALRY])]
    rivalries = np.linspace(own, 0.999, 12)
    assert set(recommended(markets(case, RIVALRY, rivalries)[1])) == {"linear_subsidies"}
    assert not [value for value in told if value > own]


def test_a_weight_at_which_planners_jump_is_where_what_they_have_is_the_same() -> None:
    """Consumers have 3 or 1, firms -1 or 4: a planner of weight .4 has 2.6 with both."""
    asked: list[int] = []

    def planners(weight: np.ndarray) -> Planners:
        high = weight > 0.4
        return Planners(
            weight=weight,
            status=np.full(len(weight), "converged", object),
            levels=np.zeros((len(weight), 4)),
            consumers=np.where(high, 1.0, 3.0),
            profits=np.where(high, 4.0, -1.0),
        )

    def gap(lanes: np.ndarray, weight: np.ndarray, roughly: bool) -> tuple[np.ndarray, Planners]:
        asked.append(len(lanes))
        found = planners(weight)
        return found.profits, found

    here = np.array([0.9, 0.02])
    known = planners(here)
    ends = (np.full(2, 1e-6), np.ones(2))
    below, above, jump = between_tangents(
        gap, np.arange(2), ends, known, known.profits, np.full(2, 1e-9)
    )
    assert jump.all()
    assert (below.profits < 0).all()
    assert (above.profits > 0).all()
    assert sum(asked) <= 12


@pytest.mark.slow
def test_a_parameter_beyond_which_the_planner_has_no_optimum_leaves_no_advice() -> None:
    """Demand that reacts to the rival's price nearly as much as to the own pays the planner's
    investment without end."""
    told = {
        (s.key, s.to): s.value
        for s in over_parameters(evaluate_once(load_case(CASES / "two_vendors.yaml")))
    }
    beyond = told["demand.cross_slope", None]
    tree = deepcopy(load_case(CASES / "two_vendors.yaml").resolved) | {"expect": {}}
    status = []
    for factor in (1 - 1e-4, 1 + 1e-4):
        tree["demand"]["cross_slope"] = beyond * factor
        status.append(evaluate_once(parse_tree(tree)).regimes["social_optimum"].status)
    assert status == ["corner", "unbounded"]


@pytest.mark.slow
def test_numbers_of_a_market_with_private_types_are_bracketed_too() -> None:
    """Beside the value that is found the winner is another one, evaluated by itself; nearer to the
    case's own it is the case's."""
    found = evaluate_once(load_case(CASES / "two_types.yaml"))
    assert found.types is not None
    assert found.recommendation is not None
    assert found.recommendation.policy is not None
    (switch,) = over_parameters(found, ["demand.cross_slope"])
    # beyond it the planner's problem has no solution for the pair of types that learns most
    assert (switch.key, switch.to) == ("demand.cross_slope", None)
    near = np.linspace(found.case.resolved["demand"]["cross_slope"], switch.value * 0.99, 3)
    at = [*near[1:], switch.value * 1.01]
    inside, last, beyond = recommended(
        [found.case.set("demand.cross_slope", float(v)) for v in at], private=True
    )
    assert inside == last == found.recommendation.policy.key
    assert beyond is None


@pytest.mark.slow
def test_an_evaluation_tells_both_kinds_of_switches() -> None:
    found = evaluate_once(load_case(CASES / "two_vendors.yaml"), switches=True).recommendation
    assert found is not None
    assert found.robust is not None
    assert {switch.key for switch in found.switching} == {"demand.own_slope", "demand.cross_slope"}
    (line,) = [one for one in found.text if "overturn" in one]
    assert "the model would give no advice, as the planner's problem then has no solution." in line
    assert "(demand.own_slope) were below" in line
    assert "(demand.cross_slope) above" in line
    assert "For any cost of public funds from 0 to 0.5 and any weight of profits" in line


@pytest.mark.parametrize("regime", ["nash", "joint_profit", "social_optimum"])
def test_where_a_problem_begins_to_have_no_limit_is_known_without_solving_it(regime: str) -> None:
    """Which cost scale is needed is told by any: beside it statuses differ."""
    case = load_case(CASES / "two_vendors.yaml")
    room = float(headroom(case.market.flat(), REGIMES[regime])[0])
    needed = case.resolved["cost"]["scale"] * np.exp(-room)
    beside = [case.set("cost.scale", float(needed * factor)) for factor in (1 - 1e-6, 1 + 1e-6)]
    below, above = solve_markets(stack([one.market for one in beside]), regime, 2).status
    assert below == "unbounded"
    assert above != "unbounded"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("unit_costs", "unit_cost.base", [1.0, 1.1, 1.3]),
        ("sharing_lowers_welfare", "cost.scale", [1.2, 1.4, 1.8]),
        ("ill_posed", "cost.max_saving", [0.3, 0.39, 0.41]),
        # from .8887 on the planner would rather drive a firm out, far from its own optimum
        ("sharing_lowers_welfare", "cost.max_saving", [0.88, 0.888, 0.8895, 0.9]),
    ],
)
def test_markets_searched_together_have_the_statuses_and_levels_each_has_alone(
    name: str, key: str, values: list[float]
) -> None:
    case = load_case(CASES / f"{name}.yaml")
    tree = deepcopy(case.resolved) | {"expect": {}}
    made = []
    for value in values:
        set_at(tree, key_path(key), value)
        made.append(parse_tree(deepcopy(tree)))
    market = stack([one.market for one in made])
    for regime in ("joint_profit", "social_optimum"):
        alone = solve_markets(market, regime, len(made))
        together = solve_markets(market, regime, len(made), roughly=True)
        assert together.status.tolist() == alone.status.tolist()
        np.testing.assert_allclose(together.levels, alone.levels, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_an_evaluation_varies_numbers_of_the_market_unless_that_takes_long() -> None:
    """Where types are private it does: then only the standard is varied, and it is said how the
    others are. Against what is recommended at a weight of profits on either side of the switch."""
    plain = evaluate(load_case(CASES / "two_vendors.yaml"), switches=None).recommendation
    assert plain is not None
    assert plain.varied
    case = load_case(CASES / "two_types.yaml")
    dear = evaluate(case, switches=None).recommendation
    assert dear is not None
    assert not dear.varied
    (switch,) = dear.switching
    assert switch.key == "mechanism.profit_weight"
    for weight, best in (
        (switch.value - 0.01, switch.to),
        (switch.value + 0.01, "linear_subsidies"),
    ):
        there = evaluate(case.set(switch.key, weight)).recommendation
        assert there is not None
        assert there.policy is not None
        assert there.policy.key == best
    said = "Numbers of the market were not varied, as that takes from seconds to minutes here:"
    assert any(said in line for line in dear.text)
