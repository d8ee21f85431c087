"""`pigou design` end to end: a case or a setting file and the options on the command line, the result as plain values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from market.faults import Fault
from market.files import read_document
from mechanism.continuum import between
from mechanism.design import design, least_outlay
from mechanism.market_setting import NoSettingError, market_setting, menu_levels, outside_options
from mechanism.preparation import prepare
from mechanism.schema import parse_tree
from mechanism.setting_file import DesignOptions, is_setting, load_setting
from mechanism.settings import Plan, Setting, efficient
from mechanism.tree import continuum_tree
from mechanism.types import type_space

Tree = dict[str, Any]

LARGEST_STATES = {"bayesian": 201, "dominant": 101, "second_best": 21}
"""Types per firm up to which a market is designed for, by what is asked."""


LARGEST_CONTINUUM = 103
"""Points per firm up to which truth and participation are searched between them too."""


class DesignError(Exception):
    """What is asked makes no sense for this file."""


def solve_file(path: str | Path, given: dict[str, str]) -> Tree:
    """The design a file asks for, with these options laid over its own."""
    faults: list[Fault] = []
    document = read_document(path, faults=faults)
    if is_setting(document.tree):
        problem = load_setting(path, document, faults)
        options = _overruled(problem.options, given, ("outside", "none"))
        _sensible(problem.setting.players, options)
        return _result(problem.setting, None, options, problem.resolved)
    policy = parse_tree(document.tree, name=Path(path).stem, path=Path(path), document=document, faults=faults)
    if policy.types is None:
        raise DesignError("the case has no types, so there is nothing to design for; add a types block, or use pigou evaluate")
    if policy.types.parameter != "cost_spillover":
        raise DesignError(
            f"the {policy.types.parameter} is private, so that both types move both profits; pigou evaluate shows the transfers solved for"
        )
    asked = policy.mechanism
    if given.get("tax_rule") == "clarke":
        raise DesignError("clarke is a rule for setting files: a market without one of its firms is not described")
    form = given.get("participation", asked.participation)
    form = "ir_market" if form == "outside" else form
    base = DesignOptions(
        tax_rule="designed",
        allocation=asked.allocation,
        objective=asked.objective,
        incentive=asked.incentive,
        participation="none" if form == "none" else "outside",
        timing=asked.timing,
        budget=asked.budget,
        public_funds_cost=asked.public_funds_cost,
    )
    options = _overruled(base, {key: value for key, value in given.items() if key != "participation"}, ("outside", "none"))
    _sensible(("firm 1", "firm 2"), options)
    types = type_space(policy.types)
    second_best = options.allocation == "second_best"
    strong = options.incentive == "dominant" or options.timing == "ex_post"
    few = second_best or options.collusion == "proof"
    most = LARGEST_STATES["second_best" if few else "dominant" if strong else "bayesian"]
    if len(types.types) > most:
        raise DesignError(f"{len(types.types)} types per firm are more than the {most} this design can hold; lower types.points")
    try:
        # As in evaluate: truth and participation are asked at the points between types too, unless lotteries are drawn.
        types = types if few else types.everywhere()
        menu = menu_levels(policy.market, types.types, second_best)
        plan = market_setting(policy.market, types, menu, outside_options(policy.market, types, form, options.timing, menu[0]))
    except NoSettingError as error:
        raise DesignError(str(error)) from None
    result = _result(plan.setting, plan, options, policy.resolved)
    result["options"]["participation"] = form
    if types.continuous and result["status"] == "optimal" and not few and len(types.points) <= LARGEST_CONTINUUM:
        chosen = replace(policy.mechanism, payoff="with_cost", incentive=options.incentive, participation=form, timing=options.timing)  # type: ignore[arg-type]
        prepared = prepare(policy.market, type_space(policy.types), chosen)
        if prepared is not None:
            first, second = (np.array(t).reshape(len(types.points), -1) for t in result["transfers"])
            result["continuum"] = continuum_tree(between(prepared, options.tax_rule, np.stack([first, second.T])))
            result["verdicts"].append(_between_types(result["continuum"]))
    return result


def _between_types(found: Tree) -> str:
    """What holds between the types of the grid, in words."""
    texts = []
    for key, name in (("ic", "truth"), ("ir", "participation")):
        check = found[key]
        if check is None:
            continue
        amount = check["max_gain"] if key == "ic" else -check["min_slack"]
        what = "a lie gains" if key == "ic" else "joining costs some type"
        excess = "" if check["status"] == "holds" else f" ({what} up to {amount:.6g})"
        texts.append(f"{name} {check['status'].replace('_', ' ')}{excess}")
    return f"Over all types of the interval, {found['points']} points of which were searched: {' and '.join(texts)}."


def _overruled(options: DesignOptions, given: dict[str, str], forms: tuple[str, ...]) -> DesignOptions:
    if given.get("participation", forms[0]) not in forms:
        raise DesignError(
            f"--participation {given['participation']} is for case files; a setting's outside options are in its players (outside or none)"
        )
    return DesignOptions(**{**options.model_dump(), **given})


def _sensible(players: tuple[str, ...], options: DesignOptions) -> None:
    if options.tax_rule == "agv" and len(players) < 2:
        raise DesignError("agv needs two players or more")
    if options.collusion == "proof" and options.tax_rule != "designed":
        raise DesignError(
            "proof against collusion is solved for: it needs the rule designed; what others leave to gain is among the checks"
        )
    if options.allocation == "second_best" and options.tax_rule != "designed":
        raise DesignError("second_best needs the rule designed: lotteries and transfers are solved for together")


def _result(setting: Setting, plan: Plan | None, options: DesignOptions, resolved: Tree) -> Tree:
    tree = design(setting, options, plan)
    if tree["checks"] is not None:
        checks = tree["checks"]
        ir = None if options.participation == "none" else next(c for c in checks["ir"] if c["timing"] == options.timing)
        checks["chosen"] = {"ic": next(c for c in checks["ic"] if c["incentive"] == options.incentive), "ir": ir}
    benchmark = plan or efficient(setting)
    outlay, _ = least_outlay(setting, benchmark)
    states = [[float(t[k]) for t, k in zip(setting.types, index, strict=True)] for index in _indices(setting.shape)]
    result: Tree = {
        "input": resolved,
        "options": options.model_dump(mode="json"),
        "players": list(setting.players),
        "probabilities": [p.tolist() for p in setting.probabilities],
        "states": states,
        **tree,
        "continuum": None,
        "benchmark": {
            "efficient_surplus": float(setting.expect(benchmark.welfare).item()),
            "least_outlay": outlay if outlay < float("inf") and options.participation != "none" else None,
        },
    }
    result["verdicts"] = verdicts(result)
    return result


def _indices(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [tuple(int(i) for i in index) for index in np.ndindex(*shape)]


OBJECTIVES = {
    "min_outlay": "the least expected outlay",
    "max_surplus": "the most surplus net of the cost of public funds",
    "min_worst_deficit": "the least deficit in the worst state",
    "min_violation": "the least violation of what is asked",
}


def verdicts(result: Tree) -> list[str]:
    """The finding in words, the most important first."""
    options, benchmark = result["options"], result["benchmark"]
    asked = (
        f"{options['incentive']} truth-telling"
        + (", proof against collusion" if options["collusion"] == "proof" else "")
        + ("" if options["participation"] == "none" else f" and {options['timing'].replace('_', ' ')} participation")
    )
    if result["status"] == "infeasible":
        proof = result["infeasibility"]
        kinds = {row["constraint"] for row in proof["rows"]}
        names = {"ic": "truth-telling", "coalition": "proof against collusion", "ir": "participation", "budget": "the budget"}
        who = " and ".join(names[kind] for kind in names if kind in kinds)
        text = [f"No transfers give {asked} within the budget asked for: {who} contradict each other."]
        sure = "" if proof["verified"] else "NOT "
        text.append(f"The {len(proof['rows'])} conflicting constraints add up to a contradiction; this is {sure}verified.")
        if "budget" in kinds and benchmark["least_outlay"] is not None and "coalition" not in kinds:
            text.append(f"Without a limit to the budget the public would have to pay {benchmark['least_outlay']:.6g} in expectation.")
        return text
    if result["status"] == "unbounded":
        return ["Transfers can be improved without limit: nobody may refuse to take part, so players can be made to pay any amount."]
    if result["status"] != "optimal":
        return ["The solver gave no answer that can be relied on."]
    expected, checks = result["expected"], result["checks"]
    outlay = expected["outlay"]
    direction = "costs the public" if outlay > 0 else "brings the public"
    money = f"{direction} {abs(outlay):.6g} in expectation" if abs(outlay) > 1e-12 else "costs nothing in expectation"
    if options["tax_rule"] == "designed":
        best = f"{OBJECTIVES[options['objective']]} that {asked} allow"
        text = [f"{best[0].upper()}{best[1:]} is {result['objective_value']:.6g}; the mechanism {money}."]
        if options["objective"] == "min_violation" and result["objective_value"] > 1e-9:
            text = [f"What is asked ({asked}) cannot all hold: some constraint is missed by {result['objective_value']:.6g} at the least."]
    else:
        worst = checks["budget"]["worst"]
        then = f"the public pays {worst:.6g}" if worst >= 0 else f"it brings {-worst:.6g}"
        text = [f"The rule {options['tax_rule']} {money}; in the worst state {then}."]
        for chosen, yes, no in (
            ("ic", "Truth is a best reply", "Truth is no best reply"),
            ("ir", "Everybody joins", "Not everybody joins"),
        ):
            check = checks["chosen"][chosen]
            if check is not None:
                kind = check.get("incentive", check.get("timing", "")).replace("_", " ")
                text.append(f"{yes if check['status'] == 'holds' else no} ({kind}).")
    short = benchmark["efficient_surplus"] - expected["surplus"]
    if short > 1e-9 * max(1.0, abs(expected["surplus"])):
        full = benchmark["efficient_surplus"]
        text.append(f"Surplus is {expected['surplus']:.6g}, {short:.6g} below what would be efficient ({full:.6g}).")
    together = checks["collusion"]
    if together["status"] == "violated":
        told = ", ".join(f"{r:.4g}" for r in together["witness"]["reports"])
        text.append(f"Players that agree on their reports gain up to {together['max_gain']:.6g} together, by reporting {told}.")
    opinion = result["second_opinion"]
    if opinion is not None and not opinion["agrees"]:
        text.append(f"A second solver ({opinion['solver']}) does NOT confirm the figure: {opinion['objective_value']}.")
    return text
