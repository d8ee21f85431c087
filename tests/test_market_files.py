"""Reading files: what is refused and where the fault is said to be; inheritance; the three formats
agree."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market.casefile.files import MAX_BYTES, BadCase, Fault, Place, read_document


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into an empty working directory; gives its name."""
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes, name: str = "case.yaml") -> str:
        raw = textwrap.dedent(text).encode() if isinstance(text, str) else text
        Path(name).write_bytes(raw)
        return name

    return write


def refusal(path: str | Path) -> str:
    with pytest.raises(BadCase) as caught:
        read_document(path)
    return str(caught.value)


def test_fault_texts():
    place = Place("cases/x.yaml", 14, 5)
    fault = Fault(place, "demand.cross_slope", "is 2.0; it must lie in [0, own_slope = 1.5)")
    assert (
        str(fault)
        == "cases/x.yaml:14:5: demand.cross_slope is 2.0; it must lie in [0, own_slope = 1.5)"
    )
    assert str(Fault(Place("x.toml"), "demand", "is missing")) == "x.toml: demand is missing"
    assert str(Fault(None, "demand", "is missing")) == "demand is missing"
    later, first = Fault(Place("x", 9, 1), "b", "late"), Fault(Place("x", 2, 1), "a", "early")
    assert str(BadCase([later, first])) == "x:2:1: a early\nx:9:1: b late"


def test_what_is_no_readable_file(write, tmp_path):
    assert refusal("nowhere.yaml") == "nowhere.yaml: there is no such file; check the path"
    assert "directory" in refusal(tmp_path)
    assert "cannot be read" in refusal("a\0b.yaml")
    assert "not UTF-8" in refusal(write(b"\x89PNG\r\n\x1a\n"))
    assert "not UTF-8" in refusal(write("name: é".encode("latin-1")))
    assert "control characters" in refusal(write(b"PK\x03\x04\0\0"))


@pytest.mark.parametrize("ending", ["yaml", "json", "toml"])
def test_size_limit(write, ending):
    name = write("", f"big.{ending}")
    with open(name, "wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    assert refusal(name).startswith(f"{name}: the file has more than 256 KiB")
    assert "more than 256 KiB" in refusal(write(b"#" * (MAX_BYTES + 1), name))
    assert "more than 256 KiB" not in refusal(write(b"#" * MAX_BYTES, name))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device without end")
def test_device_without_end():
    assert "more than 256 KiB" in refusal("/dev/zero")


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="needs a user whom permissions bind"
)
def test_unreadable(write):
    name = write("a: 1")
    os.chmod(name, 0)
    assert "cannot be read (Permission denied)" in refusal(name)


@pytest.mark.parametrize("text", ["", "\n  \n", "# only a comment\n", "---\n", "null\n"])
def test_empty(write, text):
    assert "is empty" in refusal(write(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [("[1, 2]", "a.yaml"), ("just text", "a.yaml"), ("[1]", "a.json"), ("3", "a.json")],
)
def test_top_level(write, text, name):
    assert refusal(write(text, name)).startswith(f"{name}:1:1: the top level is not a mapping")


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("a: [1\nb: 2\n", "a.yaml", "2:2"),
        ("a: 1\n\tb: 2\n", "a.yaml", "2:1"),
        ("%YAML 9.9\n---\na: 1\n", "a.yaml", "1:1"),
        ('{"a": 1,\n  "b": 2,}', "a.json", "2:"),
        ("{'a': 1}", "a.json", "1:2"),
        ('{"a": 01}', "a.json", "1:"),
        ('{"a": 1} {"b": 2}', "a.json", "1:10"),
    ],
)
def test_syntax(write, text, name, place):
    message = refusal(write(text, name))
    assert message.startswith(f"{name}:{place}")
    assert "cannot be read" in message


def test_numbers_with_too_many_digits(write):
    for text, name in (
        ("a: " + "9" * 5000, "a.yaml"),
        ('{"a": ' + "9" * 5000 + "}", "a.json"),
        ("a = " + "9" * 5000, "a.toml"),
    ):
        assert "cannot be read" in refusal(write(text, name))


def test_yaml_version(write):
    assert read_document(write("%YAML 1.2\n---\na: no\n")).tree == {"a": "no"}
    assert "remove the line %YAML" in refusal(write("%YAML 1.1\n---\na: 1e3\n"))


def test_toml_syntax(write):
    assert refusal(write("a = 1\na = 2\n", "a.toml")).startswith("a.toml: TOML cannot be read: ")


def test_one_document_per_file(write):
    assert "a second YAML document" in refusal(write("a: 1\n---\nb: 2\n"))
    assert read_document(write("---\na: 1\n...\n")).tree == {"a": 1}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a: " + "[" * 50_000, "a.yaml"),
        ("- " * 50_000, "a.yaml"),
        ("? " * 50_000, "a.yaml"),
        ("{a: " * 30_000, "a.yaml"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "a.json"),
        ('{"a": ' + "[" * 25 + "]" * 25 + "}", "a.json"),
        ("a = " + "[" * 50_000 + "]" * 50_000, "a.toml"),
        ("a = " + "[" * 25 + "]" * 25, "a.toml"),
        (".".join("a" * 30_000) + " = 1", "a.toml"),
    ],
)
def test_deep_nesting(write, text, name):
    assert "nested deeper than 20" in refusal(write(text, name))


@pytest.mark.parametrize(
    ("name", "frame"), [("a.yaml", "{{a: {}}}"), ("a.json", '{{"a": {}}}'), ("a.toml", "a = {}")]
)
def test_nesting_limit(write, name, frame):
    text = frame.format("[" * 19 + "]" * 19)
    assert read_document(write(text, name))
    assert "nested deeper" in refusal(write(frame.format("[" * 20 + "]" * 20), name))


def test_alias_bomb(write):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)
    ]
    assert refusal(write("\n".join(lines))).startswith(
        "case.yaml:2:10: an alias (*) stands here; write the value out"
    )
    assert "alias" in refusal(write("a: &a {b: *a}"))


def test_tags(write):
    assert refusal(write("a: !!python/object:os.system x")).startswith("case.yaml:1:4: the tag")


def test_duplicates_everywhere(write):
    text = """\
        a: 1
        b:
          c: {d: 1, e: 2, d: 3}
          c: 4
        list: [{x: 1, x: 2}]
        a: 2
        a: 3
        """
    assert refusal(write(text)).splitlines() == [
        "case.yaml:3:19: b.c.d is given twice, first in line 3; keep one",
        "case.yaml:4:3: b.c is given twice, first in line 3; keep one",
        "case.yaml:5:15: list[0].x is given twice, first in line 5; keep one",
        "case.yaml:6:1: a is given twice, first in line 1; keep one",
        "case.yaml:7:1: a is given twice, first in line 1; keep one",
    ]
    faults: list[Fault] = []
    document = read_document("case.yaml", faults=faults)
    assert len(faults) == 5
    assert document.tree == {"a": 1, "b": {"c": {"d": 1, "e": 2}}, "list": [{"x": 1}]}
    assert document.place(("b", "c")) == Place("case.yaml", 3, 3)


def test_keys_that_are_not_text(write):
    text = "1: a\nb: {null: 1, true: 2}\n? [x, y]\n: 3\nc: 4\n"
    message = refusal(write(text))
    assert [line.split(": ", 1)[0] for line in message.splitlines()] == [
        "case.yaml:1:1",
        "case.yaml:2:5",
        "case.yaml:2:14",
        "case.yaml:3:3",
    ]
    assert "b has the key true; keys must be text" in message


def test_json_positions_tabs_and_duplicates(write):
    text = '{\n\t"a": {"b":1,\t"c": [1, {"d": NaN}]},\n\t"e": "x\\"{[",\r\n\t"a": 2\n}'
    assert (
        refusal(write(text.encode(), "a.json"))
        == "a.json:4:2: a is given twice, first in line 2; keep one"
    )
    faults: list[Fault] = []
    document = read_document("a.json", faults=faults)
    assert document.place(("a", "c")) == Place("a.json", 2, 15)
    assert document.place(("a", "c", 1, "d")) == Place("a.json", 2, 25)
    assert document.place(("e",)) == Place("a.json", 3, 2)
    assert document.tree["e"] == 'x"{['


def test_json_text(write):
    assert read_document(write('{"name": "\\ud83d\\ude00 \\/"}', "a.json")).tree == {
        "name": "\U0001f600 /"
    }
    assert refusal(write('{"name": "\\ud800"}', "a.json")).startswith(
        "a.json:1:10: half of a surrogate pair"
    )
    assert refusal(write('name: "\\ud800"')).startswith("case.yaml:1:7: half of a surrogate pair")
    assert read_document(write("\ufeffa: 1".encode())).tree == {"a": 1}


def test_yaml_values(write):
    text = (
        "a: 1e-3\nb: no\nc: 2020-01-01\nd: 'text'\ne: 1E3\nf: ~\ng: true\nh: '3'\ni: -7\nj: {<<:"
        " 1}\n"
    )
    assert read_document(write(text)).tree == {
        **{
            "a": 0.001,
            "b": "no",
            "c": "2020-01-01",
            "d": "text",
            "e": 1000.0,
            "f": None,
            "g": True,
            "h": "3",
            "i": -7,
        },
        "j": {"<<": 1},
    }


def test_place_falls_back_to_the_nearest_parent(write):
    document = read_document(write("# title\na:\n  b: 1\n"))
    assert document.place(("a", "b", "c", 0)) == Place("case.yaml", 3, 3)
    assert document.place(("a", "z")) == Place("case.yaml", 2, 1)
    assert document.place(("z",)) == Place("case.yaml", 2, 1)
    assert read_document(write("[a]\nb = 1\n", "a.toml")).place(("a", "b")) == Place("a.toml")


def test_base_merges_deep(write):
    os.mkdir("sub")
    write(
        '[demand]\nown = 1\ncross = 2\n[types]\nsupport = [0, 1]\npoints = 5\n[expect]\n"x" ='
        " {value = 1}\n",
        "root.toml",
    )
    write(
        "base: ../root.toml\ndemand: {cross: 3, list: [1, 2, 3]}\nexpect: {y: {value: 2}}\n",
        "sub/middle.yaml",
    )
    name = write("base: sub/middle.yaml\ndemand:\n  list: [9]\ntypes: {values: [0.5]}\n")
    document = read_document(name)
    assert document.tree == {
        "demand": {"own": 1, "cross": 3, "list": [9]},
        "types": {"values": [0.5]},
    }
    assert document.files == (name, "sub/middle.yaml", "sub/../root.toml")
    assert document.place(("demand", "cross")) == Place("sub/middle.yaml", 2, 10)
    assert document.place(("demand", "list", 0)) == Place(name, 3, 10)
    assert document.place(("demand", "list", 2)) == Place(name, 3, 3)
    assert document.place(("types", "points")) == Place(name, 4, 1)


def test_base_faults(write):
    assert (
        refusal(write("a: 1\nbase: gone.yaml\n"))
        == "case.yaml:2:1: base is gone.yaml: there is no such file; check the path"
    )
    assert "case.yaml:1:1: base is .: this is a directory" in refusal(write("base: .\n"))
    assert "base is 3; it must be text" in refusal(write("base: 3\n"))
    assert "case.yaml:1:1: base leads back to case.yaml" in refusal(write("base: case.yaml\n"))
    write("base: two.json\n", "one.yaml")
    write('{"base": "case.yaml"}', "two.json")
    assert refusal(write("base: one.yaml\n")).startswith(
        "two.json:1:2: base leads back to case.yaml"
    )
    write("a: [", "broken.yaml")
    assert refusal(write("base: broken.yaml\nb: 1\nb: 2\n")).count("\n") == 1


keys = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8
).filter(lambda key: key != "base")
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.slow
@given(tree=st.dictionaries(keys, values, min_size=1, max_size=4))
def test_json_round_trip(tree, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "round.json"
    for text in (json.dumps(tree), json.dumps(tree, ensure_ascii=False, indent="\t")):
        path.write_text(text, encoding="utf-8", newline="")
        document = read_document(path)
        assert document.tree == tree
        lines = text.split("\n")
        for key in tree:
            place = document.place((key,))
            assert lines[place.line - 1][place.column - 1] == '"'


punctuation = st.text("{}[]:,-?|>&*!%@#'\"\\\n\t ab01.e~<=é\u2028\U0001f600", max_size=40)


@pytest.mark.slow
@given(text=punctuation, name=st.sampled_from(["f.yaml", "f.json", "f.toml"]))
@example(text="? a\n: 1\na:~ 2", name="f.yaml")
@example(text="name:~ x\n? y\n", name="f.yaml")
def test_nothing_but_bad_case_escapes(text, name, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(text, encoding="utf-8", newline="")
    with contextlib.suppress(BadCase):
        assert isinstance(read_document(path).tree, dict)
