"""Words and numbers for people: masked, escaped, and never against the verdict."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sbrtcheck import Outcome, Verdict, check, load_case, load_protocol
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Patient, Text, Value, approval_term
from sbrtcheck.protocol.metric import parse_constraint
from sbrtcheck.report.as_json import render_json
from sbrtcheck.report.text import Page, render_text
from sbrtcheck.report.words import (
    Voice,
    decided_number,
    number,
    number_and_interval,
    printable,
)

SAMPLES = Path(__file__).parents[1] / "sample_dicom"


def judge(name: str) -> Verdict:
    return check(load_case(SAMPLES / name), load_protocol("nct06756087"))


@pytest.fixture(scope="module")
def passed() -> Verdict:
    return judge("t8_30gy5_pass")


@pytest.fixture(scope="module")
def varied() -> Verdict:
    return judge("t11t12_36gy6_variation")


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (60.004, "D2% <= 60Gy", "60.004"),
        (60.0, "D2% <= 60Gy", "60.00"),
        (25.3000004, "D0.035cc <= 25.3Gy", "25.300000"),
        (89.96, "V100% >= 90%", "89.96"),
        (90.04, "V100% >= 90%", "90.0"),
        (12.345, "D2% <= 60Gy", "12.35"),
    ],
)
def test_rounding_never_contradicts_the_comparison(
    value: float, limit: str, text: str
) -> None:
    """Lesson 27: 60.004 > 60.00 must not be printed as 60.00 > 60.00."""
    assert decided_number(value, parse_constraint(limit)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(25.3, "25.3"), (30.0, "30"), (0.035, "0.035"), (0.0, "0"), (12.346, "12.35")],
)
def test_numbers_in_sentences_are_short(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("numbers", "limit", "decimals", "shown"),
    [
        ((16.2, 15.9, 16.5), "D2% <= 60Gy", 2, ("16.20", "(15.90-16.50)")),
        ((1480.2, 1410.1, 1500.4), None, 0, ("1480", "(1410-1500)")),
        ((16.2, 16.199, 16.202), None, 2, ("16.20", "")),
        ((16.2, 16.2, 16.5), None, 2, ("16.20", "(16.20-16.50)")),
        ((16.204, 16.196, 16.5), None, 2, ("16.204", "(16.196-16.500)")),
        ((25.2, 25.1, 25.3004), "D2% <= 25.3Gy", 2, ("25.2000", "(25.1000-25.3004)")),
    ],
)
def test_an_interval_has_the_digits_of_its_value_and_agrees_with_the_limit(
    numbers: tuple[float, float, float],
    limit: str | None,
    decimals: int,
    shown: tuple[str, str],
) -> None:
    """No interval where it says nothing; one more digit where that tells its end from the value."""
    constraint = None if limit is None else parse_constraint(limit)

    assert number_and_interval(*numbers, constraint, decimals) == shown


def with_intervals(verdict: Verdict, share: float) -> Verdict:
    """Return a verdict in which every value has an interval of so many parts to either side."""

    def widened(finding: Finding) -> Finding:
        value = finding.value
        if value is None or value.value is None:
            return finding
        low, high = value.value * (1 - share), value.value * (1 + share)
        return replace(finding, value=Value(value.value, low=low, high=high))

    return replace(verdict, findings=tuple(widened(f) for f in verdict.findings))


def test_every_graded_row_shows_its_interval_in_columns(passed: Verdict) -> None:
    """At 100 characters no row of a table breaks, and outcomes stand below one another."""
    page = render_text(with_intervals(passed, 0.02), Page(verbose=True, width=100))
    rows = [
        line for line in page.splitlines() if re.search(r"\(\d[\d.]*-[\d.]+\) ", line)
    ]

    assert len(rows) == sum(
        f.id.startswith(("limit.", "coverage"))
        and f.metric is not None
        and f.value is not None
        and f.value.value is not None
        for f in passed.findings
    )
    assert max(map(len, page.splitlines())) <= 100
    for name in ("SpinalCord", "Lungs"):
        columns = {row.index("√ PASS") for row in rows if row.startswith(name)}
        assert len(columns) == 1
    assert page.count("± and low-high: reading of contours and grid only") == 1


def test_intervals_that_say_nothing_are_left_out(passed: Verdict) -> None:
    page = render_text(with_intervals(passed, 1e-6), Page(verbose=True))

    assert page == render_text(with_intervals(passed, 0), Page(verbose=True))
    assert "low-high" not in page


def test_a_bounded_value_shows_both_ends(passed: Verdict) -> None:
    """What cannot be known has an interval, too: nothing less is known of it."""
    bounded = Value(None, low=9.5, high=27.25, reason=Text("outside"))
    findings = tuple(
        replace(f, value=bounded, margin=None, outcome=Outcome.UNDECIDED)
        if f.id == "limit.cord"
        else f
        for f in passed.findings
    )

    page = render_text(replace(passed, findings=findings), Page())

    assert re.search(r"SpinalCord +not known +\(9.50-27.25\)", page)


def test_a_long_name_does_not_break_the_columns(passed: Verdict) -> None:
    name = "Spinal cord, drawn twice by the resident and once by his neurosurgeon 脊髓"
    findings = tuple(
        replace(f, roi=name) if f.id == "limit.cord" else f for f in passed.findings
    )

    page = render_text(replace(passed, findings=findings), Page(width=100))
    lines = page[page.index("Neural") :].splitlines()
    at = lines.index(name)

    others = [line for line in lines[at + 2 :] if line.startswith("SpinalCord_PRV02")]
    assert lines[at + 1].index("√ PASS") == others[0].index("√ PASS")


def test_control_and_direction_characters_are_shown_as_escapes() -> None:
    """A name from a file must not move the cursor or turn the line round."""
    assert printable("PTV\x1b[2J\u202e\r\n") == "PTV\\x1b[2J\\u202e\\r\\n"
    assert printable("脊髓 é") == "脊髓 é"


def test_a_name_from_a_file_is_no_markup(passed: Verdict) -> None:
    row = next(row for row in passed.structures if row.match.structure == "PTV")
    roi = replace(row.match.roi, name="[red]PTV[/red]{x}\x1b[31m")
    odd = replace(passed, structures=(replace(row, match=replace(row.match, roi=roi)),))

    page = render_text(odd, Page(verbose=True, phi=True))
    assert "[red]" in page
    assert "{x}\\x1b[31m" in page


@pytest.mark.parametrize(
    "text", ["Zhang San T8", "ZHANG_T8", "plan of zhangsan", "ID-00042 T8"]
)
def test_what_names_the_patient_is_masked_in_strings_from_files(text: str) -> None:
    voice = Voice(Patient(patient_id="ID-00042", name="Zhang^San"), phi=False)

    said = voice.say(Text("{label}", label=text)).casefold()

    assert "zhang" not in said
    assert "00042" not in said
    assert "***" in said


def test_the_approval_of_another_plan_shows_terms_of_dicom_only() -> None:
    assert approval_term(" approved") == "APPROVED"
    assert approval_term("BY DR ZHANG") == "other"
    assert approval_term("") is approval_term(None) is None


@pytest.mark.parametrize(
    "text", ["P4711", "p_4711", "Ｐ－４７１１", "07061955", "06/07/1955", "1955.06.07"]
)
def test_other_ways_to_write_an_id_or_a_birth_date_are_masked(text: str) -> None:
    patient = Patient(patient_id="P-4711", birth_date="19550607")
    assert patient.masked(f"ring {text} cm") == "ring *** cm"


def test_a_short_id_hits_no_other_number() -> None:
    assert Patient(patient_id="T-8").masked("PTV_T8 2 mm") == "PTV_T8 2 mm"
    assert Patient(patient_id="P-4711").masked("ＰＴＶ 胸８") == "ＰＴＶ 胸８"


def test_a_name_is_masked_as_each_of_the_files_spells_it(passed: Verdict) -> None:
    structures = passed.case.structure_set
    spelt = replace(structures.instance, patient=Patient(name="Tschang^San"))
    case = replace(passed.case, structure_set=replace(structures, instance=spelt))
    note = Text("drawn by {who}", who="Frau Tschang")
    verdict = replace(passed, case=replace(case, notes=(*case.notes, note)))

    for page in (render_text(verdict, Page(verbose=True)), render_json(verdict)):
        assert "Tschang" not in page
    assert "Frau Tschang" in render_text(verdict, Page(verbose=True, phi=True))


def test_stars_are_explained_where_a_word_was_masked(passed: Verdict) -> None:
    """A patient called Breast turns the target Breast into stars, and the reader should know why."""
    plan = passed.case.plan
    named = replace(
        plan.instance, patient=Patient(patient_id="1", name="boost^T8"), label="Boost"
    )
    starred = replace(
        passed, case=replace(passed.case, plan=replace(plan, instance=named))
    )
    words = "*** stands for words of the patient's name or ID"

    assert words in render_text(starred, Page())
    assert words not in render_text(starred, Page(phi=True))
    assert words not in render_text(passed, Page())


def test_phi_shows_what_was_masked() -> None:
    voice = Voice(Patient(patient_id="ID-00042", name="Zhang^San"), phi=True)

    assert voice.name("Zhang T8") == "Zhang T8"
    assert voice.patient_tail() == "ID-00042  Zhang^San"


@pytest.mark.parametrize(
    ("patient_id", "tail"),
    [("SBRT-0001", "…001"), ("1234", "…34"), ("7", "…"), (None, "(no ID)")],
)
def test_at_most_half_of_a_patient_id_is_shown(
    patient_id: str | None, tail: str
) -> None:
    assert Voice(Patient(patient_id=patient_id), phi=False).patient_tail() == tail


@pytest.mark.parametrize(
    "name", ["t8_30gy5_pass", "t8_30gy5_chinese_pass", "t4_30gy5_level_fail"]
)
def test_no_output_holds_name_id_birth_date_or_path(name: str) -> None:
    verdict = judge(name)
    patient = verdict.case.plan.instance.patient
    secrets = [
        patient.name,
        patient.patient_id,
        patient.birth_date,
        "Sample",
        str(SAMPLES),
        "RP.dcm",
    ]

    for output in (render_text(verdict, Page(verbose=True)), render_json(verdict)):
        for secret in secrets:
            assert secret is not None
            assert secret not in output


def test_the_page_keeps_its_order(varied: Verdict) -> None:
    page = render_text(varied, Page())
    landmarks = (
        "sbrtcheck 0",
        "DRAFT PROTOCOL",
        "Plan ",
        "Prescription ",
        "Scheme ",
        "Levels ",
        "Cord ",
        "Cord PRV ",
        "Target ",
        "Dose ",
        "VERDICT:",
        "Trial rules (NCT06756087)",
        "Dosimetry (",
        "Neural ",
        "Targets ",
        "Checks",
        "Why VARIATION",
        "Not checked",
    )
    places = [page.index(landmark) for landmark in landmarks]

    assert places == sorted(places)


def test_the_banner_counts_variations_and_names_prior_irradiation(
    varied: Verdict,
) -> None:
    page = render_text(varied, Page())

    assert (
        "PASS WITH 1 VARIATION, if no earlier irradiation at this level (not provided)"
        in page
    )


def test_the_reasons_say_each_cause_once_with_its_cure() -> None:
    """The rows that a missing part of the grid holds back are not named again below them."""
    page = render_text(judge("t8_30gy5_cord_leaves_grid_undecided"), Page())
    reasons = page[page.index("Why UNDECIDED") :]

    assert "limit." not in reasons
    assert (
        reasons.count(
            "17.24 % of 'SpinalCord' lies outside the dose grid; export the dose"
        )
        == 1
    )
    assert (
        reasons.count(
            "22.58 % of 'SpinalCord_PRV02' lies outside the dose grid; export"
        )
        == 1
    )


def test_a_row_that_passes_is_never_not_known() -> None:
    """The cauda has 4.77 cc: no dose of 5 cc can be named, and all of it keeps the limit."""
    page = render_text(judge("l2_24gy4_pass"), Page())
    row = next(line for line in page.splitlines() if "D5cc" in line)

    assert re.search("D5cc +all of it +<= 24.8 Gy", row)


@pytest.mark.parametrize("width", [80, 110])
def test_wrapped_sentences_hang_below_their_first_line(width: int) -> None:
    """Behind the tables nothing but a heading starts at the margin."""
    page = render_text(judge("pair_sum_fail_t7"), Page(width=width))
    lines = page[page.index("  not provided (case.toml)") :].splitlines()

    at_margin = [line for line in lines if line and not line.startswith("  ")]
    assert all(
        line.startswith(("√ PASS: ", "Why ", "Not checked", "Notes"))
        for line in at_margin
    )
    assert any(line.startswith("    ") for line in lines)
    assert max(map(len, lines)) <= width


def test_strict_turns_a_variation_into_a_failure(varied: Verdict) -> None:
    assert "FAIL (--strict: 1 variation counted as FAIL)" in render_text(
        varied, Page(strict=True)
    )
    document = json.loads(render_json(varied, strict=True))
    assert (document["outcome"], document["exit_code"]) == ("VARIATION", 1)


def test_every_outcome_has_a_mark_and_a_word(varied: Verdict) -> None:
    page = render_text(varied, Page())

    assert "√ PASS" in page
    assert "△ VARIATION" in page


def test_an_ascii_page_is_ascii() -> None:
    assert render_text(judge("t8_30gy5_chinese_pass"), Page(ascii=True)).isascii()


def test_a_page_can_be_printed_on_a_gbk_console(varied: Verdict) -> None:
    for verdict in (
        varied,
        judge("t8_30gy5_chinese_pass"),
        judge("t6_42gy7_cord_fail"),
    ):
        render_text(verdict, Page(verbose=True)).encode("gbk")


def test_colour_only_comes_with_a_terminal(varied: Verdict) -> None:
    assert "\x1b[" not in render_text(varied, Page())
    assert "\x1b[" in render_text(varied, Page(colour=True))


def test_json_is_ascii_and_carries_template_and_values() -> None:
    text = render_json(judge("t8_30gy5_chinese_pass"))
    cord = next(f for f in json.loads(text)["findings"] if f["id"] == "limit.cord")

    assert text.isascii()
    assert cord["roi"] == "脊髓"
    assert cord["limit"] == "<= 25.3 Gy"
    assert cord["margin"] == pytest.approx(25.3 - cord["value"])
    assert cord["text"]["template"].format(**cord["text"]["values"]) == cord["message"]
