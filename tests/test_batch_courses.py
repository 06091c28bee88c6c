"""Plans of one patient in a batch: revisions, parts of one course, and what is not known of them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from batches import outcomes, plans, rows, run_here
from builders import box, dose_grid
from exports import export
from sbrtcheck.batch.work import Failed, PatientTask, judge_patient
from sbrtcheck.checks.orphans import why_not_superseded
from sbrtcheck.model import DoseGrid

UID = "1.2.826.0.1.3680043.10.999"


def test_the_approved_revision_is_judged_and_the_other_listed(tmp_path: Path) -> None:
    export(tmp_path / "in/old", 1, approval="REJECTED", cord_gy=29.5)
    export(tmp_path / "in/new", 2, date="20260108")

    result = run_here(tmp_path / "in", out=tmp_path / "out")

    old, new = (
        plans(tmp_path / "out")[f"{UID}.1.1"],
        plans(tmp_path / "out")[f"{UID}.2.1"],
    )
    assert (new["outcome"], new["role"]) == ("PASS", "judged")
    assert (old["outcome"], old["role"]) == (
        "FAIL",
        "superseded",
    )  # it has a verdict of its own
    findings = rows(tmp_path / "out/findings.csv")
    (told,) = (row for row in findings if row["id"] == "course.superseded")
    assert (told["plan"], told["outcome"]) == (old["plan"], "UNDECIDED")
    assert result.published.current == dict.fromkeys(result.published.current, 0) | {
        "PASS": 1
    }
    verdict = (tmp_path / "out/plans" / f"{new['plan']}.json").read_text()
    assert "a rejected plan of the patient is no part of the course: " in verdict
    assert "REJECTED" in verdict


@pytest.mark.parametrize("approval", ["APPROVED", "UNAPPROVED"])
def test_two_approved_revisions_or_none_are_undecided(
    tmp_path: Path, approval: str
) -> None:
    for number in (1, 2):
        export(tmp_path / "in" / str(number), number, approval=approval)  # of one date

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "UNDECIDED"}
    row = plans(tmp_path / "out")[f"{UID}.1.1"]
    assert row["worst"] == "course.superseded case"
    assert "2 plans share targets" in row["reason"]


def test_a_hot_cord_fails_even_where_the_revision_is_open(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, cord_gy=29.5)
    export(tmp_path / "in/2", 2)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "FAIL", "2": "UNDECIDED"}


def test_the_same_level_on_another_image_is_a_revision(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, approval="UNAPPROVED", frame="1")
    export(tmp_path / "in/2", 2, frame="2")

    run_here(tmp_path / "in", out=tmp_path / "out")

    roles = {uid[-3]: row["role"] for uid, row in plans(tmp_path / "out").items()}
    assert roles == {"1": "superseded", "2": "judged"}


def test_targets_that_overlap_by_half_are_revisions_whatever_their_names(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in/1", 1, target="PTV", approval="UNAPPROVED")
    export(tmp_path / "in/2", 2, z_mm=6.0)

    run_here(tmp_path / "in", out=tmp_path / "out")

    roles = {uid[-3]: row["role"] for uid, row in plans(tmp_path / "out").items()}
    assert roles == {"1": "superseded", "2": "judged"}


def test_an_approved_revision_without_dose_is_an_error_and_the_draft_does_not_pass(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in/1", 1, approval="UNAPPROVED")
    export(tmp_path / "in/2", 2).dose.unlink()

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "ERROR"}


def test_parts_of_one_course_are_judged_on_the_sum(tmp_path: Path) -> None:
    for number, target, z_mm in ((1, "PTV_T8", 0.0), (2, "PTV_T10", 40.0)):
        export(
            tmp_path / "in" / str(number),
            number,
            target=target,
            z_mm=z_mm,
            cord_gy=14.0,
        )

    run_here(tmp_path / "in", out=tmp_path / "out")

    # 14 Gy each is far below 25.3 Gy; where both reach the cord, it receives 28 Gy.
    assert outcomes(tmp_path / "out") == {"1": "FAIL", "2": "FAIL"}
    for row in plans(tmp_path / "out").values():
        assert row["parts"] == "2"
        near_maximum = re.search(r"SpinalCord D0.035cc = ([\d.]+) Gy", row["reason"])
        assert near_maximum is not None
        assert float(near_maximum[1]) == pytest.approx(28.0, abs=0.01)
    metrics = rows(tmp_path / "out/metrics.csv")
    coverage = [float(row["value"]) for row in metrics if row["metric"] == "V100%"]
    assert coverage == pytest.approx(
        [100.0, 100.0]
    )  # each target in its own plan's dose


def test_vertebrae_are_counted_over_all_parts(tmp_path: Path) -> None:
    for number, target, z_mm in (
        (1, "PTV_T6", 0.0),
        (2, "PTV_T8", 40.0),
        (3, "PTV_T10", 80.0),
    ):
        export(tmp_path / "in" / str(number), number, target=target, z_mm=z_mm)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert set(outcomes(tmp_path / "out").values()) == {"FAIL"}
    findings = rows(tmp_path / "out/findings.csv")
    assert {row["message"] for row in findings if row["id"] == "trial.vertebrae"} == {
        "3 treated (T6, T8, T10), at most 2 allowed"
    }


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ({"frame": "2"}, "another frame of reference"),
        ({"dose_gy": 24.0, "fractions": 4}, "4 fractions, this one 5"),
    ],
)
def test_parts_that_cannot_be_added_leave_the_cord_undecided(
    tmp_path: Path, second: dict[str, object], why: str
) -> None:
    export(tmp_path / "in/1", 1)
    export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0, **second)  # type: ignore[arg-type]

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "UNDECIDED"}
    assert why in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]


def test_a_part_that_is_no_verdict_leaves_the_cord_of_the_other_undecided(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in/1", 1)
    broken = export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0)
    broken.dose.write_bytes(broken.dose.read_bytes()[:-1000])

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "ERROR"}
    assert (
        "cannot be read, and may be of this patient"
        in (plans(tmp_path / "out")[f"{UID}.1.1"]["reason"])
    )


def test_a_part_without_dose_leaves_the_cord_of_the_other_undecided(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in/1", 1)
    export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0).dose.unlink()

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "ERROR"}
    assert plans(tmp_path / "out")[f"{UID}.1.1"]["parts"] == "1"


def test_a_plan_of_the_patient_that_cannot_be_read_leaves_the_others_undecided(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in/1", 1)
    cut = export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0)
    cut.plan.write_bytes(cut.plan.read_bytes()[:-40])
    export(tmp_path / "in/3", 3, patient_id="Other", frame="3")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "ERROR", "3": "PASS"}
    reason = plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]
    assert "cannot be read, and may be of this patient" in reason


@pytest.mark.parametrize("names_both", [False, True])
def test_a_dose_that_tells_of_a_plan_that_is_not_there_leaves_the_patient_undecided(
    tmp_path: Path, names_both: bool
) -> None:
    import pydicom

    export(tmp_path / "in/1", 1)
    lost = export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0)
    lost.plan.unlink()
    if names_both:
        dose = pydicom.dcmread(lost.dose)
        dose.DoseSummationType = "MULTI_PLAN"
        named = dose.ReferencedRTPlanSequence[0]
        own = pydicom.Dataset()
        own.ReferencedSOPClassUID = named.ReferencedSOPClassUID
        own.ReferencedSOPInstanceUID = f"{UID}.1.1"
        dose.ReferencedRTPlanSequence.append(own)
        dose.save_as(lost.dose)
    export(tmp_path / "in/3", 3, patient_id="Other", frame="3")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "3": "PASS"}
    assert (
        "names no plan among the files"
        in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]
    )


@pytest.mark.parametrize(("frame", "outcome"), [("1", "PASS"), ("2", "UNDECIDED")])
def test_the_dose_of_an_earlier_revision_that_was_left_behind_is_told_and_no_more(
    tmp_path: Path, frame: str, outcome: str
) -> None:
    export(tmp_path / "in/1", 1)
    left = export(tmp_path / "in/2", 2, dose_gy=24.0, fractions=4, frame=frame)
    left.plan.unlink()

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": outcome}
    wanted = "course.others" if outcome == "PASS" else "course.unseen"
    (told,) = (
        row for row in rows(tmp_path / "out/findings.csv") if row["id"] == wanted
    )
    assert ("earlier revision" in told["message"]) is (outcome == "PASS")
    kinds = {row["kind"] for row in rows(tmp_path / "out/quarantine.csv")}
    assert kinds == {"RT Dose", "RT Structure Set"}


def test_an_open_revision_of_a_part_leaves_the_cord_of_the_other_undecided(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in/1", 1)
    for number in (2, 3):
        export(tmp_path / "in" / str(number), number, target="PTV_T10", z_mm=40.0)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert set(outcomes(tmp_path / "out").values()) == {"UNDECIDED"}


def test_a_superseded_part_is_not_added(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, cord_gy=14.0)
    export(
        tmp_path / "in/2",
        2,
        target="PTV_T10",
        z_mm=40.0,
        cord_gy=14.0,
        approval="REJECTED",
    )
    export(tmp_path / "in/3", 3, target="PTV_T10", z_mm=40.0, cord_gy=6.0)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS", "2": "FAIL", "3": "PASS"}


@pytest.mark.parametrize("patient_id", ["P-4711", None])
def test_plans_without_patient_id_are_one_patient_in_one_study(
    tmp_path: Path, patient_id: str | None
) -> None:
    export(tmp_path / "in/1", 1, cord_gy=14.0, patient_id=patient_id)
    export(
        tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0, cord_gy=14.0, patient_id=None
    )
    export(tmp_path / "in/3", 3, frame="3", patient_id=None)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "FAIL", "2": "FAIL", "3": "PASS"}
    patients = [row["patient"] for row in plans(tmp_path / "out").values()]
    assert len(patients) == 3
    assert len(set(patients)) == 2


@pytest.mark.parametrize("approval", ["APPROVED", "UNAPPROVED"])
def test_one_id_with_two_names_is_undecided(tmp_path: Path, approval: str) -> None:
    """Two centres may use one pseudonym: a plan must not be taken for a revision of a stranger's."""
    export(tmp_path / "in/1", 1, patient_name="Zhang^Wei", approval=approval)
    export(tmp_path / "in/2", 2, patient_name="Li^Na", frame="2")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "UNDECIDED"}
    assert (
        "different names or birth dates"
        in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]
    )


def test_two_patient_ids_in_one_frame_are_told(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, patient_id="P-4711")
    export(tmp_path / "in/2", 2, patient_id="P4711", target="PTV_T10", z_mm=40.0)
    export(tmp_path / "in/3", 3, patient_id="Other", frame="3")

    result = run_here(tmp_path / "in", out=tmp_path / "out")

    assert [
        note
        for note in result.notes
        if note.startswith("frames of reference under several patient IDs: 1;")
    ]


def test_plans_of_two_patients_are_not_compared(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, patient_id="A")
    export(tmp_path / "in/2", 2, patient_id="B")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS", "2": "PASS"}


def test_a_plan_of_two_targets_does_not_join_the_plans_of_each(tmp_path: Path) -> None:
    """T8 is approved; T7, and a rejected plan of both, must not be taken for its revisions."""
    second = box("PTV_T10", (-12, -12, 28), (12, 12, 52))
    export(tmp_path / "in/b", 1, cord_gy=14.0)
    export(
        tmp_path / "in/c",
        2,
        target="PTV_T10",
        z_mm=40.0,
        cord_gy=14.0,
        approval="UNAPPROVED",
    )
    export(
        tmp_path / "in/a",
        3,
        target="PTV_T8",
        approval="REJECTED",
        extra=(second,),
        names_target=False,
    )

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert not {"PASS", "VARIATION"} & set(outcomes(tmp_path / "out").values())
    assert {row["role"] for row in plans(tmp_path / "out").values()} == {"judged"}


def test_a_part_that_is_gone_when_it_is_added_leaves_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(tmp_path / "in/1", 1, cord_gy=14.0)
    part = export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0, cord_gy=14.0)
    content = part.plan.read_bytes()
    judge = judge_patient

    def judge_without(task: PatientTask) -> bytes | Failed:
        part.plan.unlink(missing_ok=True)
        return judge(task)

    monkeypatch.setattr("sbrtcheck.batch.run.judge_patient", judge_without)
    run_here(tmp_path / "in", out=tmp_path / "out")
    assert set(outcomes(tmp_path / "out").values()) == {"ERROR"}

    monkeypatch.undo()
    part.plan.write_bytes(content)
    result = run_here(tmp_path / "in", out=tmp_path / "out", resume=True)
    assert (result.tally.kept, set(outcomes(tmp_path / "out").values())) == (
        0,
        {"FAIL"},
    )


def test_an_error_is_told_also_of_a_plan_that_was_replaced(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, approval="UNAPPROVED").dose.unlink()
    export(tmp_path / "in/2", 2)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "ERROR", "2": "PASS"}


# --- Doses whose plan is not there ----------------------------------------------------------------

TARGET = box("PTV", (-12, -12, -12), (12, 12, 12))


def dose_of(
    low: tuple[float, float, float], high: tuple[float, float, float], **header: object
) -> DoseGrid:
    """Return a dose of 10 Gy in a box, 1 Gy around."""

    def field(x, y, z):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        at = (x, y, z)
        inside = [
            (a >= lowest) & (a <= highest)
            for a, lowest, highest in zip(at, low, high, strict=True)
        ]
        return 1.0 + 9.0 * (inside[0] & inside[1] & inside[2])

    dose = dose_grid(field)
    assert dose.header is not None
    return replace(dose, header=replace(dose.header, **header))  # type: ignore[arg-type]


def of_target(*doses: DoseGrid) -> bool:
    return (
        why_not_superseded(doses, [TARGET], dose_of((-16, -16, -16), (16, 16, 16)))
        is None
    )


def stamped(dose: DoseGrid, **instance: str | None) -> DoseGrid:
    assert dose.header is not None
    header = replace(dose.header, instance=replace(dose.header.instance, **instance))  # type: ignore[arg-type]
    return replace(dose, header=header)


def test_a_dose_is_of_the_targets_where_it_is_hot_there_and_nowhere_else() -> None:
    assert of_target(dose_of((-16, -16, -16), (16, 16, 16)))
    assert not of_target(
        dose_of((-16, -16, -16), (16, 16, 44))
    )  # a further vertebra is treated
    assert not of_target(dose_of((-16, -16, 28), (16, 16, 44)))
    less = dose_of((-16, -16, 36), (16, 16, 44))
    more = dose_of((-16, -16, -16), (16, 16, 16))
    both = replace(more, dose_gy=more.dose_gy + 0.6 * less.dose_gy)
    assert not of_target(both)
    assert not of_target(
        dose_of((-16, -16, -16), (16, 16, 16)), dose_of((-8, -8, 32), (8, 8, 44))
    )


def test_beams_are_told_by_their_sum_and_plan_sums_are_never_superseded() -> None:
    across = dose_of((-48, -12, -12), (12, 12, 12), summation_type="BEAM")
    along = dose_of((-12, -48, -12), (12, 12, 12), summation_type="BEAM")
    assert not of_target(across)
    down = dose_of((-12, -12, -48), (12, 12, 12), summation_type="BEAM")
    assert of_target(across, along, down)
    assert not of_target(
        dose_of((-12, -12, -12), (12, 12, 12), referenced_plan_uids=("1.2.3", "1.2.4"))
    )


@pytest.mark.parametrize("low_gy", [31.0, 14.0])
def test_an_island_elsewhere_is_of_another_target(low_gy: float) -> None:
    island = dose_of((-4, -4, 36), (4, 4, 44))
    dose = dose_of((-16, -16, -16), (16, 16, 16))
    gy = np.where(island.dose_gy > 5.0, low_gy, 3.0 * dose.dose_gy)
    assert not of_target(replace(dose, dose_gy=gy))


def test_a_target_of_two_islands_does_not_hide_what_lies_between() -> None:
    islands = (
        box("PTV", (-12, -12, -48), (12, 12, -30)),
        box("PTV", (-12, -12, 30), (12, 12, 48)),
    )
    target = replace(islands[0], contours=(*islands[0].contours, *islands[1].contours))
    between = dose_of((-12, -12, -12), (12, 12, 12))

    assert why_not_superseded([between], [target], between) is not None


def test_a_dose_in_another_frame_says_nothing_of_these_targets() -> None:
    dose = dose_of((-16, -16, -16), (16, 16, 16))
    for frame in ("1.2.3", None):
        assert not of_target(stamped(dose, frame_of_reference_uid=frame))


@pytest.mark.parametrize(
    ("own", "other", "superseded"),
    [
        ("20260105", "20260105", True),
        ("20260105", "20251220", True),
        ("20260105", "20260106", False),
        ("20260105", "20240105", False),
        ("20260105", None, False),
        (None, "20260105", False),
    ],
)
def test_an_earlier_revision_was_made_shortly_before(
    own: str | None, other: str | None, *, superseded: bool
) -> None:
    dose = dose_of((-16, -16, -16), (16, 16, 16))
    why = why_not_superseded(
        [stamped(dose, date=other)], [TARGET], stamped(dose, date=own)
    )
    assert (why is None) is superseded


def test_names_that_systems_write_otherwise_are_of_one_patient(tmp_path: Path) -> None:
    for number, name in enumerate(
        ("Zhang^Wei", "ZHANG^WEI^^", "Zhang^Wei=张^伟", "Zhang, Wei", "Zhang^Wei^^^Mr"),
        1,
    ):
        export(
            tmp_path / "in" / str(number),
            number,
            patient_name=name,
            approval="REJECTED",
        )
    export(tmp_path / "in/6", 6)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out")["6"] == "PASS"


def test_a_damaged_plan_whose_patient_id_is_chinese_leaves_the_others_undecided(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in/1", 1, patient_id="病历4711")
    cut = export(
        tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0, patient_id="病历4711"
    )
    cut.plan.write_bytes(cut.plan.read_bytes()[:-40])

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "ERROR"}


@pytest.mark.parametrize("how", ["names none", "cut", "empty"])
def test_a_dose_that_names_no_plan_leaves_the_patient_undecided(
    tmp_path: Path, how: str
) -> None:
    import pydicom

    export(tmp_path / "in/1", 1)
    lost = export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0)
    lost.plan.unlink()
    dose = pydicom.dcmread(lost.dose)
    if how == "empty":
        dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID = ""
    else:
        del dose.ReferencedRTPlanSequence
    dose.save_as(lost.dose)
    if how == "cut":
        lost.dose.write_bytes(lost.dose.read_bytes()[:900])

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED"}
