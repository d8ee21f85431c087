"""The JSON Schema of results: what each command's JSON holds.

Every key that is named is there, null where it has no value; more may follow, so that readers of
today read the results of tomorrow.
"""

from __future__ import annotations

from typing import Any

from mechanism.report.plain import SCHEMA_VERSION, Tree

_PLAIN = {"text": "string", "number": "number", "whole": "integer", "yes": "boolean"}

Fields = dict[str, tuple[str, str]]
"""Key -> its kind and what it is. A kind is one of `_PLAIN`, `tree` (anything below), `firms` (two
numbers), `regimes`, another definition by its name; [..] around it for a list, ? behind it where it
may be null."""

_PROVENANCE: Fields = {
    "command": ("text", "the command, CASE for its file"),
    "case_sha256": ("text?", "of the case with every default filled in, as canonical JSON"),
    "version": ("text", "of pigou"),
    "python": ("text", "its version"),
    "packages": ("tree", "versions of the libraries that figures depend on"),
    "seed": ("whole?", "null where nothing is drawn at random"),
    "run": ("tree?", "when, how long and where it ran; null unless stamped"),
}
_OUTCOME: Fields = {
    "status": ("text", "converged, corner, or why no figure is claimed"),
    "message": ("text?", "why there are no figures"),
    "sharing": ("firms?", "what each firm shares, 0 to 1"),
    "investment": ("firms?", "in units of quantity"),
    "price": ("firms?", "money per quantity"),
    "quantity": ("firms?", "sold"),
    "profit": ("firms?", "money"),
    "investment_cost": ("firms?", "money"),
    "unit_cost": ("firms?", "of a unit sold, a price"),
    "consumer_surplus": ("number?", "money, of both products"),
    "welfare": ("number?", "money, before any cost of public funds"),
    "certificate": ("tree", "the proof: residual, curvature, regret, global, others, bounds"),
}
_ROW: Fields = {
    "policy": ("text", "its key"),
    "status": ("text", "of the outcome that its figures come from"),
    "value": ("number?", "what policies are ranked by, when all join; money"),
    "competes": ("yes", "whether it can be recommended"),
    "why_not": ("text?", "why it cannot"),
    "requires": ("text?", "nothing, permission, order, money or reports"),
    "welfare": ("number?", "money, as the policy stands"),
    "consumer_surplus": ("number?", "money"),
    "profit": ("firms?", "what firms keep, money"),
    "public_outlay": ("number?", "what the public pays net of tax"),
    "sharing": ("firms?", "0 to 1"),
    "investment": ("firms?", "in units of quantity"),
    "price": ("firms?", "money per quantity"),
    "quantity": ("firms?", "sold"),
    "investment_cost": ("firms?", "money"),
    "flat_payments": ("firms?", "the flat part when all join"),
    "net_transfer": ("firms?", "what firms then receive"),
    "outlay_joined": ("number?", "what the public then pays"),
    "attained": ("number?", "share of the most that can be attained over today"),
    "share_of_gain": ("number?", "of the planner's levels' gain over today"),
    "welfare_net": ("number?", "welfare after the cost of public funds"),
    "change": ("tree?", "profit, consumer_surplus and welfare against today's market"),
}
_RECOMMENDATION: Fields = {
    "policy": ("text?", "what to do; null where there is no advice"),
    "value": ("number?", "its value"),
    "runner_up": ("text?", "the best that competes with other levels"),
    "margin": ("number?", "value less its value"),
    "standard": ("tree", "profit_weight, public_funds_cost, fees, materiality"),
    "equivalent": ("[text]", "policies with the same levels"),
    "ladder": ("[tree]", "what each step asked for adds"),
    "flat_payments": ("firms?", "of what is recommended"),
    "switching": ("[tree]", "key, value, the policy it then is, and what lacks a solution"),
    "varied": ("yes", "whether numbers of the market were varied in looking for these"),
    "robust": ("tree?", "who wins over the numbers of the standard; null unless asked for"),
    "cautions": ("[tree]", "code, text and amount"),
    "no_advice": ("text?", "why there is none"),
    "text": ("[text]", "the answer in words"),
}
_UNCERTAINTY: Fields = {
    "draws": ("whole", "markets drawn"),
    "without_outcome": ("whole", "draws in which nothing can be recommended, counted nowhere else"),
    "unsolved": ("whole", "further draws, left where nothing can be recommended in the first"),
    "inadmissible": ("whole", "points that were no case and were drawn again"),
    "recommended": ("text?", "the policy that is right or wrong"),
    "figures": ("tree", "by policy and figure, and gain: mean, sd, quantiles p5 to p95"),
    "policies": ("tree", "by key: best_share, competes_share, mean_value, regret_mean, regret_max"),
    "kept_rates": ("tree?", "plain subsidies at the rates of the case's own numbers"),
    "best_by": ("tree", "the policy of the best best_share, mean_value and regret_max"),
    "value_of_information": ("tree", "by key: what knowing it adds to the mean value; money"),
    "perfect_information": ("number?", "the same of knowing everything"),
    "wrong_where": (
        "[tree]",
        "key, side, threshold, and, share, inside, outside, covers",
    ),
}
_EVALUATE: Fields = {
    "schema_version": ("whole", f"{SCHEMA_VERSION}: of this format"),
    "tool": ("tree", "name and version of the program"),
    "case": ("tree", "the case with every default filled in"),
    "case_sha256": ("text", "of its canonical JSON"),
    "provenance": ("provenance", "where the result comes from"),
    "regimes": ("regimes", "outcomes by regime; bayes_nash too where types are private"),
    "mechanism": ("tree", "subsidies, taxes, rules, and why there are none"),
    "comparison": ("[row]", "policies side by side"),
    "recommendation": ("recommendation?", "what to do"),
    "uncertainty": ("uncertainty?", "how sure that is; null where all is certain"),
    "verdicts": ("[tree]", "findings in words: code and text"),
    "warnings": ("[tree]", "what limits them: code and message"),
    "expectations": ("[tree]", "figures that the case expects: key, expected, actual, ok"),
}
_TIDY: Fields = {
    "case": ("text", "by name"),
    "policy": ("text", "its key"),
    "status": ("text", "of its outcome"),
    "recommended": ("yes", "whether it is what to do"),
    "value": ("number?", "what policies are ranked by"),
    "welfare": ("number?", "money"),
    "profit_1": ("number?", "of the first firm"),
    "profit_2": ("number?", "of the second"),
    "recommendation": ("recommendation?", "in the row of today's market"),
    "resolved": ("tree?", "in the same row: the case with every default filled in"),
    "provenance": ("provenance?", "in the same row: where it comes from"),
}
_FINDINGS: Fields = {
    "provenance": ("provenance", "where the findings come from"),
    "result_sha256": ("text", "of the file of the batch"),
    "cases": ("whole", "how many"),
    "policies": ("[tree]", "over all cases"),
    "undecided": ("number", "share of cases without advice"),
    "inadmissible": ("number", "share that is no admissible market"),
    "unlisted": ("number", "share in which today's market wins and is not listed"),
    "asks": ("tree", "what recommendations ask for, by share"),
    "shapes": ("tree", "how wins run over each key"),
    "by": ("tree", "the same within groups of each key"),
}
_DIFFERENCE: Fields = {
    "provenance": ("provenance", "where the result comes from"),
    "changes": ("[tree]", "key, before, after"),
    "recommendation": ("tree", "before, after, changed, value, why"),
    "policies": ("[tree]", "figures before, after, change, share"),
    "regimes": ("[tree]", "the same"),
    "rules": ("[tree]", "the same"),
    "baseline": ("evaluate", "the result of the case as it is"),
    "changed": ("evaluate", "the result of the changed case"),
}
_PATH: Fields = {
    "provenance": ("provenance", "where the result comes from"),
    "case": ("tree", "the case along which keys are varied"),
    "case_before": ("tree?", "as it was before anything was set"),
    "changes": ("[tree]", "what was set: key, before, after"),
    "vary": ("[tree]", "key, low, high, count"),
    "policies": ("[text]", "those that are followed"),
    "best": ("[tree]", "what is recommended, by point"),
    "rows": ("[tree]", "a row per point and policy, with the columns of a batch"),
    "events": ("[tree]", "where something changes"),
    "more_events": ("whole", "how many more there are"),
}
_DESIGN: Fields = {
    "provenance": ("provenance", "where the result comes from"),
    "input": ("tree", "the case or setting with every default filled in"),
    "options": ("tree", "what was asked"),
    "players": ("[text]", "their names"),
    "probabilities": ("[[number]]", "of every player's types"),
    "joint": ("[number]?", "of every state; null: types are independent"),
    "states": ("[tree]", "the players' types, the last player's the fastest"),
    "payoff_range": ("number", "by which tolerances are measured"),
    "rounding": ("number", "money: figures up to it are rounding, and shown as 0"),
    "status": ("text", "optimal, searched, infeasible, unbounded, not_established"),
    "objective_value": ("number?", "at the optimum"),
    "bound": ("tree?", "what other levels could add: gap, proven, investment_up_to"),
    "allocation": ("[tree]?", "by state, shares of alternatives"),
    "levels": ("tree?", "sharing and investment behind alternatives"),
    "transfers": ("[[number]]?", "by player and state; positive is received"),
    "expected": ("tree?", "surplus, payoff, outlay"),
    "checks": ("tree?", "ic, ir, budget, collusion, chosen"),
    "rents": ("[tree]?", "by player and type"),
    "binding": ("[tree]", "constraints and their prices"),
    "second_opinion": ("tree?", "another solver's"),
    "infeasibility": ("tree?", "rows that contradict each other with their weights"),
    "give_up": ("tree?", "where it is infeasible what would do: relaxed, weaker, second_best"),
    "continuum": ("tree?", "truth and participation between the types"),
    "benchmark": ("tree", "efficient surplus, least outlay"),
    "verdicts": ("[text]", "the finding in words"),
}
_SENSITIVITY: Fields = {
    "provenance": ("provenance", "where the result comes from"),
    "case": ("tree", "the case with every default filled in"),
    "method": ("text", "sobol, morris or tornado"),
    "points": ("whole?", "base points or paths; null of tornado"),
    "recommended": ("text?", "the policy that choice and gain are about"),
    "markets": ("whole", "that were asked for"),
    "inadmissible": ("whole", "how many of them are no case"),
    "without_outcome": ("whole", "how many of the others have none"),
    "figures": ("tree", "by name: value at the case's own numbers, varying, reliable, keys"),
}
_CALIBRATE: Fields = {
    "schema_version": ("whole", f"{SCHEMA_VERSION}: of this format"),
    "tool": ("tree", "name and version of the program"),
    "provenance": ("provenance", "where the result comes from"),
    "source": ("text", "the file of the data"),
    "data": ("tree", "all that was observed and assumed, as a data file"),
    "name": ("text", "of the market"),
    "firms": ("[text]?", "their names"),
    "units": ("tree", "money and quantity, null where the data do not say"),
    "case": ("tree?", "the case with every default filled in; null where it is refused"),
    "case_file": ("text?", "its file, with comments"),
    "estimates": ("tree", "by key: value, low, high, from, prior_share, influences"),
    "moments": ("[tree]", "key, observed, fitted, residual"),
    "priors": ("tree", "by parameter: median, log_sd, given"),
    "rank": ("whole?", "directions in which the observations tell anything"),
    "parameters": ("whole?", "numbers that were fitted"),
    "condition": ("number?", "how many times better the best direction is told than the worst"),
    "over_identification": ("tree?", "statistic, degrees, p_value"),
    "implied_spillover": ("[number?]?", "by either firm's sharing alone"),
    "gain": ("tree?", "of the recommended policy, and what leaves it open"),
    "most_informative": ("[tree]", "key, gain, observed"),
    "refused": ("tree?", "code, reason and numbers; null where there is a case"),
    "warnings": ("[tree]", "what limits it: code and message"),
}
_DESIGNS: Fields = {
    "design": ("text", "which: its name, and what is varied"),
    "status": ("text", "optimal, searched, infeasible, unbounded, not_established"),
    "objective_value": ("number?", "at the optimum; null of a rule with a formula"),
    "surplus": ("number?", "expected, before transfers"),
    "lost": ("number?", "what it lacks of the surplus of the efficient alternatives"),
    "outlay": ("number?", "what the public pays in expectation"),
    "worst": ("number?", "what it pays in the state in which it pays most"),
    "truth": ("text?", "holds or violated, as strongly as was asked"),
    "joins": ("text?", "the same of participation; null where nobody is asked"),
    "payoff": ("tree?", "expected, by player"),
    "finding": ("text", "in words"),
    "rounding": ("number", "money: figures up to it are rounding"),
    "options": ("tree", "what was asked"),
    "input": ("tree", "the case or setting with every default filled in"),
    "provenance": ("provenance", "where the row comes from"),
}
_STATICS: Fields = {
    "provenance": ("provenance", "where the result comes from"),
    "case": ("tree", "the case with every default filled in"),
    "regime": ("text", "whose outcome"),
    "outcome": ("outcome", "it"),
    "values": ("tree", "of the parameters"),
    "units": ("tree", "of the parameters"),
    "derivatives": ("tree", "by parameter"),
    "elasticities": ("tree", "by parameter, what moves welfare most first"),
    "notes": ("[text]", "what limits them"),
}
_PROPOSITIONS: Fields = {
    "provenance": ("provenance", "where the result comes from"),
    "case": ("tree", "the case with every default filled in"),
    "claims": ("[tree]", "id, text, assumption, holds, margin, numbers"),
    "sample": ("tree?", "counts over random markets"),
}
_PARTS = ("provenance", "outcome", "row", "recommendation", "uncertainty", "tidy")
"""Definitions that are no result by themselves."""
_NAMED: dict[str, tuple[str, Fields]] = {
    "provenance": ("Where a result comes from", _PROVENANCE),
    "outcome": ("What a regime leads to", _OUTCOME),
    "row": ("A policy in the comparison", _ROW),
    "recommendation": ("What to do", _RECOMMENDATION),
    "uncertainty": ("How sure that is", _UNCERTAINTY),
    "evaluate": ("pigou evaluate", _EVALUATE),
    "tidy": ("A row of pigou compare CASE...", _TIDY),
    "findings": ("pigou compare RESULT", _FINDINGS),
    "difference": ("pigou what-if --set", _DIFFERENCE),
    "path": ("pigou what-if --vary", _PATH),
    "design": ("pigou design", _DESIGN),
    "designs": ("A row of pigou design of several", _DESIGNS),
    "sensitivity": ("pigou sensitivity", _SENSITIVITY),
    "calibrate": ("pigou calibrate", _CALIBRATE),
    "statics": ("pigou statics", _STATICS),
    "propositions": ("pigou propositions", _PROPOSITIONS),
}
_RESULTS = tuple(name for name in _NAMED if name not in _PARTS)


def result_schema() -> Tree:
    """The JSON Schema (2020-12) of the JSON of all commands."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Results of pigou",
        "anyOf": [
            *({"$ref": f"#/$defs/{name}"} for name in _RESULTS),
            {"title": "pigou compare CASE...", **_node("[tidy]")},
            {"title": "pigou design of several", **_node("[designs]")},
        ],
        "$defs": {
            name: {
                "title": title,
                "type": "object",
                "properties": {
                    key: {**_node(kind), "description": text}
                    for key, (kind, text) in fields.items()
                },
                "required": list(fields),
            }
            for name, (title, fields) in _NAMED.items()
        },
    }


def _node(kind: str) -> dict[str, Any]:
    """The schema of a kind."""
    if kind.endswith("?"):
        return {"anyOf": [_node(kind[:-1]), {"type": "null"}]}
    if kind.startswith("["):
        return {"type": "array", "items": _node(kind[1:-1])}
    if kind == "regimes":  # what firms play that know their own type alone has a form of its own
        own = {"bayes_nash": {"type": ["object", "null"]}}
        return {"type": "object", "properties": own, "additionalProperties": _node("outcome")}
    if kind == "firms":
        return {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    if kind == "tree":
        return {"type": ["object", "array"]}
    return {"type": _PLAIN[kind]} if kind in _PLAIN else {"$ref": f"#/$defs/{kind}"}
