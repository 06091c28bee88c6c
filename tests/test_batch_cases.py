"""cases.csv: read as spreadsheets write it, wrong lines named, nobody lost."""

from datetime import date
from pathlib import Path

import pytest

from batches import outcomes, plans, rows, run_here
from exports import export
from sbrtcheck import CaseError
from sbrtcheck.dossier.cases import CaseRow, load_cases, merged
from sbrtcheck.model import CaseFacts, PriorRadiotherapy, patient_key

HEAD = "patient_id,centre,trial_number,surgery_date,first_fraction,operated_levels,prior_rt,conus_level"
UID = "1.2.826.0.1.3680043.10.999"


def load_cases_of(
    folder: Path, text: str, encoding: str = "utf-8"
) -> dict[str, CaseRow]:
    (folder / "cases.csv").write_bytes(text.encode(encoding))
    return load_cases(folder / "cases.csv")


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(CaseError) as caught:
        load_cases_of(folder, text)
    return [str(row) for row in caught.value.candidates]


def test_a_row_is_all_that_is_known_of_a_case(tmp_path: Path) -> None:
    found = load_cases_of(
        tmp_path,
        f"{HEAD}\nSH-01,上海,017,2026-01-02,2026-01-19,T11;T12,none,L1\nSH-02,,,,,,,\n",
    )

    row = found["sh-01"]
    assert (row.line, row.patient_id, row.trial_number) == (2, "SH-01", "017")
    assert row.facts == CaseFacts(
        centre="上海",
        surgery_date=date(2026, 1, 2),
        first_fraction_date=date(2026, 1, 19),
        operated_levels=("T11", "T12"),
        prior_radiotherapy=PriorRadiotherapy.NONE,
        conus_level="L1",
    )
    assert (found["sh-02"].facts, found["sh-02"].trial_number) == (CaseFacts(), None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_spreadsheet_programs_write_is_read(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    text = "Patient ID,Centre,First-Fraction,operated levels,Prior RT\r\nA,广州,2026/1/9,t8 T9,NONE\r\n"

    row = load_cases_of(tmp_path, text.replace(",", separator), encoding)["a"]

    assert row.facts.centre == "广州"
    assert row.facts.first_fraction_date == date(2026, 1, 9)
    assert row.facts.operated_levels == ("T8", "T9")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["line 1: no columns; the first line names them"]),
        (
            "centre\nX\n",
            ["line 1: there is no column patient_id", "line 2: patient_id is empty"],
        ),
        (
            "patient_id,center\nA,X\n",
            ["line 1: unknown column 'center'; did you mean centre?"],
        ),
        ("patient_id,patient_id\nA,B\n", ["line 1: column patient_id stands twice"]),
        ("patient_id\nA\n\na\n", ["line 4: the patient ID stands in line 2 already"]),
        (
            "patient_id,centre\nA,X,Y\n",
            ["line 2: cell 3 is filled, and its column has no name"],
        ),
        (
            "patient_id,surgery_date\nA,02.01.2026\n",
            ["line 2: surgery_date: '02.01.2026' is not"],
        ),
        (
            "patient_id,surgery_date\nA,2026-02-30\n",
            ["line 2: surgery_date: '2026-02-30' is not a"],
        ),
        (
            "patient_id,operated_levels\nA,T13\n",
            ["line 2: operated_levels: 'T13' is not a vertebral level"],
        ),
        (
            "patient_id,prior_rt\nA,perhaps\n",
            ["line 2: prior_rt: 'perhaps' is not one of 'none'"],
        ),
        (
            "patient_id,operated_levels,\nA,T8,T9\n",
            ["line 2: cell 3 is filled, and its column"],
        ),
        (
            "patient_id,surgery_date,first_fraction\nA,2026-01-20,2026-01-10\n",
            ["line 2: first_fraction: is before surgery_date"],
        ),
        ('patient_id\n"A\n', ["line 2: unexpected end of data"]),
        (
            "patient_id,prior_rt,conus_level\nA,maybe,Q1\n,none,L1\n",
            [
                "line 2: prior_rt: ",
                "line 2: conus_level: ",
                "line 3: patient_id is empty",
            ],
        ),
    ],
)
def test_every_wrong_line_is_named(tmp_path: Path, text: str, said: list[str]) -> None:
    found = problems(tmp_path, text)

    assert len(found) == len(said), found
    for row, start in zip(found, said, strict=True):
        assert row.startswith(start)


@pytest.mark.parametrize(
    "text",
    [
        '"sep=,"\npatient_id, surgery_date, operated_levels\nP1, 2026年1月9日, "T8,T9"\n',
        "sep=;;;\npatient_id;surgery_date;operated_levels\nP1;2026-01-09 00:00;T8,T9\n",
        'sep=,\npatient_id,surgery_date,operated_levels\nP1,2026-01-09,"T8,T9"\n',
        "sep=;\r\npatient_id;surgery_date;operated_levels\r\nP1;2026-1-9;T8,T9\r\n",
        "\n\npatient_id;surgery_date;operated_levels\nP1;2026/01/09;T8 T9,\n",
        "patient_id\tsurgery_date\toperated_levels\n\u200bＰ１\t２０２６-０１-０９\tＴ８，Ｔ９\n",
        'patient_id,surgery_date,operated_levels\n="P1",2026-01-09,T8;T9\n',
        'patient_id,surgery_date,operated_levels\n"=""P1""",2026-01-09,T8、T9\n',
    ],
)
def test_what_hides_in_cells_does_not_part_a_patient_from_the_plan(
    tmp_path: Path, text: str
) -> None:
    (row,) = load_cases_of(tmp_path, text).items()

    assert row[0] == patient_key(" p1 ")
    assert row[1].facts == CaseFacts(
        surgery_date=date(2026, 1, 9), operated_levels=("T8", "T9")
    )


def test_an_encoding_that_nobody_uses_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_bytes(b"patient_id\n\xff\xff\xff")

    with pytest.raises(CaseError, match="UTF-8"):
        load_cases(tmp_path / "cases.csv")


def test_a_wrong_table_stops_the_run_before_any_plan(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    (tmp_path / "cases.csv").write_text("patient_id,centre\nA\nA\n")

    with pytest.raises(CaseError, match="the cases have 1 problem"):
        run_here(tmp_path / "in", out=tmp_path / "out", cases=tmp_path / "cases.csv")
    assert not (tmp_path / "out").exists()


def test_facts_of_a_row_are_judged(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, patient_id="A")
    export(tmp_path / "in/2", 2, patient_id="b", frame="2")
    export(tmp_path / "in/3", 3, patient_id="C", frame="3")
    (tmp_path / "in/cases.csv").write_text(
        f"{HEAD}\nA,Shanghai,7,2025-12-20,2026-01-05,T8,none,\nB,Beijing,8,,,T8,yes,\nD,X,9,,,,,\n"
    )

    result = run_here(
        tmp_path / "in", out=tmp_path / "out", cases=tmp_path / "in/cases.csv"
    )

    found = plans(tmp_path / "out")
    first = found[f"{UID}.1.1"]
    assert (first["outcome"], first["centre"], first["trial_number"]) == (
        "PASS",
        "Shanghai",
        "7",
    )
    assert (first["prior_rt"], first["case_row"]) == ("none", "2")
    assert outcomes(tmp_path / "out") == {"1": "PASS", "2": "UNDECIDED", "3": "PASS"}
    assert "earlier irradiation is declared" in found[f"{UID}.2.1"]["reason"]
    findings = rows(tmp_path / "out/findings.csv")
    (days,) = (
        row["message"]
        for row in findings
        if (row["plan"], row["id"]) == (first["plan"], "surgery_interval")
    )
    assert days.startswith("16 days from surgery")
    assert result.tally.without_row == (found[f"{UID}.3.1"]["plan"],)
    assert result.tally.without_plan == (4,)
    assert result.published.conditional == 1
    assert result.tally.quarantined == 0  # the cases themselves are no stray


def test_a_row_and_a_file_beside_the_plan_add_up_or_contradict(tmp_path: Path) -> None:
    one = CaseFacts(centre="A", operated_levels=("T8",))
    other = CaseFacts(operated_levels=("T9",), conus_level="L1")
    assert merged(one, other)[1] == ["operated_levels"]
    assert merged(one, CaseFacts(conus_level="L1")) == (
        CaseFacts(centre="A", operated_levels=("T8",), conus_level="L1"),
        [],
    )

    export(tmp_path / "in", 1, patient_id="A")
    (tmp_path / "in/case.toml").write_text('operated_levels = ["T9"]\n')
    (tmp_path / "cases.csv").write_text("patient_id,operated_levels\nA,T8\n")
    run_here(tmp_path / "in", out=tmp_path / "out", cases=tmp_path / "cases.csv")
    (row,) = plans(tmp_path / "out").values()
    assert row["outcome"] == "ERROR"
    assert "contradict each other: operated_levels" in row["reason"]


def test_a_wrong_file_beside_the_plan_is_its_error(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, patient_id="A")
    export(tmp_path / "in/2", 2, patient_id="B", frame="2")
    (tmp_path / "in/1/case.toml").write_text('prior = "none"\n')

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "ERROR", "2": "PASS"}
    assert "did you mean prior_rt" in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]
