"""The design file: its cases by number, and every fault with its place."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cli.batch.design import BatchDesign, load_design
from cli.batch.design_file import design_schema
from cli.batch.work import Work, chunk_size, failed_cases, result_columns
from market.casefile.faults import BadCase
from market.model.case import PARAMETERS, Case
from mechanism.casefile.case_keys import key_path, set_at
from mechanism.casefile.distributions import FORMS
from mechanism.casefile.policy_case import load_case

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "cases" / "two_vendors.yaml"
RANGES = """vary:
  demand.cross_slope: {low: 0.2, high: 1.2}
  cost.scale: {low: 10, high: 1000, log: true}
  cost.spillover: {values: [0.1, 0.9]}
"""


def design(
    tmp_path: Path, text: str, head: str = f"case: {CASE}\n", policies: str = "policies: [nash]\n"
) -> BatchDesign:
    """The design in this text."""
    path = tmp_path / "design.yaml"
    path.write_text(head + text + policies)
    return load_design(path)


def markets(d: BatchDesign, start: int, stop: int) -> list[Case]:
    """The markets of this range of cases, which all are cases."""
    alike, bad = d.read(d.columns(start, stop))
    assert not bad
    found = {int(n): some.market.take([k]) for some in alike for k, n in enumerate(some.at)}
    return [found[n] for n in range(stop - start)]


def faults(tmp_path: Path, text: str, **more: str) -> list[str]:
    """What is wrong with this text: each fault from the line on."""
    with pytest.raises(BadCase) as caught:
        design(tmp_path, text, **more)
    return [str(fault).split("design.yaml:", 1)[-1] for fault in caught.value.faults]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sobol", "latin_hypercube", "grid", "one_at_a_time"])
@settings(max_examples=25)
@given(data=st.data())
def test_a_case_depends_on_its_number_alone(
    tmp_path_factory: pytest.TempPathFactory, method: str, data: st.DataObject
) -> None:
    """Any range of cases is the same piece of the whole."""
    count = {"sobol": 100, "latin_hypercube": 100, "grid": 6, "one_at_a_time": 9}[method]
    d = design(
        tmp_path_factory.getbasetemp(),
        RANGES + f"sample: {{method: {method}, count: {count}, seed: 3}}\n",
    )
    start = data.draw(st.integers(0, d.count - 1))
    stop = data.draw(st.integers(start + 1, d.count))
    whole, piece = d.columns(0, d.count), d.columns(start, stop)
    assert list(whole) == ["demand.cross_slope", "cost.scale", "cost.spillover"]
    for key in whole:
        assert np.array_equal(whole[key][start:stop], piece[key])
    assert d.ids(start, stop).tolist() == list(range(start, stop))


@pytest.mark.parametrize("method", ["sobol", "latin_hypercube"])
def test_sampled_points_fill_their_ranges_evenly(tmp_path: Path, method: str) -> None:
    d = design(tmp_path, RANGES + f"sample: {{method: {method}, count: 64, seed: 3}}\n")
    columns = d.columns(0, 64)
    cells = np.floor((columns["demand.cross_slope"] - 0.2) / 1.0 * 64).astype(int)
    assert sorted(cells) == list(range(64))  # one point in every 64th of the range
    logs = np.floor(np.log10(columns["cost.scale"] / 10) / 2 * 64).astype(int)
    assert sorted(logs) == list(range(64))
    assert (columns["cost.spillover"] == 0.9).sum() == 32
    other = design(tmp_path, RANGES + f"sample: {{method: {method}, count: 64, seed: 4}}\n")
    assert not np.array_equal(other.columns(0, 64)["cost.scale"], columns["cost.scale"])


SPREADS: dict[str, Any] = {
    "demand.intercept": ("{normal: [20, 1]}", stats.norm(20, 1)),
    "cost.scale": ("{lognormal: [20, 0.2]}", stats.lognorm(0.2, scale=20)),
    "security.rivalry": ("{uniform: [0.1, 0.5]}", stats.uniform(0.1, 0.4)),
    "security.leakage.own": ("{log_uniform: [1, 4]}", stats.loguniform(1, 4)),
    "cost.spillover": ("{triangular: [0.2, 0.3, 0.8]}", stats.triang(1 / 6, 0.2, 0.6)),
    "demand.cross_slope": ("{beta: [2, 3, 0.2, 1.2]}", stats.beta(2, 3, 0.2, 1.0)),
}
"""Every form of a distribution, and the same in a library."""


def spread(sample: str) -> str:
    """A design in which keys have these distributions."""
    lines = [f"  {key}: {text}\n" for key, (text, _) in SPREADS.items()]
    listed = "  security.demand_spillover: {values: [0.1, 0.9, 0.5], weights: [1, 2, 5]}\n"
    return "vary:\n" + "".join(lines) + listed * ("grid" not in sample) + sample


def test_keys_have_the_distributions_and_correlations_asked_for(tmp_path: Path) -> None:
    assert {text[1:].partition(":")[0] for text, _ in SPREADS.values()} | {"values"} == set(FORMS)
    pair = "{demand.intercept & cost.scale: 0.5, cost.spillover & security.rivalry: -0.3}"
    for correlation in ("{}", pair):
        d = design(
            tmp_path,
            spread(
                f"sample: {{method: sobol, count: 2048, seed: 1, correlation: {correlation}}}\n"
            ),
        )
        columns = d.columns(0, d.count)
        for key, (_, known) in SPREADS.items():
            assert stats.kstest(columns[key], known.cdf).statistic < 0.006, key
        for value, share in ((0.1, 1 / 8), (0.9, 2 / 8), (0.5, 5 / 8)):
            found = (columns["security.demand_spillover"] == value).mean()
            assert found == pytest.approx(share, abs=2e-3)
        ranks = stats.spearmanr(np.stack(list(columns.values()), -1)).statistic
        at = list(columns).index
        expected = np.eye(len(ranks))
        if correlation != "{}":
            for a, b, value in (
                ("demand.intercept", "cost.scale", 0.5),
                ("cost.spillover", "security.rivalry", -0.3),
            ):
                expected[at(a), at(b)] = expected[at(b), at(a)] = value
        np.testing.assert_allclose(ranks, expected, atol=0.02)
        piece = d.columns(17, 18)
        assert all(piece[key][0] == columns[key][17] for key in columns)


def test_a_grid_of_a_distribution_stands_in_equal_shares_of_it(tmp_path: Path) -> None:
    d = design(tmp_path, spread("sample: {method: grid, count: 3}\n"))
    for key, (_, known) in SPREADS.items():
        found = np.unique(d.columns(0, d.count)[key])
        np.testing.assert_allclose(found, known.ppf([1 / 6, 1 / 2, 5 / 6]), rtol=1e-12)


def test_a_grid_is_every_combination_with_both_ends(tmp_path: Path) -> None:
    d = design(tmp_path, RANGES + "sample: {method: grid, count: 3}\n")
    columns = d.columns(0, d.count)
    found = list(zip(*(columns[key].tolist() for key in columns), strict=True))
    assert found == [
        pytest.approx(point)
        for point in itertools.product([0.2, 0.7, 1.2], [10, 100, 1000], [0.1, 0.9])
    ]
    assert max(columns["cost.scale"]) == 1000.0
    listed = design(
        tmp_path,
        "vary: {demand.cross_slope: {values: [0.5, 1.0]}, cost.form: {values: [saturating,"
        " exponential]}}\n",
    )
    assert listed.count == 4  # values alone need no sample
    assert [(m.cross_slope.item(), m.cost_form) for m in markets(listed, 0, 4)] == [
        (0.5, "saturating"),
        (0.5, "exponential"),
        (1.0, "saturating"),
        (1.0, "exponential"),
    ]


def test_one_at_a_time_moves_one_key_and_starts_at_the_base(tmp_path: Path) -> None:
    d = design(tmp_path, RANGES + "sample: {method: one_at_a_time, count: 3}\n")
    base = (1.0, 12.0, 0.5)
    columns = d.columns(0, d.count)
    rows = list(zip(*(columns[key].tolist() for key in columns), strict=True))
    assert rows[0] == base
    assert len(rows) == 1 + 3 + 3 + 2
    assert [sum(value != at for value, at in zip(row, base, strict=True)) for row in rows] == [
        0
    ] + [1] * 8
    assert markets(d, 0, 1)[0].cost_scale == load_case(CASE).market.cost_scale


def test_cases_are_the_base_with_its_keys_replaced(tmp_path: Path) -> None:
    d = design(
        tmp_path,
        "vary:\n  demand.intercept[0]: {low: 10, high: 30}\n  security.leakage.own: {low: 1, high:"
        " 2}\nsample: {method: sobol, count: 4}\n",
    )
    base, columns = load_case(CASE).market, d.columns(0, 4)
    varied = {"intercept", "leakage_own"}
    for n, market in enumerate(markets(d, 0, 4)):
        assert market.intercept.tolist() == [[columns["demand.intercept[0]"][n], 20.0]]
        assert market.leakage_own.tolist() == [[columns["security.leakage.own"][n]]]
        for name in set(PARAMETERS) - varied:
            assert np.array_equal(getattr(market, name)[0], getattr(base, name))


def test_null_and_whole_numbers_reach_the_case(tmp_path: Path) -> None:
    d = design(
        tmp_path,
        "vary: {cost.investment_cap: {values: [null, 5]}, types.points: {values: [3, 5]}}\n",
        head=f"case: {ROOT}/cases/private_spillovers.yaml\n",
    )
    found = {int(n): some for some in d.read(d.columns(0, 4))[0] for n in some.at}
    caps = [market.investment_cap.item() for market in markets(d, 0, 4)]
    assert [(cap, found[n].types.points) for n, cap in enumerate(caps)] == [
        (np.inf, 3),
        (np.inf, 5),
        (5.0, 3),
        (5.0, 5),
    ]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_gives_its_rows(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame(
        {
            "case_id": [7, 3, 5],
            "demand.cross_slope": [0.1, 0.30000000000000004, 1.0],
            "cost.form": ["saturating", "exponential", "saturating"],
        }
    )
    if ending == "csv":
        frame.to_csv(tmp_path / "t.csv", index=False)
    else:
        frame.to_parquet(tmp_path / "t.parquet")
    d = design(tmp_path, f"table: t.{ending}\n")
    assert d.count == 3
    assert d.ids(0, 3).tolist() == [7, 3, 5]
    assert dict(d.keys) == {"demand.cross_slope": "float", "cost.form": "text"}
    assert [(m.cross_slope.item(), m.cost_form) for m in markets(d, 1, 3)] == [
        (0.30000000000000004, "exponential"),
        (1.0, "saturating"),
    ]
    before = d.identity["table_sha256"]
    frame.iloc[:2].to_csv(tmp_path / "t.csv", index=False)
    assert design(tmp_path, "table: t.csv\n").identity["table_sha256"] != before


def test_listed_cases_are_taken_as_they_are(tmp_path: Path) -> None:
    d = design(tmp_path, f"cases: [{CASE}, {ROOT}/cases/large_and_small.yaml]\n", head="")
    assert d.count == 2
    assert dict(d.keys) == {"case": "text"}
    for market, name in zip(
        markets(d, 0, 2), (CASE, ROOT / "cases" / "large_and_small.yaml"), strict=True
    ):
        own = load_case(name).market
        assert all(np.all(getattr(market, one) == getattr(own, one)) for one in PARAMETERS)
    assert d.columns(1, 2)["case"].tolist() == [f"{ROOT}/cases/large_and_small.yaml"]


SAMPLE = "sample: {method: sobol, count: 8}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "vary: {demand.cross_slop: {values: [1]}}\n",
            (
                "2:8: vary.demand.cross_slop is not a key of the base case; did you mean"
                " demand.cross_slope"
            ),
        ),
        ("vary: {cross_slope: {low: 0, high: 1}}\n" + SAMPLE, "did you mean demand.cross_slope?"),
        ("vary: {mechanism.tax_rul: {values: [groves]}}\n", "did you mean mechanism.tax_rule?"),
        (
            "vary: {security.leakage: {low: 0, high: 1}}\n" + SAMPLE,
            "is a block or a list; vary its parts, such as security.leakage.own",
        ),
        ("vary: {types.points: {values: [3]}}\n", "the base case has no types"),
        ("vary: {name: {values: [x]}}\n", "vary.name is not a key of the base case"),
        (
            "vary: {'demand.intercept[2]': {low: 1, high: 2}}\n" + SAMPLE,
            "vary.demand.intercept[2] is not a key",
        ),
        (
            "vary: {'demand.cross_slope[0]': {low: 0.1, high: 0.2}}\n" + SAMPLE,
            "cross_slope[0].low is a list of 2; it must be a number",
        ),
        (
            "vary: {security.rivalry: {low: 0.1, high: 1.4}}\n" + SAMPLE,
            "2:37: vary.security.rivalry.high is 1.4; it must lie in [0, 1)",
        ),
        (
            "vary: {security.rivalry: {low: 0.4, high: 0.1}}\n" + SAMPLE,
            "high is 0.1; it must lie above low = 0.4",
        ),
        (
            "vary: {security.rivalry: {low: 0, high: 0.1, log: true}}\n" + SAMPLE,
            "low is 0.0; with log it must lie in (0, high = 0.1)",
        ),
        ("vary: {security.rivalry: {low: 0}}\n" + SAMPLE, "vary.security.rivalry.high is missing"),
        ("vary: {security.rivalry: {value: [0]}}\n" + SAMPLE, "did you mean values?"),
        ("vary: {security.rivalry: 0.3}\n" + SAMPLE, "vary.security.rivalry is 0.3; it must be"),
        ("vary: {security.rivalry: {values: []}}\n", "vary.security.rivalry.values"),
        (
            "vary: {cost.form: {values: [saturating, exponental]}}\n",
            'cost.form.values[1] is "exponental"; it must be one of',
        ),
        (
            "vary: {demand.intercept: {values: [1]}, 'demand.intercept[1]': {values: [2]}}\n",
            "stands beside demand.intercept, which holds it",
        ),
        (
            "vary: {cost.scale: {low: 12, high: 13}}\n",
            "sample is missing; give a method and a count",
        ),
        (
            "vary: {cost.scale: {normal: [12, 1]}}\n",
            "sample is missing; give a method and a count",
        ),
        (
            "vary: {cost.scale: {normal: [12, -1]}}\n" + SAMPLE,
            "vary.cost.scale.normal is [12, -1]; the standard deviation must be above 0",
        ),
        (
            "vary: {cost.scale: {normal: [12, 1], uniform: [1, 2]}}\n" + SAMPLE,
            "vary.cost.scale gives normal and uniform; give one of",
        ),
        (
            "vary: {cost.scale: {normal: [-12, 1]}}\n" + SAMPLE,
            "vary.cost.scale.normal is -12.0; it must lie in (0, inf)",
        ),
        (
            "vary: {security.rivalry: {beta: [2, 2, 0, 1.5]}}\n" + SAMPLE,
            "vary.security.rivalry.beta is 1.5; it must lie in [0, 1)",
        ),
        (
            "vary: {cost.scale: {normal: [12]}}\n" + SAMPLE,
            "2:21: vary.cost.scale.normal is a list of 1; it must be a list of 2",
        ),
        ("vary: {cost.scale: {norml: [12, 1]}}\n" + SAMPLE, "did you mean normal?"),
        (
            "vary: {cost.scale: {values: [12, 13], weights: [1]}}\n" + SAMPLE,
            "vary.cost.scale.weights has 1 entries; give one for each of the 2 values",
        ),
        (
            "vary: {cost.scale: {values: [12, 13], weights: [1, 2]}}\n",
            "method grid takes each once; leave it out",
        ),
        (
            "vary: {cost.scale: {normal: [12, 1]}, demand.intercept: {normal: [20, 1]}}\n"
            "sample: {method: latin_hypercube, count: 8, correlation: {cost.scale &"
            " demand.intercept: 0.5}}\n",
            "sample.correlation stands beside method latin_hypercube",
        ),
        (
            "vary: {cost.scale: {normal: [12, 1]}}\nsample: {method: sobol, count: 8,"
            " correlation: {cost.scale & demand.intercept: 0.5}}\n",
            "which has no distribution here",
        ),
        (
            "vary: {cost.scale: {low: 12, high: 13}}\nsample: {method: sobol}\n",
            "sample.count is missing; give the number of cases",
        ),
        (
            "vary: {cost.scale: {low: 12, high: 13}}\nsample: {method: sobel, count: 3}\n",
            "did you mean sobol?",
        ),
        (
            "vary: {cost.scale: {low: 12, high: 13}}\nsample: {method: sobol, count: 0}\n",
            "sample.count is 0; it must lie in [1, ",
        ),
        (
            (
                "vary: {cost.scale: {low: 12, high: 13}, cost.spillover: {low: 0, high:"
                " 1}}\nsample: {method: grid, count: 99999}\n"
            ),
            "9,999,800,001 cases",
        ),
        (
            "vary: {cost.scale: {low: 12, high: 13}}\ntable: t.csv\n" + SAMPLE,
            "table stands beside vary",
        ),
        ("cases: [a.yaml]\n", "case stands beside cases"),
        ("", "says nothing about which cases"),
        ("table: nowhere.csv\n", "table is nowhere.csv: there is no such file beside this one"),
        (
            "polices: [nash]\nvary: {cost.scale: {values: [12]}}\n",
            "polices is not a known key; did you mean policies?",
        ),
    ],
)
def test_faults(tmp_path: Path, text: str, message: str) -> None:
    assert any(message in fault for fault in faults(tmp_path, text))


def test_all_faults_come_at_once_with_their_places(tmp_path: Path) -> None:
    text = (
        "vary:\n  cost.scal: {low: 12, high: 13}\n  security.rivalry: {low: 0.1, high: 1.4}\n"
        + SAMPLE
    )
    found = faults(tmp_path, text, policies="policies: [nash, nahs, nash, groves]\n")
    assert [fault.split(": ")[0] for fault in found] == ["3:3", "4:32", "6:18", "6:24", "6:30"]
    assert 'policies[1] is "nahs", which is no policy; did you mean nash?' in found[2]
    assert "list each policy once" in found[3]
    assert "needs `types`" in found[4]


def test_all_policies_are_what_may_be_recommended_and_the_planner(tmp_path: Path) -> None:
    """With types those of their comparison; what nobody may refuse only where that is asked; what
    does not compete never."""
    known = {
        "nash",
        "no_sharing",
        "joint_profit",
        "sharing_alliance",
        "linear_subsidies",
        "vcg_full_information",
        "social_optimum",
    }
    typed = known - {"nash", "vcg_full_information"} | {
        "bayes_nash",
        "printed",
        "groves",
        "worst_type",
        "agv",
    }
    vary = "vary: {cost.scale: {values: [12]}}\n"
    refuse = "vary: {mechanism.participation: {values: [ir_market, none]}}\n"
    head = f"case: {ROOT}/cases/private_spillovers.yaml\n"
    asked = "policies: all\n"
    assert set(design(tmp_path, vary, policies=asked).policies) == known
    assert set(design(tmp_path, refuse, policies=asked).policies) == known | {"mandate"}
    assert set(design(tmp_path, vary, head=head, policies=asked).policies) == typed
    # Transfers that are solved for save no more than the distance between types, but where nobody
    # may refuse they have no flat part.
    assert set(design(tmp_path, refuse, head=head, policies=asked).policies) >= typed | {
        "mandate",
        "designed",
    }
    both = design(
        tmp_path,
        f"cases: [{CASE}, {ROOT}/cases/private_spillovers.yaml]\n",
        head="",
        policies=asked,
    )
    assert set(both.policies) == known | typed
    (found,) = faults(tmp_path, vary, policies="policies: everything\n")
    assert 'policies is "everything"' in found
    assert "all" in found


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "demand.cross_slop\n1\n",
            (
                "has the column demand.cross_slop, which is not a key of the base case; did you"
                " mean demand.cross_slope?"
            ),
        ),
        (
            "cost.scale\n12\n13\nabc\n",
            'has "abc" in row 4, column A (cost.scale); it must be a number',
        ),
        ("cost.scale,cost.scale\n12,13\n", "the column cost.scale stands there twice"),
        ("case_id,cost.scale\n1,12\n1,13\n", "has a case_id twice"),
        ("case_id,cost.scale\nx,12\n,13\n", "has nothing in row 3, column A (case_id)"),
        ("case_id,cost.scale\nx,12\nx,13\n", "has a case_id twice"),
        ("cost.scale\n", "which has no rows"),
        ("", "cannot be read as a table"),
        ("case_id\n1\n", "whose only columns are case_id"),
    ],
)
def test_faults_of_a_table(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(table)
    found = faults(tmp_path, "table: t.csv\n")
    assert any(message in fault for fault in found)
    assert all(fault.startswith("2:1: table ") for fault in found)


def test_a_table_may_name_its_cases(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("case_id,cost.scale\nDE-2024,12\nFR-2024,13\n")
    d = design(tmp_path, "table: t.csv\n")
    assert d.ids(0, 2).tolist() == ["DE-2024", "FR-2024"]
    assert result_columns(d)["case_id"] == "text"
    long = "9" * 5400  # more digits than an integer is read from
    (tmp_path / "t.csv").write_text(f"case_id,cost.scale\n{long},12\n2,13\n")
    assert design(tmp_path, "table: t.csv\n").ids(0, 2).tolist() == [long, "2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "vary: {cost.scale: {values: [12, 13, 12.0]}}\n",
            "values[2] is 12.0 again; list each value once",
        ),
        ("vary: {cost.scale: {values: []}}\n", "cost.scale.values is empty; give a list"),
        ("vary: {}\n", "vary is empty; give"),
        (
            "vary: {cost.scale: {low: 0, high: 20, log: true}}\n" + SAMPLE,
            "with log it must lie in (0, high = 20.0)",
        ),
        ("vary: {cost.scale: {low: 10, high: 20}}\n", "sample is missing"),
    ],
)
def test_one_fault_is_told_once(tmp_path: Path, text: str, message: str) -> None:
    found = faults(tmp_path, text)
    assert len(found) == 1
    assert message in found[0]


def test_a_case_is_no_design_and_a_design_no_case(tmp_path: Path) -> None:
    with pytest.raises(BadCase, match="is a case, not the design of a batch"):
        load_design(CASE)
    (tmp_path / "d.yaml").write_text(
        f"case: {CASE}\nvary: {{cost.scale: {{values: [12]}}}}\npolicies: [nash]\n"
    )
    with pytest.raises(BadCase, match="is the design of a batch, not a case"):
        load_case(tmp_path / "d.yaml")
    (tmp_path / "d.yaml").write_text(f"case: {CASE}\nvary: {{cost.scale: {{values: [12]}}}}\n")
    with pytest.raises(
        BadCase,
        match=r"policies is missing; give all or a list, each text, such as \[nash, joint_profit",
    ):
        load_design(tmp_path / "d.yaml")


def test_the_base_is_one_case_of_a_design_that_moves_one_key_at_a_time(tmp_path: Path) -> None:
    d = design(
        tmp_path,
        "vary: {cost.scale: {values: [10, 12, 14]}, cost.spillover: {low: 0.3, high: 0.7}}\nsample:"
        " {method: one_at_a_time, count: 3}\n",
    )
    rows = list(zip(*(column.tolist() for column in d.columns(0, d.count).values()), strict=True))
    assert rows == [(12, 0.5), (10, 0.5), (14, 0.5), (12, 0.3), (12, 0.7)]


def test_faults_of_the_cases_named_are_theirs(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(CASE.read_text().replace("rivalry: 0.3", "rivalry: 3"))
    found = faults(tmp_path, "cases: [bad.yaml, nowhere.yaml]\n", head="")
    assert any(
        "bad.yaml:14:3: security.rivalry is 3; it must lie in [0, 1)" in fault for fault in found
    )
    assert any("1:19: cases[1] is nowhere.yaml: there is no such file" in fault for fault in found)


def test_sobol_warns_of_a_count_that_is_no_power_of_two(tmp_path: Path) -> None:
    text = "vary: {cost.scale: {low: 12, high: 13}}\n"
    assert design(tmp_path, text + "sample: {method: sobol, count: 64}\n").warnings == ()
    assert (
        "such as 128"
        in design(tmp_path, text + "sample: {method: sobol, count: 100}\n").warnings[0]
    )


def test_setting_a_key_keeps_the_other_firm() -> None:
    tree: dict[str, Any] = {"demand": {"intercept": 20.0}, "types": {"points": 15}}
    set_at(tree, key_path("demand.intercept[1]"), 5.0)
    set_at(tree, key_path("types.points"), 7.0)
    assert tree == {"demand": {"intercept": [20.0, 5.0]}, "types": {"points": 7}}
    assert isinstance(tree["types"]["points"], int)


def test_a_bad_case_has_rows_that_say_why(tmp_path: Path) -> None:
    """A rule between keys is broken by some cases only: they are told apart, and counted."""
    text = "vary: {demand.cross_slope: {values: [1.0, 2.0]}}\n"
    d = design(tmp_path, text, policies="policies: [no_sharing, nash]\n")
    columns = Work(d)(0, 2)
    assert list(columns) == list(result_columns(d))
    assert columns["case_id"].tolist() == [0, 0, 1, 1]
    assert columns["policy"].tolist() == ["no_sharing", "nash"] * 2
    assert columns["status"][2:].tolist() == ["bad_case"] * 2
    assert (
        columns["message"].tolist()
        == [None, None] + ["demand.cross_slope is 2.0; it must lie in [0, own_slope = 1.5)"] * 2
    )
    assert columns["welfare"][1] == pytest.approx(788.348902131109)
    assert np.isnan(columns["welfare"][2:]).all()
    assert failed_cases(columns) == 1


def test_a_case_the_program_breaks_at_does_not_take_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mechanism.analysis.many

    real = mechanism.analysis.many.solve_together

    def breaks(alike: Any, count: int, policies: Any) -> Any:
        if any((some.market.cost_scale == 13).any() for some in alike):
            raise ZeroDivisionError("of this case")
        return real(alike, count, policies)

    monkeypatch.setattr(mechanism.analysis.many, "solve_together", breaks)
    columns = Work(design(tmp_path, "vary: {cost.scale: {values: [12, 13, 14]}}\n"))(0, 3)
    assert columns["status"].tolist() == ["converged", "failed", "converged"]
    assert columns["message"].tolist() == [None, "ZeroDivisionError: of this case", None]
    assert columns["welfare"][0] > columns["welfare"][2]


def test_chunks_are_smaller_where_cases_take_long_or_are_few(tmp_path: Path) -> None:
    text = "vary: {cost.scale: {low: 12, high: 13}}\nsample: {method: sobol, count: %d}\n"
    private = {
        "head": f"case: {ROOT}/cases/private_spillovers.yaml\n",
        "policies": "policies: [nash, groves]\n",
    }
    assert chunk_size(design(tmp_path, text % 65536)) == 1000
    assert chunk_size(design(tmp_path, text % 65536, **private)) == 400
    assert chunk_size(design(tmp_path, text % 1024)) == 32
    assert chunk_size(design(tmp_path, text % 4)) == 16


def test_the_shipped_designs_are_good_and_all_their_corners_admissible() -> None:
    for path in (ROOT / "cases" / "designs").glob("*.yaml"):
        d = load_design(path)
        assert d.read(d.columns(0, d.count))[1] == {}


def test_the_schema_names_every_key() -> None:
    schema = design_schema()
    assert {"case", "vary", "sample", "table", "cases", "policies"} <= set(schema["properties"])
    assert schema["required"] == ["policies"]
