"""The reading material: what is shown is what is given, and no page, link or key is missing."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from command import Run

import pigou

pytestmark = pytest.mark.usefixtures("evaluated_once")

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, *sorted(DOCS.rglob("*.md")))
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
LEFT_OUT = "..."
"""Stands between two sections of an output that is shown in part."""


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands name files as a reader in a copy of the repository does."""
    monkeypatch.chdir(ROOT)


def text(page: Path) -> str:
    """A page as it stands."""
    return page.read_text(encoding="utf-8")


class Shown(NamedTuple):
    """A command on a page with its output."""

    page: Path
    command: str
    output: str


def shown() -> list[Shown]:
    """Every command whose output is shown, page by page; tutorials run as a whole."""
    blocks = re.compile(r"^```\n\$ (pigou [^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    pages = [page for page in PAGES if page not in TUTORIALS]
    return [Shown(page, *block) for page in pages for block in blocks.findall(text(page))]


def sections(output: str) -> list[str]:
    """The sections of an output, its line of residuals, which are rounding, as on every machine."""
    steady = "residual <= 1e-13, regret <= 1e-15,"
    output = re.sub(r"residual <= \S+ regret <= \S+", steady, output)
    return [section.strip("\n") for section in output.strip().split("\n\n")]


@pytest.mark.slow
@pytest.mark.parametrize("one", shown(), ids=lambda one: f"{one.page.name}: {one.command}")
def test_output_shown_is_output_given(one: Shown, run: Run) -> None:
    check_output(one.command, one.output, run)


def check_output(command: str, output: str, run: Run) -> None:
    """Whole sections in their order; some may be left out where that is marked."""
    _, *arguments = shlex.split(command)
    ran = run(*arguments)
    given, at, skipping = sections(ran.out + ran.err), 0, False
    for section in sections(output):
        if section == LEFT_OUT:
            skipping = True
            continue
        if skipping:
            assert section in given[at:]
            at = given.index(section, at)
        assert given[at] == section
        at, skipping = at + 1, False
    assert skipping or at == len(given)


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.name)
def test_tutorials_run_from_their_first_line_to_their_last(
    page: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty folder: commands, files that begin with their name, and Python."""
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)
    assert {"sh", ""} <= {kind for kind, _ in blocks}
    for kind, block in blocks:
        first, _, rest = block.partition("\n")
        if kind in ("yaml", "csv"):
            Path(first.removeprefix("# ")).write_text(rest, encoding="utf-8")
        elif kind == "python":
            exec(block, known)
        elif kind == "sh":
            for line in block.splitlines():
                _, *arguments = shlex.split(line, comments=True)
                assert run(*arguments).code == 0, line
        else:
            check_output(first.removeprefix("$ "), rest, run)


def test_the_readme_is_short_and_shows_the_answer() -> None:
    assert len(text(README).splitlines()) <= 130
    commands = [one.command for one in shown() if one.page == README]
    assert commands == ["pigou evaluate cases/two_vendors.yaml"]


def test_installation_is_two_commands() -> None:
    section = re.search(r"## Install\n(.*?)\n## ", text(README), re.DOTALL)
    assert section is not None
    blocks = re.findall(r"```sh\n(.*?)```", section[1], re.DOTALL)
    assert len(blocks) == 2
    assert all(block.count("\n") == 1 for block in blocks)
    assert "pigou evaluate" in blocks[0]
    assert "pytest" in blocks[1]


def test_the_version_is_the_same_everywhere() -> None:
    version = re.search(r'^version = "(.*)"$', text(ROOT / "pyproject.toml"), re.MULTILINE)
    assert version is not None
    assert f"\nversion: {version[1]}\n" in text(ROOT / "CITATION.cff")
    assert f"\n## {version[1]} - " in text(ROOT / "CHANGELOG.md")


# --- pages and links


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """Where the links of a page lead, those to other sites left out."""
    plain = re.sub(r"`[^`]*`", "", prose(page))
    found = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", plain)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_listed() -> None:
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in links(DOCS / "index.md")}
    assert set(DOCS.rglob("*.md")) - {DOCS / "index.md"} - listed == set()


def test_everything_public_has_its_reference() -> None:
    page = text(DOCS / "api.md")
    named = set(re.findall(r"^\.\. auto(?:class|function):: pigou\.(\w+)$", page, re.MULTILINE))
    assert named == set(pigou.__all__) - {"REGIMES", "__version__"}
    assert {f"pigou.{name}" for name in set(pigou.__all__) - named} <= code(DOCS / "api.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_of_readable_width(page: Path) -> None:
    """Rows of tables cannot be wrapped."""
    lines = text(page).splitlines()
    assert not [line for line in lines if len(line) > 130 and not line.startswith("|")]


# --- nothing is missing


def code(page: Path) -> set[str]:
    """What a page sets as code."""
    return set(re.findall(r"`([^`\n]+)`", prose(page)))


def words(page: Path) -> set[str]:
    """The names in what a page sets as code."""
    return set(re.findall(r"[A-Za-z_]\w*", " ".join(code(page))))


def test_every_shipped_case_is_listed() -> None:
    folder = ROOT / "cases"
    names = {str(file.relative_to(folder).with_suffix("")) for file in folder.rglob("*.yaml")}
    assert names - code(DOCS / "cases.md") == set()


def keys_of(node: Any, blocks: dict[str, Any], above: str = "") -> Iterator[str]:
    """The dotted keys of a JSON Schema; KEY stands for a name that users choose."""
    if isinstance(node, list):
        for part in node:
            yield from keys_of(part, blocks, above)
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        yield from keys_of(blocks[node["$ref"].rsplit("/", 1)[-1]], blocks, above)
    for name, child in node.get("properties", {}).items():
        yield f"{above}{name}"
        yield from keys_of(child, blocks, f"{above}{name}.")
    if isinstance(more := node.get("additionalProperties"), dict):
        yield from keys_of(more, blocks, f"{above}KEY.")
    for form in ("anyOf", "oneOf", "allOf"):
        yield from keys_of(node.get(form), blocks, above)


def test_every_key_of_a_case_file_is_named(run: Run) -> None:
    schema = json.loads(run("schema").out)
    keys = set(keys_of(schema, schema["$defs"]))
    assert {"demand.choke_price", "security.leakage.own", "types.points"} <= keys
    assert keys - code(DOCS / "case-file.md") == set()


@pytest.mark.slow
def test_every_key_of_an_evaluation_is_named(run: Run) -> None:
    result = json.loads(run("evaluate", "cases/two_types.yaml", "--format", "json").out)
    outcome, mechanism = result["regimes"]["nash"], result["mechanism"]
    parts = [result, outcome, outcome["certificate"], mechanism, mechanism["full_information"]]
    parts += [mechanism["linear_subsidies"], mechanism["reported"], mechanism["reported"]["checks"]]
    parts += [result["comparison"][0], result["recommendation"]]
    keys = {key for part in parts for key in part}
    assert keys - words(DOCS / "results.md") == set()


def test_every_column_of_a_batch_is_named(run: Run) -> None:
    """Those of a path are the same."""
    path = ("--vary", "security.rivalry=0.1:0.2:2", "--policy", "nash", "--format", "csv")
    table = run("what-if", "cases/two_vendors.yaml", *path).out
    varied, *columns = table.splitlines()[0].split(",")
    assert varied == "security.rivalry"
    assert {"case_id", *columns} - code(DOCS / "batch.md") == set()


@pytest.mark.slow
def test_the_counts_of_claims_are_those_of_the_sample(run: Run) -> None:
    """The table is of 2,000 random markets: 120 of them are as often true and false, up to five
    standard deviations of chance, and never where it says never."""
    page = text(DOCS / "claims.md")
    table = re.search(r"<!-- claims -->\n(.*?)\n<!-- end of claims -->", page, re.DOTALL)
    assert table is not None
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()[2:]
    ]
    case, drawn = "cases/two_vendors.yaml", 120
    ran = run("propositions", case, "--sample", str(drawn), "--format", "json", "--quiet")
    found = json.loads(ran.out)
    claims = {claim["id"]: claim["text"] for claim in found["claims"]}
    assert [row[:2] for row in rows] == [
        [row["id"], claims[row["id"]]] for row in found["sample"]["claims"]
    ]
    for row, told in zip(rows, found["sample"]["claims"], strict=True):
        said = [int(n) for cell in row[2:] for n in cell.replace(",", " ").split()]
        here = [*told["met"].values(), *told["not_met"].values(), told["not_asked"]]
        assert sum(said) == 2000
        for many, few in zip(said, here, strict=True):
            share = many / 2000
            chance = 5 * math.sqrt(drawn * share * (1 - share)) + 1
            assert abs(few - drawn * share) <= chance * (many > 0)
