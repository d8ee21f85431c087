"""The page of `pigou calibrate`."""

from __future__ import annotations

from typing import Any

from cli.pages import figures
from cli.pages.page import Column, Page
from mechanism.casefile.policies import policy_of

FEW = 4
"""Lines shown of what is listed by size."""
LEAST_SHARE = 0.02
"""Shares of a variance below which a source is not shown."""
LEAST_MOVED = 0.05
"""Elasticities in an observation below which it is not named."""
NOTHING = "nothing_at_stake"
"""The warning that stands where the gain would."""
SCARCELY = 0.005
"""Share by which an observation narrows the gain at least to be worth a word."""


def calibration(tree: dict[str, Any], page: Page, digits: int) -> str:
    """The page: the verdict, estimates, fit of every observation, what would help."""
    refused, warnings = tree["refused"], tree["warnings"]
    page.heading(f"{tree['name']}: {'calibrated' if refused is None else 'refused'}")
    if refused is not None:
        page.sentence("No case is made of these data.")
        page.sentence(_capital(refused["reason"]) + ".")
    if tree["gain"] is not None:
        _gain(tree, page, digits)
    for silent in (one for one in warnings if one["code"] == NOTHING):
        page.sentence(_capital(silent["message"]) + ".")
    if tree["estimates"]:
        _estimates(tree, page, digits)
        _moments(tree, page, digits)
    if tree["most_informative"]:
        _informative(tree, page)
    if others := [one for one in warnings if one["code"] != NOTHING]:
        page.heading("What to keep in mind")
        for warning in others:
            page.sentence(_capital(warning["message"]) + ".", bullet="- ")
    return page.text


def _gain(tree: dict[str, Any], page: Page, digits: int) -> None:
    gain, money = tree["gain"], tree["units"]["money"]
    unit = f" {money}" if money else ""
    what = policy_of(gain["policy"]).phrase
    if not gain["recommended"]:
        what = f"{what} (not recommended: what is recommended is to leave the market as it is)"
    low, value, high = (figures.number(gain[key], digits) for key in ("low", "value", "high"))
    page.sentence(
        f"At these values the gain over today's market from {what} is {value}{unit}, and nine times"
        f" in ten between {low} and {high}, as far as the data and what is assumed go."
    )
    turns = [pair for pair in gain["elasticities"].items() if abs(pair[1]) >= 0.1][:FEW]
    if turns:
        told = ", ".join(f"{_word(key)} {value:+.1f} %" for key, value in turns)
        page.sentence(f"One per cent more of a parameter moves that gain most: {told}.")
    parts = [pair for pair in gain["comes_from"].items() if pair[1] >= LEAST_SHARE][:FEW]
    if parts:
        told = ", ".join(f"{key} {100 * share:.0f} %" for key, share in parts)
        page.sentence(f"Its uncertainty comes from: {told}.")


def _estimates(tree: dict[str, Any], page: Page, digits: int) -> None:
    page.heading("What the data say of the market")
    rows = tree["estimates"]
    page.table(
        [
            Column("", list(rows), words=True),
            Column("value", figures.column([r["value"] for r in rows.values()], digits)),
            Column("low", figures.column([r["low"] for r in rows.values()], digits)),
            Column("high", figures.column([r["high"] for r in rows.values()], digits)),
            Column("priors", [f"{100 * r['prior_share']:.0f} %" for r in rows.values()]),
            Column("moved most by", [_moved(r) for r in rows.values()], words=True),
        ]
    )
    page.sentence("")
    if tree["firms"]:
        page.sentence("[0] is {}, [1] {}.".format(*tree["firms"]))
    page.sentence(
        "low and high hold 90 per cent; priors: their part in the variance, the rest is noise of"
        " data; moved most by: per cent for one per cent more of an observation or a prior."
    )
    if tree["rank"] is not None:
        page.sentence(
            f"The observations tell {tree['rank']} of {tree['parameters']} directions in the"
            f" parameters, the best of them {tree['condition']:,.0f} times better than the worst."
        )


def _moved(row: dict[str, Any]) -> str:
    for key, value in row["influences"].items():
        if abs(value) >= LEAST_MOVED:
            return f"{key} {value:+.2f}"
    return figures.NONE


def _moments(tree: dict[str, Any], page: Page, digits: int) -> None:
    page.heading("How well the observations are met")
    rows = tree["moments"]
    page.table(
        [
            Column("", [row["key"] for row in rows], words=True),
            Column("observed", figures.column([row["observed"] for row in rows], digits)),
            Column("fitted", figures.column([row["fitted"] for row in rows], digits)),
            Column("errors off", [_errors(row["residual"]) for row in rows]),
        ]
    )
    page.sentence(
        "errors off: by how many standard errors the fit lies above (+) or below (-) what was"
        " observed. Several beyond 2 contradict each other, or the model."
    )
    page.sentence("")
    test = tree["over_identification"]
    if test["p_value"] is None:
        page.sentence("There are as many observations and priors as parameters: nothing is tested.")
    else:
        page.sentence(
            f"Sum of squares {test['statistic']:.3g} with {test['degrees']} degrees of freedom: if"
            f" the model is right, data are as far from it with probability {test['p_value']:.2g}."
        )
    held = [key for key, prior in tree["priors"].items() if prior["log_sd"] is None]
    believed = [
        f"{key} {prior['median']:.3g} (log sd {prior['log_sd']:g}"
        + ("" if prior["given"] else ", the program's own")
        + ")"
        for key, prior in tree["priors"].items()
        if prior["log_sd"] is not None
    ]
    if held:
        told = ", ".join(f"{key} {tree['priors'][key]['median']:.3g}" for key in held)
        page.sentence(f"Held fixed: {told}.")
    if believed:
        page.sentence(f"Believed before the data: {', '.join(believed)}.")


def _errors(residual: float) -> str:
    """How many standard errors the fit is off."""
    return f"{residual:+.2f}" if abs(residual) >= 0.005 else "0.00"


def _informative(tree: dict[str, Any], page: Page) -> None:
    page.heading("What would narrow the gain most")
    worth = [row for row in tree["most_informative"] if row["gain"] >= SCARCELY][:FEW]
    for row in worth:
        how = (
            "a belief twice as firm"
            if row["key"].startswith("priors.")
            else "observed once more"
            if row["observed"]
            else "not observed yet"
        )
        narrower = f"{100 * row['gain']:.2g} %"
        page.sentence(f"{row['key']}, {how}: narrows it by {narrower}", bullet="- ")
    if not worth:
        page.sentence("Nothing that a data file takes narrows it by as much as half a per cent.")


def _word(key: str) -> str:
    """A parameter on a page: its key, a firm counted from 1."""
    bare, _, firm = key.partition("[")
    return f"{bare} of firm {int(firm[0]) + 1}" if firm else bare


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
