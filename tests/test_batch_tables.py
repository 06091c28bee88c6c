"""The tables of a batch: documented, typed, exact, and harmless in a spreadsheet."""

import csv
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom

from batches import contents, outcomes, plans, rows, run_here
from builders import box
from exports import export
from sbrtcheck import compute_dvh, load_case
from sbrtcheck.batch import columns
from sbrtcheck.batch.columns import Column
from sbrtcheck.batch.summary import Counted, clopper_pearson, summarise
from sbrtcheck.batch.tables import cell
from test_cli import run

DOCS = Path(__file__).parents[1] / "docs" / "results.md"
TABLES = {
    "plans.csv": columns.PLANS,
    "metrics.csv, metrics.parquet": columns.METRICS,
    "findings.csv": columns.FINDINGS,
    "dvh.parquet": columns.DVH,
    "quarantine.csv": columns.QUARANTINE,
    "summary.csv": columns.SUMMARY,
}
EVIL = "=cmd|'/C c'!A0"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results of four plans at two centres, one of them with names that would run."""
    folder = tmp_path_factory.mktemp("tables")
    export(folder / "in/1", 1, patient_id="A", frame="1", cord_gy=6.0)
    export(folder / "in/2", 2, patient_id="B", frame="2", cord_gy=25.3)
    export(folder / "in/3", 3, patient_id="C", frame="3", cord_gy=28.0, target="PTV_L3")
    evil = (box("=HYPERLINK(1)", (-6, -46, -24), (6, -45, 24)),)
    export(folder / "in/4", 4, patient_id="D", frame="4", label=EVIL, extra=evil)
    cases = folder / "cases.csv"
    cases.write_text(
        "patient_id,centre,trial_number,prior_rt\nA,上海,T-1,none\nB,上海,@T2,\nC,Beijing,-3,\n",
        encoding="utf-8",
    )
    run_here(folder / "in", out=folder / "out", cases=cases)
    return folder / "out"


# --- Columns ------------------------------------------------------------------------------------


def documented() -> str:
    """Return the part of the page that the code decides."""
    lines = ["<!-- columns -->", ""]
    for name, table in TABLES.items():
        lines += [
            f"## `{name}`",
            "",
            "| column | kind | unit | meaning |",
            "| --- | --- | --- | --- |",
        ]
        lines += [f"| `{c.name}` | {c.kind} | {c.unit} | {c.meaning} |" for c in table]
        lines.append("")
    return "\n".join([*lines, "<!-- end of columns -->"])


def test_every_column_is_documented_as_it_is() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert documented() in text
    assert f"**schema {columns.SCHEMA}**" in text


@pytest.mark.parametrize(
    "name", ["plans", "metrics", "findings", "quarantine", "summary"]
)
def test_csv_has_the_columns_and_a_byte_order_mark(out: Path, name: str) -> None:
    content = (out / f"{name}.csv").read_bytes()
    table = getattr(columns, name.upper())

    assert content.startswith(b"\xef\xbb\xbf")
    with (out / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        head, *body = csv.reader(file)
    assert head == [column.name for column in table]
    for row in body:
        for text, column in zip(row, table, strict=True):
            if text and column.kind in ("number", "whole"):
                float(text)


@pytest.mark.parametrize(
    ("name", "table"), [("metrics", columns.METRICS), ("dvh", columns.DVH)]
)
def test_parquet_has_the_columns_and_kinds(
    out: Path, name: str, table: tuple[Column, ...]
) -> None:
    schema = pq.read_schema(out / f"{name}.parquet")
    kinds = {"text": "string", "number": "double", "whole": "int64", "flag": "bool"}

    assert [(field.name, str(field.type)) for field in schema] == [
        (column.name, kinds[column.kind]) for column in table
    ]


def test_both_forms_of_metrics_hold_the_same(out: Path) -> None:
    parquet = pq.read_table(out / "metrics.parquet").to_pylist()
    text = rows(out / "metrics.csv")

    assert len(parquet) == len(text) > 30
    for one, other in zip(parquet, text, strict=True):
        for name in ("value", "low", "high", "margin"):
            assert other[name] == ("" if one[name] is None else repr(one[name]))
        assert (one["plan"], one["structure"]) == (other["plan"], other["structure"])


def test_the_reader_of_chinese_excel_sees_the_centre(out: Path) -> None:
    assert {row["centre"] for row in rows(out / "plans.csv")} == {"上海", "Beijing", ""}


def test_no_cell_runs(out: Path) -> None:
    assert plans(out)["1.2.826.0.1.3680043.10.999.4.1"]["label"] == "'" + EVIL
    for path in out.glob("*.csv"):
        for row in rows(path):
            for text in row.values():
                if text.startswith(("=", "+", "-", "@", "\t", "\r")):
                    float(text)  # a negative number is no formula


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"]
)
def test_text_that_would_run_begins_with_an_apostrophe(start: str) -> None:
    text = Column("roi", "text", "", "")
    assert cell(f"{start}1+1", text) == f"'{start}1+1"
    assert cell(-1.5, Column("margin", "number", "Gy", "")) == -1.5
    assert cell(None, text) == ""
    assert cell(True, Column("required", "flag", "", "")) == "true"


def test_curves_are_those_of_the_engine(out: Path) -> None:
    folder = out.parent / "in/2"
    case = load_case(folder)
    dvh = compute_dvh(case.structure_set.roi("SpinalCord"), case.dose)
    plan = plans(out)["1.2.826.0.1.3680043.10.999.2.1"]["plan"]

    found = [
        row
        for row in pq.read_table(out / "dvh.parquet").to_pylist()
        if (row["plan"], row["structure"]) == (plan, "SpinalCord")
    ]

    assert dvh.volume_cc is not None
    for row in found:
        expected = dvh.volume_at_dose_cc(row["dose_gy"])
        assert row["volume_cc"] == pytest.approx(expected, rel=1e-5)
        assert row["volume_percent"] == pytest.approx(
            100 * row["volume_cc"] / dvh.volume_cc
        )
    assert [row["dose_gy"] for row in found[:4]] == [0.0, 0.1, 0.2, 0.3]
    assert found[-1]["volume_cc"] == 0.0


def test_run_json_holds_the_hash_of_every_result(out: Path) -> None:
    import hashlib

    hashes = json.loads((out / "run.json").read_text())["outputs"]

    assert hashes == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in contents(out).items()
    }


# --- Counting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [1, 2, 7, 30, 200])
def test_the_interval_is_where_the_binomial_tails_are_a_fortieth(of: int) -> None:
    for count in range(of + 1):
        interval = clopper_pearson(count, of)
        assert interval is not None
        low, high = interval
        if count:
            assert binom.sf(count - 1, of, low) == pytest.approx(0.025, rel=1e-9)
        else:
            assert low == 0.0
        if count < of:
            assert binom.cdf(count, of, high) == pytest.approx(0.025, rel=1e-9)
        else:
            assert high == 1.0


def test_published_intervals_are_met() -> None:
    """Clopper & Pearson as tabulated by Newcombe 1998 (Stat Med 17:857), table I, method 5."""
    for count, of, low, high in (
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ):
        assert clopper_pearson(count, of) == pytest.approx((low, high), abs=5e-5)


def test_no_plans_have_no_interval() -> None:
    assert clopper_pearson(0, 0) is None


def test_deviations_are_counted_by_group_and_rules() -> None:
    def plan(
        centre: str | None, levels: tuple[str, ...], trial: str, dosimetry: str
    ) -> Counted:
        both = max(
            trial,
            dosimetry,
            key=("PASS", "VARIATION", "UNDECIDED", "FAIL", "ERROR").index,
        )
        told = {"trial": trial, "dosimetry": dosimetry, "both": both}
        return Counted(
            centre=centre, scheme="30 Gy/5", levels=levels, outcomes=dict(told)
        )

    found = list(
        summarise(
            [
                plan("A", ("T8",), "PASS", "FAIL"),
                plan("A", ("T11", "T12"), "PASS", "VARIATION"),
                plan("B", (), "UNDECIDED", "UNDECIDED"),
                plan(None, (), "ERROR", "ERROR"),
            ]
        )
    )

    def row(rules: str, by: str, group: str, deviation: str) -> dict[str, object]:
        keys = {"rules": rules, "by": by, "group": group, "deviation": deviation}
        (only,) = [r for r in found if keys.items() <= r.items()]
        return only

    everything = row("dosimetry", "all", "all", "VARIATION or FAIL")
    assert [
        everything[n] for n in ("plans", "decided", "undecided", "errors", "count")
    ] == [*(4, 2, 1, 1, 2)]
    assert row("dosimetry", "all", "all", "FAIL")["percent"] == 50.0
    assert row("trial", "all", "all", "FAIL")["count"] == 0
    assert row("both", "centre", "A", "FAIL")["count"] == 1
    assert row("both", "level", "T11", "VARIATION or FAIL")["count"] == 1
    assert row("both", "level", "unknown", "FAIL")["decided"] == 0
    assert row("both", "level", "unknown", "FAIL")["low_percent"] is None
    assert row("both", "centre", "not provided", "FAIL")["errors"] == 1


def test_the_summary_adds_up_with_the_plans(out: Path) -> None:
    found = outcomes(out)
    everything = next(
        row
        for row in rows(out / "summary.csv")
        if (row["rules"], row["by"], row["deviation"]) == ("both", "all", "FAIL")
    )
    assert int(everything["count"]) == list(found.values()).count("FAIL")
    assert int(everything["plans"]) == len(found) == 4


# --- Queries of the page ------------------------------------------------------------------------


def queries() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def ask(
    query: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Any, ...]]:
    monkeypatch.chdir(out)
    with duckdb.connect() as database:
        return database.execute(query).fetchall()


def test_near_maximum_by_centre(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(queries()[0], out, monkeypatch)

    assert [row[0] for row in found] == ["Beijing", "not provided", "上海"]
    shanghai = found[2]
    assert shanghai[1] == 2
    assert shanghai[2] == pytest.approx((6.0 + 25.3) / 2, abs=0.02)
    assert shanghai[3] == pytest.approx(25.3, abs=0.02)


def test_plans_that_the_numerics_decide(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ask(queries()[1], out, monkeypatch)

    near = plans(out)["1.2.826.0.1.3680043.10.999.2.1"]["plan"]
    assert near in {row[0] for row in found}
    metrics = pq.read_table(out / "metrics.parquet").to_pylist()
    for row in metrics:
        if row["limit"] and row["value"] is not None:
            line = float(row["limit"].split()[1])
            beyond = row["low"] <= line <= row["high"]
            told = (row["plan"], row["structure"], row["metric"]) in {
                r[:3] for r in found
            }
            assert (
                told == beyond
                or math.isclose(line, row["low"])
                or math.isclose(line, row["high"])
            )


def test_the_dvh_of_a_population(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(queries()[2], out, monkeypatch)

    by_dose = {round(float(str(row[0])), 1): row[1:] for row in found}
    assert by_dose[0.0] == pytest.approx((100.0, 100.0, 100.0))
    for lower, middle, upper in by_dose.values():
        assert lower <= middle <= upper
    # Between 6 and 25 Gy two of the four cords still have volume, behind the target.
    assert by_dose[10.0][0] == 0.0
    assert by_dose[10.0][2] > 0.0


# --- The page on running ------------------------------------------------------------------------


def test_the_script_of_the_page_runs(samples: Path, tmp_path: Path) -> None:
    page = (DOCS.parent / "batch.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "sample_dicom").symlink_to(samples, target_is_directory=True)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("{'PASS': 13, 'VARIATION': 3, ")
    assert (tmp_path / "results/plans.csv").exists()


def test_the_page_names_every_option() -> None:
    page = (DOCS.parent / "batch.md").read_text(encoding="utf-8")
    told = run("batch", "--help").stdout
    for option in set(re.findall(r"--[a-z-]+", told)) - {"--help", "--ascii", "--jobs"}:
        assert f"`{option}" in page, option
