"""`pigou report`: what a reader, a screen reader and a snooper find in it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from trees import evaluate_once

from cli.pictures.table import pictures_of
from cli.report.document import CHAPTERS, PLACES, Report, of_case, of_cases
from cli.report.redaction import MARK, NotRedactable, band, hidden_keys, without_figures
from cli.report.subject import Subject
from market.text import Json
from mechanism.casefile.case_keys import flat
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.report.answer import recommend
from mechanism.report.results import Evaluation

pytestmark = pytest.mark.usefixtures("evaluated_once")

jinja2 = pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "cases"
ODD: dict[str, Any] = {
    "demand": {"intercept": 20.3719, "own_slope": 1.47133, "cross_slope": 0.93717},
    "security": {
        "rivalry": 0.31793,
        "demand_spillover": 0.28711,
        "leakage": {"own": 1.21377, "cross": 0.21931, "interaction": 0.10739},
    },
    "cost": {"form": "saturating", "scale": 12.4731, "max_saving": 0.31277, "spillover": 0.49331},
}
"""A market none of whose numbers comes about by chance."""


@cache
def found(name: str) -> Evaluation:
    """What is found at a case."""
    return evaluate_once(parse_tree(ODD) if name == "odd" else load_case(CASES / f"{name}.yaml"))


def html(report: Report, form: str = "html") -> str:
    from cli.report.render import rendered

    return rendered(report, form, "0")


def of(name: str, *redact: str) -> str:
    """The report of a case, without pictures."""
    hidden, _ = hidden_keys([found(name).case.resolved], redact)
    return html(of_case(Subject(label="it", found=found(name), hidden=hidden), {}))


class Reader(HTMLParser):
    """Elements with their attributes, and the text that is shown."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.shown: list[str] = []
        self._inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag in ("style", "head"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()
        if tag not in ("bdi", "a"):
            self.shown.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.shown.append(data)

    @property
    def text(self) -> str:
        """All that is shown, on one line."""
        return " ".join("".join(self.shown).split())


@pytest.mark.slow
def test_the_page_stands_alone_and_can_be_walked() -> None:
    from cli.report.pictures import pictures

    subject = Subject(label="it", found=found("two_vendors"))
    page = html(of_case(subject, pictures(subject, "p1")))
    read = Reader(page)
    tags = {tag for tag, _ in read.elements}
    assert {"title", "main", "nav", "header", "footer", "svg"} <= tags
    assert not tags & {"script", "iframe", "object", "embed", "link", "img", "base"}
    assert ("html", {"lang": "en"}) in read.elements
    links = [
        attrs[key]
        for _, attrs in read.elements
        for key in ("href", "src", "xlink:href", "action")
        if key in attrs
    ]
    assert all(link.startswith("#") for link in links)
    assert not re.findall(r"url\((?!#)|@import", page)
    ids = [attrs["id"] for _, attrs in read.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = [
        name
        for _, attrs in read.elements
        for key in ("aria-labelledby", "aria-describedby")
        for name in attrs.get(key, "").split()
    ]
    assert {link[1:] for link in links} | set(named) <= set(ids)
    assert len(page.encode()) < 3_000_000
    assert not re.findall(r"<th[^>]*>\s*</th>", page)
    assert not re.findall(r"<h\d[^>]*>\s*</h\d>", page)
    regions = [attrs["aria-label"] for _, attrs in read.elements if "aria-label" in attrs]
    assert len(regions) == len(set(regions))
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.slow
def test_every_chapter_is_there_and_in_the_documentation() -> None:
    titles = re.findall(r"<h2 [^>]*>([^<]*)</h2>", of("two_types"))
    assert titles == [chapter.title for chapter in CHAPTERS]
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    table = page.split("## What stands in it")[1].split("\n## ")[0]
    assert re.findall(r"^\| ([^|`]+?) \|", table, re.MULTILINE)[1:] == titles


@pytest.mark.parametrize("name", ["odd", "two_types"])
def test_what_is_counted_as_proven_is_what_the_certificates_list(name: str) -> None:
    page = html(of_case(Subject(label="it", found=found(name)), {}), "md").replace("\\", "")
    section = page.split("## Certificates")[1].split("## Provenance")[0]
    counted = re.search(r"(\d+) outcomes: .* (\d+) proven, (\d+) searched", section)
    assert counted is not None
    scopes = re.findall(r"\| (proven|searched) \|", section)
    listed = [len(scopes), scopes.count("proven"), scopes.count("searched")]
    assert list(map(int, counted.groups())) == listed
    assert f"{listed[2]} of {listed[0]} outcomes were searched for" in page


def test_pictures_have_their_places() -> None:
    assert set(PLACES) <= {picture.name for picture in pictures_of("evaluate")}
    assert set(PLACES.values()) <= {chapter.key for chapter in CHAPTERS}


def test_the_answer_is_that_of_evaluate_and_stands_once() -> None:
    """What would overturn it is told in sentences of the report's own."""
    told = found("two_vendors")
    text = Reader(of("two_vendors")).text
    assert told.recommendation is not None
    for line in told.recommendation.text:
        said = line.removeprefix("But: ").partition(" The standard: ")[0]
        if not said.startswith("What would overturn it"):
            assert text.count(" ".join(said.split())) == 1
    # worked out anew: what consumers gain, and what the public pays
    row, now = told.rows["linear_subsidies"], told.today
    assert row.expected is not None
    assert now.expected is not None
    gain = float(row.expected.consumer_surplus - now.expected.consumer_surplus)
    assert f"{gain:+.2f}" in text
    assert f"{row.outlay_joined:.3f}" in text


NASTY = (
    "<script>alert(1)</script>",
    "\"quoted' & {{ 7*7 }} {% raw %}",
    "אבטחה ושיתוף",
    "| `pipe` * _md_ # [link](http://x) ~~",
    "N" * 200,
)


@pytest.mark.slow
@pytest.mark.parametrize("text", NASTY)
def test_what_users_write_is_shown_and_never_run(text: str) -> None:
    tree = {**ODD, "name": text, "reference": text, "units": {"money": text, "quantity": text}}
    tree["firms"] = [text[:40], "other"]
    one = found("odd")
    told = replace(one, case=parse_tree(tree))
    report = of_case(Subject(label=text, found=told), {})
    page = html(report)
    plain = Reader(page)
    assert plain.text.count(" ".join(text.split())) >= 4
    assert {tag for tag, _ in plain.elements} == {tag for tag, _ in Reader(of("odd")).elements} | (
        {"bdi"} if not text.isascii() else set()
    )
    assert "49" not in re.findall(r"quoted&#39; &amp; (\d+)", page)
    markdown = html(report, "md")
    assert "<script>" not in markdown.split("```")[0]
    assert not re.search(r"(?<!\\)\]\(|://", markdown.split("```")[0])
    rows = [line for line in markdown.split("```")[0].split("\n") if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    assert all(count > 2 for count in cells)


# --- what is left out


def numbers(page: str) -> list[float]:
    """Every number that a report shows, its head and foot and its headings left aside."""
    text = Reader(page).text.replace(",", "")
    return sorted({abs(float(one)) for one in re.findall(r"\d+(?:\.\d+)?(?:e[-+]\d+)?", text)})


def attacks(values: list[float], wanted: float) -> Iterator[str]:
    """One-line formulas over numbers that come to one that is wanted, to the digits printed."""
    near = 1e-4 * abs(wanted)
    for x, y in permutations([value for value in values if value], 2):
        formulas = {"x/y": x / y, "xy": x * y, "x-y": x - y, "x+y": x + y, "x/y2": x / y**2}
        for formula, value in (formulas | {"2x/y2": 2 * x / y**2, "x/(x-y)": x / (x - y)}).items():
            if abs(value - wanted) <= near:
                yield f"{formula}: {x}, {y}"


SECRETS = {
    "demand.own_slope": 1.47133,
    "cost.scale": 12.4731,
    "security.rivalry": 0.31793,
    "demand.intercept": 20.3719,
}


def test_an_open_report_tells_its_inputs_twice() -> None:
    """The control of what follows: quantity by price is the own slope, what is spent where nothing
    is shared by the square of what is invested is the cost's scale."""
    page = re.sub(r"(1\.47133|12\.4731)", "", of("odd"))
    told = numbers(page)
    assert any(attack.startswith("x/y:") for attack in attacks(told, 1.47133))
    assert any("x/y2:" in attack for attack in attacks(told, 12.4731))


@pytest.mark.parametrize("key", SECRETS)
def test_no_input_left_out_follows_from_what_remains(key: str) -> None:
    page = of("odd", key)
    assert f"{SECRETS[key]:g}" not in page
    assert f"{SECRETS[key]:.10g}" not in page
    assert MARK in page
    assert f"Left out as confidential: {key}." in Reader(page).text
    assert found("odd").case.sha256 not in page
    assert list(attacks(numbers(page), SECRETS[key])) == []


UNEVEN = {
    **ODD,
    "demand": {**ODD["demand"], "intercept": [20.3719, 18.1137]},
    "unit_cost": {"base": 0.73171},
    "uncertainty": {"security.rivalry": {"uniform": [0.2113, 0.4171]}},
}
"""A market of unlike firms, with costs of a unit, in which not all is known exactly."""


def inputs(case: Json) -> dict[str, list[float]]:
    """The numbers of a case that come about by no chance, by their keys."""
    given = {
        **flat(case),
        **{f"uncertainty.{k}": v for k, v in (case.get("uncertainty") or {}).items()},
    }
    told = {key: re.findall(r"\d+\.\d{3,}", str(value)) for key, value in given.items()}
    return {key: list(map(float, values)) for key, values in told.items() if values}


@pytest.mark.parametrize("seed", range(8))
def test_nothing_left_out_is_one_step_from_what_remains(seed: int) -> None:
    """A few inputs of either market, whichever they are: no figure that remains is one of them, and
    no sum, difference, product or quotient of two, halved or doubled or not."""
    random = np.random.default_rng(seed)
    told = evaluate_once(parse_tree(UNEVEN if seed % 2 else ODD))
    case = told.case.resolved
    asked = random.choice(list(inputs(case)), int(random.integers(1, 4)), replace=False)
    hidden, _ = hidden_keys([case], asked)
    page = html(of_case(Subject(label="it", found=told, hidden=hidden), {}))
    left = np.array([value for value in numbers(page) if value])
    x, y = left[:, None], left
    steps = np.concatenate([np.ravel(made) for made in (x + y, abs(x - y), x * y, x / y)])
    steps = np.outer([0.5, 1, 2], steps)
    for key in hidden:
        for secret in inputs(case).get(key, []):
            assert not (abs(left - secret) <= 1e-4 * secret).any(), key
            assert not (abs(steps - secret) <= 1e-9 * secret).any(), key


def test_a_report_is_the_same_whatever_the_digits_of_what_it_leaves_out() -> None:
    """So nothing of them follows from it, by however many steps."""
    near, asked = copy.deepcopy(UNEVEN), ("demand", "security", "cost", "unit_cost")
    for part in (near["demand"], near["security"]["leakage"], near["cost"], near["unit_cost"]):
        for one, value in part.items():
            if not isinstance(value, str):
                part[one] = np.multiply(value, 1 + 1e-4).tolist()
    pages = []
    for tree in (UNEVEN, near):
        told = evaluate_once(parse_tree(tree))
        hidden, _ = hidden_keys([told.case.resolved], asked)
        pages.append(html(of_case(Subject(label="it", found=told, hidden=hidden), {})))
    assert pages[0] == pages[1]


def test_what_remains_of_the_figures_are_inputs_signs_and_ranges() -> None:
    """No figure of the result stands in a report without inputs, to four digits."""
    told = found("odd")
    text = Reader(of("odd", "cost")).text
    for key, outcome in told.regimes.items():
        books = outcome.accounts
        assert books is not None
        assert outcome.levels is not None
        figures = [*outcome.levels, *books.profit, *books.price, *books.quantity, outcome.welfare]
        for value in figures:
            shown = f"{abs(float(value)):.4g}"
            if len(shown.strip("0.").replace(".", "")) > 2:
                assert shown not in text, (key, shown)
    assert "linear_subsidies" in text


@pytest.mark.parametrize(
    ("asked", "also"),
    [
        (["cost.spillover"], {"types.support", "types.points"}),
        (["types"], {"cost.spillover"}),
        (["cost.scale[1]"], set()),
        (["security.leakage"], {"security.leakage.own"}),
    ],
)
def test_what_tells_an_input_is_left_out_with_it(asked: list[str], also: set[str]) -> None:
    case = load_case(CASES / "private_spillovers.yaml").resolved
    hidden, texts = hidden_keys([case], asked)
    assert also <= hidden
    assert not texts
    assert all(not key.startswith("mechanism") for key in hidden)
    if asked == ["cost.scale[1]"]:
        assert hidden == {"cost.scale"}


def test_of_several_cases_every_one_leaves_out_what_tells_an_input() -> None:
    cases = [load_case(CASES / f"{name}.yaml").resolved for name in ("two_types", "two_vendors")]
    hidden, _ = hidden_keys(cases, ["types"])
    assert hidden == {"types.values", "types.probabilities", "cost.spillover"}


def test_how_well_an_input_is_known_is_left_out_with_it() -> None:
    doubts = {"cost.scale": {"normal": [12.4731, 1.0]}, "security.rivalry": {"uniform": [0.2, 0.4]}}
    case = parse_tree({**ODD, "uncertainty": doubts}).resolved
    assert hidden_keys([case], ["cost.scale"])[0] == {"cost.scale", "uncertainty.cost.scale"}
    assert "cost.scale" in hidden_keys([case], ["uncertainty.cost.scale"])[0]


@pytest.mark.parametrize("key", ["mechanism.public_funds_cost", "cost.scales", "expect"])
def test_what_cannot_be_left_out_is_refused_with_what_can(key: str) -> None:
    with pytest.raises(NotRedactable, match=key):
        hidden_keys([found("odd").case.resolved], [key])


@pytest.mark.parametrize("value", [1.0, 3.7, 65.3457, 98.98, 1e-4, 5.0, 999.9, -49.49])
def test_a_range_holds_its_value_and_is_wide(value: float) -> None:
    low, high = sorted(float(end) for end in band(value, 1e-9).replace("minus ", "-").split(" to "))
    assert low <= value <= high
    assert max(abs(low), abs(high)) >= 2 * min(abs(low), abs(high))


def test_names_with_digits_are_no_figures() -> None:
    said = without_figures("7th Ltd gains 3.2 (4%), firm 1 -1e-3 at 1,000.5", ("7th Ltd",))
    assert said == f"7th Ltd gains {MARK} ({MARK}), firm 1 {MARK} at {MARK}"


# --- the command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing looks for what would overturn an answer, and time stands still."""
    monkeypatch.setattr(
        "mechanism.analysis.evaluation.with_switches",
        lambda found, **_: replace(found, recommendation=recommend(found)),
    )
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


def case_file(folder: Path, name: str = "odd") -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**ODD, "name": name, "reference": "kept secret"}))
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_result_is_solved_again_and_refused_if_it_was_changed(tmp_path: Path, run: Run) -> None:
    case, result, out = case_file(tmp_path), tmp_path / "r.json", tmp_path / "r.html"
    assert run("evaluate", case, "--out", result).code == 0
    assert run("report", result, "--out", out).code == 0
    again = tmp_path / "again.html"
    assert run("report", case, "--out", again).code == 0
    assert out.read_bytes() == again.read_bytes()
    assert run("evaluate", case, "--out", again).code == 0
    assert out.read_bytes() == again.read_bytes()
    assert "1970-01-01" in out.read_text()
    tree = json.loads(result.read_text())
    tree["comparison"][0]["welfare"] *= 1.001
    result.write_text(json.dumps(tree))
    out.unlink()
    done = run("report", result, "--out", out)
    assert done.code == 3
    assert "comparison[0].welfare" in done.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "names", "left"),
    [
        ("below 1.11, now 1.5", ("1", "2"), f"below {MARK}, now {MARK}"),
        ("below 1.11, now 1.5", ("1.5", "2"), f"below {MARK}, now {MARK}"),
        (
            "Vendor 12 and Vendor 1 gain 1.5",
            ("Vendor 1", "Vendor 12"),
            "Vendor 12 and Vendor 1 gain",
        ),
        ("firm 1.5 and firm 1, s1.25 and .5", ("A", "B"), f"firm {MARK} and firm 1, s{MARK}"),
        ("3M gains 3.5, sequential_firm_2", ("3M", "B"), f"3M gains {MARK}, sequential_firm_2"),
    ],
)
def test_a_name_hides_no_figure(text: str, names: tuple[str, ...], left: str) -> None:
    said = without_figures(text, names)
    assert said.startswith(left)
    assert "1.5" not in said
    assert not said.endswith(".5")


@pytest.mark.slow
def test_what_is_left_out_is_not_told_by_its_absence(run: Run) -> None:
    """Unit costs of nothing, a cap that is none, inputs that two cases share, digits of proofs."""
    one, two = (str(CASES / f"{name}.yaml") for name in ("two_vendors", "large_and_small"))
    asked = ("--redact", "cost", "--redact", "unit_cost", "--format", "md")
    said = run("report", one, *asked).out.replace("\\", "")
    for key in ("unit_cost.base", "cost.investment_cap", "cost.scale"):
        assert re.search(rf"{key}[^\n]*left out", said), key
    assert "costs nothing to produce" not in said
    assert not re.search(r"\de-\d\d", said), "digits of residuals"
    rows = run("report", one, two, *asked).out.replace("\\", "")
    for key in ("cost.scale", "cost.spillover", "unit_cost.base"):
        assert re.search(rf"{key}[^\n]*left out[^\n]*left out", rows), key


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_texts_are_left_out_before_anything_is_said(tmp_path: Path, run: Run) -> None:
    case = case_file(tmp_path, "Hush Ltd")
    done = run("report", case, "--redact", "name", "--redact", "reference", "--format", "md")
    assert done.code == 0
    assert not re.search("Hush|kept secret", done.out)
    assert "Left out as confidential: name, reference." in done.out


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "r.pdf"], "end in .html or .md"),
        (["--out", "r.md", "--format", "html"], "is not what it holds"),
        (["--redact", "mechanism.profit_weight"], "part of the standard"),
        (["--redact", "cost.scal"], "cost.scale"),
    ],
)
def test_bad_usage_is_refused(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("report", case_file(tmp_path), *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.json"]


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.commands.report.find_spec", lambda name: None)
    done = run("report", case_file(tmp_path))
    assert done.code == 2
    assert "extra `report`" in " ".join(done.err.split())


@pytest.mark.slow
def test_several_cases_are_compared_by_what_differs() -> None:
    subjects = [Subject(label=name, found=found(name)) for name in ("two_vendors", "two_types")]
    text = Reader(html(of_cases(subjects, [{}, {}]))).text
    assert "2 cases compared" in text
    assert "types.values" in text
    assert text.count("Would an alliance of the firms help?") == 2
    hidden = [replace(subject, hidden=frozenset({"cost.scale"})) for subject in subjects]
    page = html(of_cases(hidden, [{}, {}]))
    assert "Left out as confidential: cost.scale." in Reader(page).text
    assert "788.3" not in page
    assert ">12<" not in page
