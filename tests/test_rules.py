"""Tax rules: every formula against sums written out state by state, and everything a row says of
its rule."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from market.casefile.faults import BadCase
from mechanism.analysis.designs import solve_file
from mechanism.analysis.designs_tree import design_tree
from mechanism.design.environment import Environment, efficient, misreport_gains, reports_of
from mechanism.design.rules import DESIGNED, TAX_RULES, TaxRule, market_rules, setting_rules
from mechanism.design.setting_file import load_setting, setting_schema
from mechanism.design.states import OwnReports, Reports, along, expect, over_states, own_first

Array = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]
FORMULAS = [rule for rule in TAX_RULES.values() if rule.formula is not None]
SHAPES = [(3,), (2, 4), (4, 3), (2, 3, 4), (3, 1, 2)]


def prior_of(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Array, ...]:
    weights = [rng.uniform(0.1, 1, size) for size in shape]
    return tuple(weight / weight.sum() for weight in weights)


def random_reports(
    seed: int, shape: tuple[int, ...], timing: Any, cases: tuple[int, ...] = ()
) -> Reports:
    """Numbers without any structure: a formula must not depend on where they come from."""
    rng = np.random.default_rng(seed)
    best = [
        rng.normal(size=(*cases, *(1 if axis == i else size for axis, size in enumerate(shape))))
        for i in range(len(shape))
    ]
    outside = []
    for i in range(len(shape)):
        own = timing == "interim"  # by own type alone; ex post by state
        outside.append(
            rng.normal(
                size=(
                    *cases,
                    *(size if not own or axis == i else 1 for axis, size in enumerate(shape)),
                )
            )
        )
    return Reports(
        others=tuple(rng.normal(size=(*cases, *shape)) for _ in shape),
        welfare=rng.normal(size=(*cases, *shape)),
        outside=tuple(outside),
        prior=prior_of(rng, shape),
        timing=timing,
        best_of_others=best.__getitem__,
    )


# --- the formulas, written out


def by_hand(key: str, r: Reports, i: int, state: tuple[int, ...]) -> float:
    """The net transfer to player i in one state, in sums over states."""
    shape = r.welfare.shape
    states = list(itertools.product(*map(range, shape)))
    given = r.best_of_others

    def chance(s: tuple[int, ...], leave: tuple[int, ...] = ()) -> float:
        return float(np.prod([r.prior[j][s[j]] for j in range(len(shape)) if j not in leave]))

    def told(j: int) -> float:
        """What the others expect from player j's report in the state, less what they expect from it
        on average."""
        same = sum(chance(s, (j,)) * r.others[j][s] for s in states if s[j] == state[j])
        return float(same - sum(chance(s) * r.others[j][s] for s in states))

    def put(own: int) -> tuple[int, ...]:
        return (*state[:i], own, *state[i + 1 :])

    def gain(s: tuple[int, ...]) -> float:
        return float(r.welfare[s] - np.broadcast_to(r.outside[i], shape)[s])

    if key == "printed":
        return 0.0
    if key == "clarke":
        assert given is not None
        return float(r.others[i][state] - np.broadcast_to(given(i), shape)[state])
    if key in ("groves", "observed"):
        return float(
            r.others[i][state] - sum(r.prior[i][k] * r.others[i][put(k)] for k in range(shape[i]))
        )
    if key == "worst_type":
        if r.timing == "ex_post":
            return float(r.others[i][state] - min(gain(put(k)) for k in range(shape[i])))
        expected = [
            sum(chance(s, (i,)) * gain(s) for s in states if s[i] == k) for k in range(shape[i])
        ]
        return float(r.others[i][state] - gain(put(int(np.argmin(expected)))))
    assert key == "agv"
    rivals = [j for j in range(len(shape)) if j != i]
    return told(i) - sum(told(j) for j in rivals) / len(rivals)


@pytest.mark.parametrize("timing", ["interim", "ex_post"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("rule", FORMULAS, ids=lambda rule: rule.key)
def test_a_formula_is_its_sum_over_states(
    rule: TaxRule, shape: tuple[int, ...], timing: str
) -> None:
    if len(shape) < rule.least_players:
        with pytest.raises(ValueError, match=f"{rule.key} needs 2 players"):
            rule.net(random_reports(1, shape, timing))
        return
    for seed in range(3):
        reports = random_reports(seed, shape, timing)
        found = rule.net(reports)
        assert len(found) == len(shape)
        for i, net in enumerate(found):
            assert net.shape == shape
            for state in itertools.product(*map(range, shape)):
                assert net[state] == pytest.approx(by_hand(rule.key, reports, i, state), abs=1e-12)


@pytest.mark.parametrize("timing", ["interim", "ex_post"])
@pytest.mark.parametrize("rule", FORMULAS, ids=lambda rule: rule.key)
def test_many_cases_at_once_are_the_cases_one_by_one(rule: TaxRule, timing: str) -> None:
    together = random_reports(5, (3, 2, 4), timing, cases=(6, 2))
    best = together.best_of_others
    assert best is not None
    found = rule.net(together)
    for at in np.ndindex(6, 2):
        one = Reports(
            others=tuple(o[at] for o in together.others),
            welfare=together.welfare[at],
            outside=tuple(o[at] for o in together.outside),
            prior=together.prior,
            timing=together.timing,
            best_of_others=lambda i, at=at: best(i)[at],  # type: ignore[misc]
        )
        for many, single in zip(found, rule.net(one), strict=True):
            np.testing.assert_array_equal(many[at], single)


def test_a_rule_that_is_solved_for_has_no_formula() -> None:
    with pytest.raises(ValueError, match="solved for"):
        TAX_RULES[DESIGNED].net(random_reports(0, (2, 2), "interim"))


def test_what_the_others_could_get_has_to_be_described() -> None:
    reports = random_reports(0, (2, 2), "interim")
    blind = Reports(
        others=reports.others, welfare=reports.welfare, outside=reports.outside, prior=reports.prior
    )
    with pytest.raises(ValueError, match="not described"):
        TAX_RULES["clarke"].net(blind)


# --- the market's layout


def groves_tax(S: Any, W: Any, weights: Any, outside: Any) -> Any:
    """The subsidy's expectation over the own type."""
    return np.broadcast_to((weights @ S)[..., None, :], S.shape)


def worst_type_tax(S: Any, W: Any, weights: Any, outside: Any) -> Any:
    """Welfare with the firm at its worst type, less its outside option there; by pair, one type per
    rival's type."""
    margin = W - outside
    if outside.shape[-1] == 1:
        worst = (margin @ weights).argmin(-1)
        return np.broadcast_to(
            np.take_along_axis(margin, worst[..., None, None], axis=-2), margin.shape
        )
    return np.broadcast_to(margin.min(-2, keepdims=True), margin.shape)


def agv_tax(S: Any, W: Any, weights: Any, outside: Any) -> Any:
    """The subsidy less what the own report lets the others expect, plus what the rival's lets the
    firm expect, each less its mean."""
    expected = S @ weights
    expected = expected - (expected @ weights)[..., None]
    return S - expected[..., :, None] + expected[::-1][..., None, :]


SEEN_BY_EACH_FIRM = {
    "printed": lambda S, W, weights, outside: S,
    "groves": groves_tax,
    "worst_type": worst_type_tax,
    "agv": agv_tax,
}
"""The taxes of Appendix B written over tables (2, ..., M own reports, M rival's), as the paper
writes them for two firms."""


@pytest.mark.parametrize("cases", [(), (7,)], ids=["one case", "seven cases"])
@pytest.mark.parametrize("timing", ["interim", "ex_post"])
@pytest.mark.parametrize("key", sorted(SEEN_BY_EACH_FIRM))
def test_the_market_s_tables_give_the_same_taxes(
    key: str, timing: Any, cases: tuple[int, ...]
) -> None:
    """Tables seen by each firm, as states and back: the taxes of Appendix B."""
    rng = np.random.default_rng(3)
    subsidy, own = rng.normal(size=(2, 2, *cases, 5, 5))
    common = rng.normal(size=(*cases, 5, 5))
    welfare = own_first(common, common)
    outside = rng.normal(size=(2, *cases, 5, 1 if timing == "interim" else 5))
    (weights,) = prior_of(rng, (5,))
    reports = Reports(
        others=over_states(subsidy),
        welfare=common,
        outside=over_states(outside),
        prior=(weights, weights),
        timing=timing,
    )
    tax = subsidy - own_first(*TAX_RULES[key].net(reports))
    np.testing.assert_allclose(
        tax, SEEN_BY_EACH_FIRM[key](subsidy, welfare, weights, outside), rtol=0, atol=1e-12
    )
    np.testing.assert_array_equal(own_first(*over_states(own)), own)


# --- what rows say


def random_setting(seed: int, sizes: tuple[int, ...]) -> Environment:
    rng = np.random.default_rng(seed)
    return Environment(
        name="random",
        players=tuple(map(str, range(len(sizes)))),
        types=tuple(np.arange(size, dtype=float) for size in sizes),
        probabilities=prior_of(rng, sizes),
        alternatives=("a", "b", "c"),
        values=tuple(rng.normal(0, 2, (size, 3)) for size in sizes),
        outside=tuple(
            along(prior_of(rng, sizes), i, rng.normal(size=size)) for i, size in enumerate(sizes)
        ),
        public_value=rng.normal(size=3),
    )


@pytest.mark.parametrize("rule", FORMULAS, ids=lambda rule: rule.key)
def test_a_row_says_whether_the_tax_depends_on_the_own_report(rule: TaxRule) -> None:
    reports = random_reports(11, (3, 4), "interim")
    varies = [
        np.ptp(others - net, axis=i).max()
        for i, (others, net) in enumerate(zip(reports.others, rule.net(reports), strict=True))
    ]
    assert (max(varies) <= 1e-12) == rule.free_of_own_report


@pytest.mark.parametrize("sizes", [(3, 4), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("rule", FORMULAS, ids=lambda rule: rule.key)
def test_a_row_says_how_strongly_truth_is_a_best_reply(
    rule: TaxRule, sizes: tuple[int, ...]
) -> None:
    """At efficient alternatives of random settings with private values, where settling on what
    comes about is settling on reports."""
    most = {"dominant": 0.0, "bayesian": 0.0}
    for seed in range(20):
        plan = efficient(random_setting(seed, sizes))
        transfers = rule.net(reports_of(plan))
        for incentive in most:
            gains = [
                misreport_gains(plan, transfers, i, incentive).max() for i in range(len(sizes))
            ]  # type: ignore[arg-type]
            most[incentive] = max(most[incentive], *map(float, gains))
    strongest = (
        "dominant" if most["dominant"] <= 1e-9 else "bayesian" if most["bayesian"] <= 1e-9 else None
    )
    assert rule.truth == strongest


def test_the_table_is_in_the_order_of_reports_and_every_row_is_somewhere() -> None:
    assert list(TAX_RULES) == [
        "printed",
        "clarke",
        "groves",
        "worst_type",
        "agv",
        "observed",
        "designed",
    ]
    assert setting_rules() == ("clarke", "groves", "worst_type", "agv", "designed")
    assert market_rules() == ("printed", "groves", "worst_type", "agv", "designed")
    for key, rule in TAX_RULES.items():
        assert rule.key == key
        assert rule.in_settings or rule.in_markets
        assert (rule.formula is None) == rule.designed
        assert rule.label
        assert rule.phrase
        assert rule.does
    assert len({rule.label for rule in TAX_RULES.values()}) == len(TAX_RULES)


# --- between the points of a grid


def refined(
    seed: int, coarse: int, fine: int
) -> tuple[Reports, Reports, Array, Array, NDArray[np.intp]]:
    """Two players: the same numbers on a coarse and on a fine grid of the first one's reports,
    those between of probability zero and never its worst, since the grid's worst type is the one
    that counts."""
    rng = np.random.default_rng(seed)
    points = np.sort(rng.uniform(size=fine))
    kept = np.sort(rng.choice(fine, coarse, replace=False))
    few, second = prior_of(rng, (coarse, 4))
    first = np.zeros(fine)
    first[kept] = few
    everything = random_reports(seed, (fine, 4), "interim")
    welfare = everything.welfare + 100.0
    welfare[kept] -= 100.0
    wide = Reports(
        others=everything.others, welfare=welfare, outside=everything.outside, prior=(first, second)
    )
    narrow = Reports(
        others=tuple(o[kept] for o in wide.others),
        welfare=welfare[kept],
        outside=(wide.outside[0][kept], wide.outside[1]),
        prior=(few, second),
    )
    return wide, narrow, points, second, kept


@pytest.mark.parametrize(
    "rule", [rule for rule in FORMULAS if rule.in_markets], ids=lambda rule: rule.key
)
@pytest.mark.parametrize("seed", range(4))
def test_between_grid_points_a_formula_is_the_formula_there(rule: TaxRule, seed: int) -> None:
    wide, narrow, points, weights, kept = refined(seed, 4, 9)
    grid = OwnReports(
        points=points[kept], net=rule.net(narrow)[0], others=narrow.others[0], weights=weights
    )
    found = rule.net_between(grid, points, wide.others[0])
    assert found is not None
    np.testing.assert_allclose(found, rule.net(wide)[0], rtol=0, atol=1e-12)


def test_between_grid_points_what_is_solved_for_is_linear() -> None:
    """Halfway between two reports, the mean of what they get; at a report, what it gets."""
    rng = np.random.default_rng(0)
    points, net = np.array([0.1, 0.4, 0.5]), rng.normal(size=(3, 2))
    grid = OwnReports(
        points=points, net=net, others=rng.normal(size=(3, 2)), weights=np.array([0.3, 0.7])
    )
    reports = np.array([0.1, 0.25, 0.4, 0.5])
    found = TAX_RULES[DESIGNED].net_between(grid, reports, rng.normal(size=(4, 2)))
    np.testing.assert_allclose(
        found, [net[0], (net[0] + net[1]) / 2, net[1], net[2]], rtol=0, atol=1e-14
    )


def test_of_a_rule_that_says_nothing_between_reports_nothing_is_said() -> None:
    silent = TaxRule(
        key="toy", label="a toy", phrase="a toy", does="plays", formula=TAX_RULES["agv"].formula
    )
    grid = OwnReports(
        points=np.array([0.0, 1.0]),
        net=np.zeros((2, 1)),
        others=np.ones((2, 1)),
        weights=np.ones(1),
    )
    assert silent.net_between(grid, np.array([0.5]), np.ones((1, 1))) is None


# --- values over states


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_expectations_over_some_players_keep_the_others(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    prior, values = prior_of(rng, shape), rng.normal(size=(3, *shape))
    take: Callable[..., Array] = np.einsum
    for over in itertools.chain.from_iterable(
        itertools.combinations(range(len(shape)), m) for m in range(len(shape) + 1)
    ):
        names = "abc"[: len(shape)]
        kept = "".join(name for i, name in enumerate(names) if i not in over)
        weights = [prior[i] for i in over]
        wanted = take(
            ",".join(["z" + names, *(names[i] for i in over)]) + "->z" + kept, values, *weights
        )
        found = expect(prior, values, over)
        assert found.shape == (3, *(1 if i in over else size for i, size in enumerate(shape)))
        np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=0, atol=1e-13)


# --- a new row


@pytest.mark.parametrize("key", setting_rules())
def test_a_copy_of_a_row_under_another_name_does_the_same_in_a_setting(
    key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No rule is known by its name outside its row: files, checks, designs and their words take any
    row of the table."""
    monkeypatch.setitem(TAX_RULES, "toy", replace(TAX_RULES[key], key="toy"))
    assert "toy" in setting_schema()["$defs"]["DesignOptions"]["properties"]["tax_rule"]["enum"]
    path = tmp_path / "toy.yaml"
    told = []
    for name in (key, "toy"):
        tree = json.loads(load_setting(ROOT / "cases" / "settings" / "bilateral_trade.yaml").text)
        tree["mechanism"] |= {
            "tax_rule": name,
            "allocation": "efficient",
            "objective": "min_outlay",
            "budget": "none",
        }
        path.write_text(json.dumps(tree))
        found = design_tree(solve_file(path, {}))
        del found["provenance"]  # it names the file by its hash
        told.append(
            json.dumps(found, indent=1)
            .replace(f'"{name}"', '"rule"')
            .replace(f"rule {name} ", "rule rule ")
        )
    assert told[0] == told[1]


@pytest.mark.parametrize("key", [key for key in market_rules() if key in setting_rules()])
def test_a_copy_of_a_row_under_another_name_does_the_same_in_a_design_for_the_market(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TAX_RULES, "toy", replace(TAX_RULES[key], key="toy"))
    path = ROOT / "cases" / "two_types.yaml"
    told = [
        json.dumps(design_tree(solve_file(path, {"tax_rule": name, "budget": "none"}))["transfers"])
        for name in (key, "toy")
    ]
    assert told[0] == told[1]


def test_a_rule_that_no_setting_can_ask_for_is_refused_in_words() -> None:
    with pytest.raises(BadCase, match='tax_rule is "printed"; it must be one of clarke, groves'):
        solve_file(ROOT / "cases" / "two_types.yaml", {"tax_rule": "printed"})


def test_a_new_formula_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A toy: twice the others' expected welfare, a tax free of the own report that makes truth
    dominant and costs what it says."""

    def formula(reports: Reports) -> tuple[Array, ...]:
        return tuple(
            others + reports.expect(others, (i,)) for i, others in enumerate(reports.others)
        )

    row = TaxRule(
        key="generous",
        label="a generous tax",
        phrase="a generous tax",
        does="gives",
        formula=formula,
        free_of_own_report=True,
    )
    monkeypatch.setitem(TAX_RULES, "generous", row)
    tree = json.loads(load_setting(ROOT / "cases" / "settings" / "bilateral_trade.yaml").text)
    tree["mechanism"] = {"tax_rule": "generous", "allocation": "efficient", "incentive": "dominant"}
    path = tmp_path / "generous.yaml"
    path.write_text(json.dumps(tree))
    found = design_tree(solve_file(path, {}))
    assert found["checks"]["chosen"]["ic"]["status"] == "holds"
    # What the others get is welfare less the own value; over both players that is welfare once, and
    # the tax gives it twice.
    assert found["expected"]["outlay"] == pytest.approx(2 * found["expected"]["surplus"], rel=1e-12)
    grid = OwnReports(
        points=np.array([0.0, 1.0]),
        net=np.array([[1.0], [2.0]]),
        others=np.array([[0.0], [1.0]]),
        weights=np.ones(1),
    )
    np.testing.assert_array_equal(
        row.net_between(grid, np.array([0.5]), np.array([[0.4]])), [[1.4]]
    )
