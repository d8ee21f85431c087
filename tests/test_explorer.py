"""The explorer without a browser: what can be moved, and that what is shown is what `evaluate`
finds."""

from __future__ import annotations

import asyncio
import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from ruamel.yaml import YAML

import pigou
from cli.commands.what_if import changed_tree
from cli.explorer import answers, controls
from cli.explorer.explored import Explored
from cli.explorer.guard import Guard
from cli.pages import figures
from market.casefile.faults import BadCase
from mechanism.casefile.policy_case import PolicyCase, parse_tree

CASES = Path(__file__).resolve().parents[1] / "cases"
VENDORS = CASES / "two_vendors.yaml"


@pytest.fixture(scope="module")
def vendors() -> PolicyCase:
    return pigou.load(VENDORS)


def at_random(source: PolicyCase, seed: int) -> controls.Moves:
    """Three sliders somewhere on their ranges, fees, and who weighs how much."""
    drawn = np.random.default_rng(seed)
    sliders = controls.sliders(source)
    chosen = drawn.choice(len(sliders), 3, replace=False)
    moves = {sliders[k].key: float(drawn.uniform(sliders[k].low, sliders[k].high)) for k in chosen}
    return moves | {"mechanism.fees": bool(drawn.integers(2))}


# --- what is shown


@pytest.mark.slow
def test_every_figure_shown_is_that_of_evaluate() -> None:
    """Of five random cases, each beside the one before it."""
    names = ("two_vendors", "large_and_small", "fierce_rivalry", "from_utility", "capped")
    before = None
    for seed, name in enumerate(names):
        source = answers.settled(pigou.load(CASES / f"{name}.yaml"))
        case = controls.moved(source, at_random(source, seed))
        found = pigou.evaluate(case)
        assert found.recommendation is not None
        best = found.recommendation.policy
        result = json.loads(found.to_json())
        at_once = answers.answer_at_once(case)
        assert answers.answer_of(result).policy == at_once.policy == (best and best.key)
        if best is not None:
            gain = found.rows[best.key].value - found.today.value
            assert answers.answer_of(result).gain == gain
            assert at_once.gain == pytest.approx(gain, rel=1e-7, abs=1e-9 * found.today.value)
        if before is not None:
            gains, levels = answers.tables(result, json.loads(before.to_json()))
            same_gains(gains, found, before)
            same_levels(levels, found, before)
        before = found


def same(shown: answers.Shown, now: float | None, before: float | None, zero: float) -> None:
    """A cell shows this figure, and its change where there is one."""
    assert shown.text == figures.number(now, 5, zero=zero)
    if now is None or before is None:
        assert shown.change == ""
    elif shown.change:
        assert shown.change == figures.number(now - before, 5, signed=True)
    else:
        assert abs(now - before) <= max(zero, 1e-7 * abs(now))


def over_today(found: pigou.Evaluation, key: str) -> list[float | None]:
    """What a policy changes for value, consumers, both firms and the public."""
    rows = [found.rows[key], found.today] if key in found.rows else []
    out = []
    for row in rows:
        if row.expected is None:
            return [None] * 5
        joined = row.flat_payments if row.flat_payments is not None else row.net_transfer
        profit = row.profit + (0.0 if joined is None else joined)
        out.append([row.value, row.consumer_surplus, *profit, row.outlay_joined])
    if not out:
        return [None] * 5
    return [None if a is None or b is None else a - b for a, b in zip(*out, strict=True)]


def same_gains(
    table: answers.ShownTable, found: pigou.Evaluation, before: pigou.Evaluation
) -> None:
    welfare = [row.welfare for one in (found, before) for row in one.comparison]
    zero = 1e-7 * max(abs(amount) for amount in welfare if amount is not None)
    assert len(table.rows) == len(found.comparison)
    for n, (row, (name, cells)) in enumerate(zip(found.comparison, table.rows, strict=True)):
        key = row.policy.key
        assert key in name
        assert cells[5].text == ("yes" if row.competes else "no")
        pairs = zip(cells[:5], over_today(found, key), over_today(before, key), strict=True)
        for cell, now, then in pairs:
            same(cell, now, then, zero)
        told = found.recommendation
        assert told is not None
        assert (n == table.marked) == (told.policy is not None and told.policy.key == key)


def same_levels(
    table: answers.ShownTable, found: pigou.Evaluation, before: pigou.Evaluation
) -> None:
    regimes = [key for key in found.regimes if key in found.rows]
    assert len(regimes) == len(table.rows)
    for key, (_, cells) in zip(regimes, table.rows, strict=True):
        sides = [side(one.regimes[key]) for one in (found, before)]
        for cell, now, then in zip(cells, *sides, strict=True):
            texts, changes = cell.text.split(" / "), cell.change.split(" / ")
            for firm in (0, 1):
                change = changes[firm % len(changes)]
                text = texts[firm % len(texts)]
                one = answers.Shown(text=text, change="" if change == "0" else change)
                same(one, now[firm], then[firm], 1e-12)


@pytest.mark.slow
def test_the_answer_at_once_is_that_of_evaluate_where_types_are_private() -> None:
    source = answers.settled(pigou.load(CASES / "two_types.yaml"))
    case = controls.moved(source, {"security.rivalry": 0.5, "mechanism.profit_weight": 0.7})
    found = pigou.evaluate(case)
    at_once = answers.answer_at_once(case)
    assert found.recommendation is not None
    assert found.recommendation.policy is not None
    row = found.rows[found.recommendation.policy.key]
    assert at_once.policy == row.policy.key
    assert at_once.gain == pytest.approx(row.value - found.today.value, rel=1e-7)


@pytest.mark.slow
def test_the_command_leads_to_the_figures_that_are_shown(run: Run) -> None:
    """Rates and payments in the answer's own words, who gains, and the levels."""
    held = Explored(pigou.load(VENDORS), str(VENDORS))
    held.move({"security.rivalry": 0.42, "cost.scale": 14.0}, True)
    assert isinstance(held.case, PolicyCase)
    result = answers.worked_out(held.case.text).result
    gains, levels = answers.tables(result, result)
    page = run(*shlex.split(held.command)[1:]).out
    said = " ".join(page.split())
    for line in result["recommendation"]["text"]:
        assert " ".join(line.split()) in said
    assert "per unit of investment and" in said
    told = page[page.index("The answer as changed") :]
    rows = {line.split()[0].rstrip("*"): line.split()[1:] for line in told.splitlines() if line}
    for key, (_, cells) in zip(answers.changes(result), gains.rows, strict=True):
        if key != "nash":  # which stands in full
            there = [float(text) for text in rows[key][:5]]
            assert there == pytest.approx([float(cell.text) for cell in cells[:5]], rel=1e-4)
    for name, cells in levels.rows:
        line = next(line for line in told.splitlines() if line.startswith(name))
        there = [float(text) for text in line[len(name) :].split()]
        assert there == pytest.approx([float(cell.text) for cell in cells], rel=1e-4)


def side(outcome: Any) -> list[Any]:
    """Sharing, investment, prices and quantities of both firms."""
    if outcome.levels is None:
        return [[None, None]] * 4
    return [
        outcome.levels[:2].tolist(),
        outcome.levels[2:].tolist(),
        outcome.accounts.price.tolist(),
        outcome.accounts.quantity.tolist(),
    ]


def test_a_change_of_the_answer_is_told(vendors: PolicyCase) -> None:
    pay = answers.Headline(policy="linear_subsidies", doing="Pay plain subsidies", gain=65.0)
    leave = answers.Headline(policy="nash", doing="Leave the market as it is", gain=0.0)
    assert answers.in_words(pay, None, vendors) == [
        "Pay plain subsidies: worth 65.000 million USD more than today's market."
    ]
    assert answers.in_words(leave, pay, vendors) == [
        "Leave the market as it is.",
        "In the case as loaded: pay plain subsidies.",
    ]
    more = answers.Headline(policy=pay.policy, doing=pay.doing, gain=70.0)
    assert answers.in_words(more, pay, vendors)[1].endswith("worth 65.000 million USD.")
    assert answers.in_words(pay, pay, vendors)[1:] == []


def test_a_slider_is_marked_where_the_answer_changes() -> None:
    found = [
        {"key": "security.rivalry", "value": 0.74, "to": "sharing_alliance"},
        {"key": "demand.cross_slope", "value": 0.66, "to": "nash"},
        {"key": "demand.cross_slope", "value": 1.43, "to": None},
    ]
    assert answers.marks({"recommendation": {"switching": found}}) == {
        "security.rivalry": [(0.74, "an alliance on sharing alone")],
        "demand.cross_slope": [(0.66, "today's market"), (1.43, "no advice")],
    }


# --- what can be moved


@pytest.mark.parametrize("name", ["two_vendors", "from_utility", "negative_spillover"])
def test_a_slider_runs_over_markets_in_whole_steps(name: str) -> None:
    case = pigou.load(CASES / f"{name}.yaml")
    found = controls.sliders(case)
    assert {one.block for one in found} >= {"Demand", "Security", "Cost of security", "Standard"}
    for one in found:
        assert one.low <= one.value <= one.high
        assert one.low < one.high
        assert one.hint
        for end in (one.low, one.high):
            steps = (end - one.value) / one.step
            assert steps == pytest.approx(round(steps), abs=1e-6)
            case.set(one.key, end)
        mantissa = one.step / 10 ** math.floor(math.log10(one.step) + 1e-9)
        assert round(mantissa, 6) in (1, 2, 5)
    cross = next(one for one in found if one.key.startswith("demand.cross"))
    assert cross.high >= 0.95 * {"from_utility": 1.1}.get(name, 1.5)


def test_ranges_are_those_of_what_is_not_known_exactly(vendors: PolicyCase) -> None:
    tree = vendors.resolved | {
        "uncertainty": {
            "security.rivalry": {"uniform": [0.2, 0.4]},
            "cost.scale": {"lognormal": [12, 0.1]},
        }
    }
    case = parse_tree(tree)
    found = {one.key: one for one in controls.sliders(case)}
    rivalry, scale = found["security.rivalry"], found["cost.scale"]
    assert [rivalry.low, rivalry.high] == pytest.approx([0.202, 0.398], abs=rivalry.step)
    # one per cent of a normal lies beyond 2.326 standard deviations
    ends = [12 * math.exp(sign * 0.1 * 2.326348) for sign in (-1, 1)]
    assert [scale.low, scale.high] == pytest.approx(ends, abs=scale.step)
    assert answers.settled(case).uncertainty is None
    settled = answers.settled(case)
    saved = answers.case_text(settled, case)
    assert "rivalry" in saved.split("uncertainty:")[1]
    assert "Moved" not in saved
    saved = answers.case_text(controls.moved(settled, {"cost.scale": 13}), case)
    assert saved.startswith("# Moved: cost.scale. ")
    again = parse_tree(YAML(typ="safe").load(saved))
    assert again.resolved["uncertainty"] == case.resolved["uncertainty"]
    assert again.resolved["cost"]["scale"] == 13


def test_information_can_be_made_private_or_known(vendors: PolicyCase) -> None:
    known = {one.key: one for one in controls.choices(vendors)}["types"]
    assert known.value == "null"
    made = json.loads(next(value for value in known.options if value != "null"))
    assert controls.moved(vendors, {"types": made}).types is not None
    private = pigou.load(CASES / "private_spillovers.yaml")
    choice = {one.key: one for one in controls.choices(private)}["types"]
    assert set(choice.options) == {"null", choice.value}
    assert controls.moved(private, {"types": None}).types is None


def test_moves_are_taken_together(vendors: PolicyCase) -> None:
    """An own slope below the cross slope of the file is admissible once that is lower too."""
    moves = {"demand.own_slope": 0.9, "demand.cross_slope": 0.4}
    assert controls.moved(vendors, moves).market.cross_slope.item() == 0.4
    with pytest.raises(BadCase, match="cross_slope is 1"):
        controls.moved(vendors, {"demand.own_slope": 0.9})


# --- what is done with it


def test_moves_can_be_taken_back_and_said_as_a_command(vendors: PolicyCase) -> None:
    held = Explored(vendors, "two vendors.yaml")
    assert held.command == "pigou evaluate 'two vendors.yaml'"
    assert not held.can_undo
    for value in (0.31, 0.32, 0.33):  # one movement
        held.move({"security.rivalry": value}, settled=value == 0.33)
    held.move({"security.rivalry": 0.33, "types": {"support": [0.2, 0.8], "points": 5}}, True)
    held.move({**held.moves, "mechanism.tax_rule": "groves"}, True)
    assert isinstance(held.case, PolicyCase)
    words = shlex.split(held.command)
    assert words[:3] == ["pigou", "what-if", "two vendors.yaml"]
    said = parse_tree(**changed_tree(vendors.resolved, words[4::2], "case"), name=vendors.name)
    assert said.sha256 == held.case.sha256
    held.undo()
    held.undo()
    assert held.moves == {"security.rivalry": 0.33}
    held.move({"security.rivalry": 0.4}, settled=False)  # still under the fingers
    held.undo()
    assert held.moves == {"security.rivalry": 0.33}
    held.undo()
    assert held.moves == {}
    assert not held.can_undo


def test_a_market_that_is_none_is_refused_and_can_be_left(vendors: PolicyCase) -> None:
    held = Explored(vendors, "case.yaml")
    held.move({"demand.cross_slope": 2.0}, True)
    assert isinstance(held.case, BadCase)
    assert "must lie in" in str(held.case)
    assert "cross_slope: 1.0" in held.text
    held.undo()
    assert held.case.text == held.loaded.text


def test_a_case_that_is_saved_is_the_case(vendors: PolicyCase, tmp_path: Path) -> None:
    held = Explored(vendors, "case.yaml")
    assert vendors.resolved["expect"]
    assert "expect" not in held.text
    held.move({"cost.scale": 15, "mechanism.profit_weight": 0.5}, True)
    path = tmp_path / "mine.yaml"
    path.write_text(held.text, encoding="utf-8")
    assert isinstance(held.case, PolicyCase)
    assert pigou.load(path).sha256 == held.case.sha256


# --- who may see it


def ask(path: str = "/", query: str = "", kind: str = "http", **headers: str) -> dict[str, Any]:
    """What the guard of port 4000, with the token `secret`, sends first."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    told = {"host": "127.0.0.1:4000"} | headers
    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in told.items()],
    }
    asyncio.run(Guard(app, "secret", 4000)(scope, None, send))  # type: ignore[arg-type]
    found: dict[str, Any] = sent[0]
    return found


def test_only_who_has_the_token_gets_the_page() -> None:
    assert ask()["status"] == 403
    assert ask(query="token=other")["status"] == 403
    first = ask(query="token=secret")
    assert first["status"] == 200
    headers = dict(first["headers"])
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    cookie = headers[b"set-cookie"].decode()
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    kept = cookie.partition(";")[0]
    assert ask("/lib/shiny.js", cookie=kept)["status"] == 200
    assert ask("/lib/shiny.js", cookie=kept.replace("4000", "4001"))["status"] == 403
    assert ask("/lib/shiny.js", cookie=kept.replace("secret", "guess"))["status"] == 403


def test_what_was_sent_to_another_name_or_from_another_page_is_refused() -> None:
    token = "token=secret"
    assert ask(query=token, host="evil.example:4000")["status"] == 403
    assert ask(query=token, origin="http://evil.example")["status"] == 403
    assert ask(query=token, origin="http://127.0.0.1:4000")["status"] == 200
    assert ask(query=token, kind="websocket", origin="http://127.0.0.1:5000") == {
        "type": "websocket.close",
        "code": 1008,
    }


def test_without_shiny_the_command_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.commands.explore.find_spec", lambda name: None)
    ran = run("explore", VENDORS)
    assert ran.code == 2
    assert "pip install shiny" in ran.err
    assert ran.out == ""
