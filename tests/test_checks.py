"""The questions: each rule of judgement, on the smallest case that shows it.

Structures lie in zones of uniform dose, so that every metric is known without computing. Only the
PRV has its own dose in the zone of the cord, which it holds: outside a core about the cord.
"""

from dataclasses import replace

import numpy as np
import pytest

from builders import FRAME_UID, box, dose_grid, instance, plan, structure_set
from sbrtcheck import (
    ROI,
    Case,
    CaseError,
    Declared,
    DoseGrid,
    Outcome,
    UnsupportedError,
    Verdict,
    check,
    load_protocol,
)
from sbrtcheck.checks.rule import State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.dicom import RT_DOSE, RT_PLAN, RT_STRUCTURE_SET
from sbrtcheck.dossier import Link
from sbrtcheck.model import (
    CaseFacts,
    DoseReference,
    FractionGroup,
    Instance,
    Patient,
    Plan,
    Text,
)
from sbrtcheck.protocol.rules import Protocol, Severity

PASS, VARIATION, UNDECIDED, FAIL = Outcome
# Structures lie side by side here, each in a dose of its own: no anatomy, so it is not asked.
APART: dict[str, Severity] = {
    "cord.size": "off",
    "cord.inside": "off",
    "cord.beside": "off",
    "prv.margin": "off",
    "dose.hot_spot": "off",
}
PROTOCOL = replace(load_protocol("nct06756087"), checks=APART)
# One zone of uniform dose for each structure, along x.
CORE_MM = 7.0  # half-width of the core of the cord's zone: between two grid points
ZONES = {
    "target": 0.0,
    "cord": -40.0,
    "prv": 40.0,
    "cauda": -80.0,
    "sac": 74.0,
    "organs": 96.0,
}


def zoned_dose(step_mm: float = 2.0, **doses_gy: float) -> DoseGrid:
    """Return a dose that is uniform within 10 mm of the middle of each zone.

    About the core of the cord's zone lies the dose of the PRV.
    """
    centres = np.array(sorted(ZONES.values()))
    values = np.array(
        [doses_gy[name] for name, _ in sorted(ZONES.items(), key=lambda z: z[1])]
    )

    def field(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        zone = np.abs(np.subtract.outer(x, centres)).argmin(axis=-1)
        away = np.maximum(np.abs(x - ZONES["cord"]), np.abs(y))
        is_margin = (np.abs(x - ZONES["cord"]) < 18) & (away > CORE_MM)
        return np.asarray(np.where(is_margin, doses_gy["prv"], values[zone]) + 0 * z)

    return dose_grid(field, (-100, -40, -60), (100, 40, 60), step_mm)


def in_zone(
    zone: str, name: str, low: float = -30, high: float = 30, half: float = 6
) -> ROI:
    x = ZONES[zone]
    return box(name, (x - half, -6, low), (x + half, 6, high), spacing_mm=2.0)


def links(patient: Patient | None = None) -> tuple[Link, ...]:
    rows = (
        ("RT Plan", RT_PLAN),
        ("RT Structure Set", RT_STRUCTURE_SET),
        ("RT Dose", RT_DOSE),
    )
    found = []
    for kind, sop_class in rows:
        header = instance(f"1.2.{sop_class[-1]}", sop_class, label="T8 SBRT")
        if patient is not None and kind == "RT Dose":
            header = replace(header, patient=patient)
        found.append(Link(kind=kind, instance=header, how=Text("by UID")))
    return tuple(found)


def judge(
    *rois: ROI,
    fractions: int = 5,
    rx_gy: float | None = None,
    the_plan: Plan | None = None,
    declared: Declared | None = None,
    protocol: Protocol = PROTOCOL,
    step_mm: float = 2.0,
    target_name: str | None = "PTV_T8",
    patient: Patient | None = None,
    **doses_gy: float,
) -> Verdict:
    rx_gy = 6.0 * fractions if rx_gy is None else rx_gy
    doses = {
        "target": rx_gy * 1.1,
        "cord": 10.0,
        "prv": 10.0,
        "cauda": 10.0,
        "sac": 10.0,
    }
    doses["organs"] = 5.0
    target = () if target_name is None else (in_zone("target", target_name, -12, 12),)
    return check(
        Case(
            plan=the_plan or plan(rx_gy, fractions, target_name or "PTV_T8"),
            structure_set=structure_set([*target, *rois, *ORGANS]),
            dose=zoned_dose(step_mm, **(doses | doses_gy)),
            links=links(patient),
        ),
        protocol,
        declared,
    )


def found(verdict: Verdict, finding_id: str, subject: str | None = None) -> Finding:
    rows = [
        f
        for f in verdict.findings
        if f.id == finding_id and (subject is None or f.subject == subject)
    ]
    assert len(rows) == 1, [f"{f.id} {f.subject}" for f in verdict.findings]
    return rows[0]


# The cord ends 3 mm inside the core: what may lie outside its outline has its own dose, too.
CORD = in_zone("cord", "SpinalCord", half=4)
PRV = box("SpinalCord_PRV02", (-48.5, -8.5, -30), (-31.5, 8.5, 30), spacing_mm=2.0)
CAUDA, SAC = in_zone("cauda", "CaudaEquina"), in_zone("sac", "ThecalSac")
CANAL = in_zone("sac", "SpinalCanal")


# Expected at some level, and so drawn in every case: small and far away.
ORGANS = tuple(
    in_zone("organs", name, half=3) for name in ("Esophagus", "Bowel_Small", "Kidneys")
)


def test_a_plan_that_keeps_everything_passes() -> None:
    verdict = judge(CORD, PRV)

    assert verdict.outcome is PASS
    assert verdict.trial_outcome is PASS
    assert verdict.dosimetry_outcome is PASS


# --- The cord table -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fractions", "cord_gy", "prv_gy", "outcome"),
    [
        (4, 23.0, 23.0, PASS),
        (4, 23.01, 23.0, FAIL),
        (4, 22.9, 23.01, VARIATION),
        (5, 25.3, 25.3, PASS),
        (5, 25.3001, 20.0, FAIL),
        (5, 20.0, 29.9, VARIATION),
        (6, 25.3, 25.3, PASS),
        (6, 25.31, 25.31, VARIATION),
        (6, 27.2, 27.2, VARIATION),
        (6, 27.0, 30.0, VARIATION),
        (6, 27.21, 20.0, FAIL),
        (7, 25.3, 25.3, PASS),
        (7, 29.0, 20.0, VARIATION),
        (7, 29.01, 20.0, FAIL),
        (7, 20.0, 41.0, VARIATION),
    ],
)
def test_cord_and_prv_are_graded_by_the_table(
    fractions: int, cord_gy: float, prv_gy: float, outcome: Outcome
) -> None:
    """G is 23.0, 25.3, 25.3, 25.3 Gy and L 23.0, 25.3, 27.2, 29.0 Gy at 4, 5, 6, 7 fractions."""
    verdict = judge(CORD, PRV, fractions=fractions, cord=cord_gy, prv=prv_gy)

    assert verdict.outcome is outcome


@pytest.mark.parametrize(
    ("fractions", "prv_gy", "outcome"),
    [
        (5, 25.3, PASS),
        (5, 25.31, FAIL),
        (7, 25.31, VARIATION),
        (7, 29.0, VARIATION),
        (7, 29.1, FAIL),
    ],
)
def test_a_prv_drawn_alone_is_graded_as_the_surrogate(
    fractions: int, prv_gy: float, outcome: Outcome
) -> None:
    verdict = judge(PRV, fractions=fractions, cord=prv_gy, prv=prv_gy)

    assert verdict.outcome is outcome
    message = str(found(verdict, "limit.cord_prv").message)
    assert "stands for the cord where none is drawn" in message
    assert ("misses" in message) is (outcome is not PASS)


def test_a_prv_that_is_not_drawn_is_made_and_reported() -> None:
    """Far above the cord's limit, and yet no part of the verdict."""
    verdict = judge(CORD, prv=40.0)

    made = found(verdict, "limit.cord_prv")
    assert made.outcome is None
    assert "no PRV is drawn; made by sbrtcheck: SpinalCord + 2 mm" in str(made.message)
    assert made.value is not None
    assert made.value.value is not None
    assert made.value.value > 25.3
    assert verdict.outcome is PASS


def test_the_dose_of_a_cord_is_told_without_a_limit_for_it() -> None:
    """Eight fractions have no limit here; D0.035cc is no less known."""
    row = found(judge(CORD, fractions=8, cord=17.0), "limit.cord")

    assert row.outcome is UNDECIDED
    assert str(row.metric) == "D0.035cc"
    assert row.value is not None
    assert row.value.value == pytest.approx(17.0)


@pytest.mark.parametrize("surrogate", [SAC, CANAL])
@pytest.mark.parametrize(("sac_gy", "outcome"), [(25.3, PASS), (25.31, FAIL)])
def test_sac_and_canal_keep_the_cord_limit_at_thoracic_levels(
    surrogate: ROI, sac_gy: float, outcome: Outcome
) -> None:
    verdict = judge(surrogate, sac=sac_gy)

    assert verdict.outcome is outcome


@pytest.mark.parametrize(
    ("levels", "sac_gy", "outcome"),
    [
        ("L3", 31.9, PASS),
        ("L3", 32.1, FAIL),
        ("L2", 25.3, PASS),
        ("L2", 31.9, UNDECIDED),
        ("L2", 32.1, FAIL),
        ("L2-3", 31.9, UNDECIDED),
    ],
)
def test_the_sac_has_the_cauda_limit_only_below_l2(
    levels: str, sac_gy: float, outcome: Outcome
) -> None:
    """At the conus it may be cord or cauda: the stricter limit passes, the larger one fails."""
    verdict = judge(SAC, target_name=f"PTV_{levels}", sac=sac_gy)

    assert found(verdict, "limit.sac").outcome is outcome


def test_the_sac_has_the_cord_limit_where_the_level_is_unknown() -> None:
    verdict = judge(SAC, target_name="PTV", sac=31.9)

    assert found(verdict, "limit.sac").outcome is FAIL


@pytest.mark.parametrize(
    ("fractions", "cauda_gy", "outcome"),
    [
        (4, 27.2, PASS),
        (4, 27.3, FAIL),
        (5, 32.0, PASS),
        (5, 32.1, FAIL),
        (6, 32.1, VARIATION),
        (6, 34.7, FAIL),
        (7, 36.9, VARIATION),
        (7, 37.0, FAIL),
    ],
)
def test_cauda_limits(fractions: int, cauda_gy: float, outcome: Outcome) -> None:
    small = in_zone(
        "cauda", "CaudaEquina", half=3
    )  # 4.3 cc: its volume limit cannot be broken
    verdict = judge(small, target_name="PTV_L4", fractions=fractions, cauda=cauda_gy)

    rows = [f for f in verdict.findings if f.id == "limit.cauda"]
    assert [str(f.metric) for f in rows] == ["D0.035cc", "D5cc"]
    assert rows[0].outcome is outcome


@pytest.mark.parametrize(
    ("fractions", "cauda_gy", "outcome"),
    [
        (4, 24.8, PASS),
        (4, 24.9, FAIL),
        (5, 30.0, PASS),
        (5, 30.1, FAIL),
        (6, 32.4, VARIATION),
        (7, 34.6, FAIL),
    ],
)
def test_volume_limits_of_the_cauda(
    fractions: int, cauda_gy: float, outcome: Outcome
) -> None:
    """D5cc of TG-101: 30 Gy in 5; 24.8, 32.4 and 34.5 Gy derived at 4, 6 and 7 fractions."""
    verdict = judge(CAUDA, target_name="PTV_L4", fractions=fractions, cauda=cauda_gy)

    rows = {str(f.metric): f for f in verdict.findings if f.id == "limit.cauda"}
    assert rows["D5cc"].outcome is outcome


@pytest.mark.parametrize(("cauda_gy", "outcome"), [(29.9, PASS), (30.1, UNDECIDED)])
def test_a_cauda_smaller_than_5_cc_keeps_its_volume_limit_only_if_all_of_it_does(
    cauda_gy: float, outcome: Outcome
) -> None:
    small = in_zone("cauda", "CaudaEquina", half=3)
    verdict = judge(small, target_name="PTV_L4", cauda=cauda_gy)

    rows = {str(f.metric): f for f in verdict.findings if f.id == "limit.cauda"}
    assert rows["D5cc"].outcome is outcome
    assert "4.32 cc, less than the 5 cc asked for" in str(rows["D5cc"].message)


@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        ("PTV_T8", UNDECIDED),
        ("PTV_T11", UNDECIDED),
        ("PTV_T12", PASS),
        ("PTV_L2", PASS),
    ],
)
def test_cauda_alone_fills_the_extent_from_t12_on(
    target: str, outcome: Outcome
) -> None:
    verdict = judge(CAUDA, target_name=target)

    assert found(verdict, "neural.extent").outcome is outcome


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_at_the_conus_any_neural_structure_fills_the_extent(level: str) -> None:
    name = f"PTV_{level}"

    assert judge(CORD, target_name=name).outcome is PASS
    assert judge(SAC, target_name=name).outcome is PASS
    assert judge(CORD, CAUDA, target_name=name).outcome is PASS
    assert judge(CORD, SAC, target_name=name).outcome is PASS


@pytest.mark.parametrize(
    ("cord_gy", "outcome"),
    [(25.3, PASS), (25.4, UNDECIDED), (32.0, UNDECIDED), (32.1, FAIL)],
)
def test_an_roi_called_cord_below_l2_is_asked_about_up_to_the_limit_of_the_cauda(
    cord_gy: float, outcome: Outcome
) -> None:
    verdict = judge(CORD, CAUDA, target_name="PTV_L4", cord=cord_gy, prv=cord_gy)

    finding = found(verdict, "limit.cord")
    assert finding.outcome is outcome
    assert "is this sac or cauda?" in str(finding.message)
    assert ("--alias" in str(finding.cure)) is (outcome is UNDECIDED)


def test_no_neural_structure_is_undecided() -> None:
    verdict = judge()

    assert verdict.outcome is UNDECIDED
    assert found(verdict, "neural.cord").outcome is UNDECIDED


def test_an_empty_cord_is_undecided() -> None:
    verdict = judge(ROI(name="SpinalCord"))

    assert found(verdict, "neural.cord").outcome is UNDECIDED
    assert found(verdict, "limit.cord").outcome is None
    assert verdict.outcome is UNDECIDED


def test_all_cords_are_graded_and_the_worst_counts() -> None:
    low, high = in_zone("cord", "Cord"), in_zone("sac", "Spinal Cord")
    verdict = judge(low, high, cord=10.0, sac=26.0)

    outcomes = {f.roi: f.outcome for f in verdict.findings if f.id == "limit.cord"}
    assert outcomes == {"Cord": PASS, "Spinal Cord": FAIL, "Cord + Spinal Cord": FAIL}
    assert verdict.outcome is FAIL


def test_a_cord_smaller_than_the_volume_asked_is_undecided() -> None:
    """A plane of 4 x 4 mm every 2 mm over 2 mm is 0.032 cc."""
    tiny = box("SpinalCord", (-42, -2, -1), (-38, 2, 1), spacing_mm=2.0)
    verdict = judge(tiny)

    finding = found(verdict, "limit.cord")
    assert finding.outcome is UNDECIDED
    assert finding.value is not None
    assert finding.value.value is None
    assert "less than the 0.035 cc" in str(finding.value.reason)


def test_a_point_maximum_above_the_goal_is_said_although_the_near_maximum_keeps_it() -> (
    None
):
    """A spike of the cord reaches into the hot zone: 3 mm3 of it, up to 28.4 Gy."""
    cord = in_zone("cord", "SpinalCord")
    # The dose rises from 10 to 33 Gy between the grid points at x = -20 and -18 mm.
    spike = box("spike", (-22, -0.4, -1), (-18.4, 0.4, 1), spacing_mm=2.0)
    joined = replace(cord, contours=(*cord.contours, *spike.contours))
    verdict = judge(joined)

    finding = found(verdict, "limit.cord")
    assert finding.outcome is PASS
    assert "point maximum" in str(finding.message)


# --- How far the cord is drawn ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-30, 30, PASS),
        (-18, 18, PASS),  # the PTV ends at 12 mm: 6 mm beyond
        (-16, 18, PASS),  # 2 mm are missing: its end outline is carried on
        (-18, 16, PASS),
        (-12, 12, UNDECIDED),
        (40, 58, UNDECIDED),
    ],
)
def test_the_cord_is_drawn_6_mm_beyond_the_target(
    low: float, high: float, outcome: Outcome
) -> None:
    verdict = judge(in_zone("cord", "SpinalCord", low, high))

    assert found(verdict, "neural.extent").outcome is outcome
    assert found(verdict, "limit.cord", "SpinalCord").outcome is outcome
    assert verdict.outcome is outcome


def test_a_missing_plane_beside_the_target_is_undecided() -> None:
    cord = in_zone("cord", "SpinalCord")
    holed = replace(
        cord, contours=tuple(c for c in cord.contours if abs(c.z_mm - 5) > 0.1)
    )
    verdict = judge(holed)

    assert verdict.outcome is UNDECIDED
    assert "no contours between z = 4 and 6 mm" in str(
        found(verdict, "neural.extent").message
    )


def test_a_missing_plane_far_from_the_target_is_not() -> None:
    cord = in_zone("cord", "SpinalCord")
    holed = replace(
        cord, contours=tuple(c for c in cord.contours if abs(c.z_mm - 25) > 0.1)
    )

    assert judge(holed).outcome is PASS


def test_an_incomplete_cord_that_fails_already_fails() -> None:
    verdict = judge(in_zone("cord", "SpinalCord", -12, 12), cord=30.0)

    assert found(verdict, "limit.cord").outcome is FAIL


def test_cord_and_cauda_together_pass_the_conus() -> None:
    """The cord ends at L1, the cauda goes on: together they lie on every plane."""
    cord = in_zone("cord", "SpinalCord", 4, 30)
    cauda = in_zone("cauda", "CaudaEquina", -30, 4)

    assert judge(cord, cauda, target_name="PTV_L1").outcome is PASS
    assert judge(cord, cauda, target_name="PTV_T12").outcome is PASS
    assert judge(cord, cauda, target_name="PTV_T11").outcome is UNDECIDED


# --- Scheme, prescription -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rx_gy", "fractions", "outcome"),
    [
        (24, 4, PASS),
        (30, 5, PASS),
        (36, 6, PASS),
        (42, 7, PASS),
        (30.005, 5, PASS),
        (30.02, 5, FAIL),
        (24, 5, FAIL),
        (30, 4, FAIL),
        (27, 3, FAIL),
    ],
)
def test_only_the_four_schemes_are_allowed(
    rx_gy: float, fractions: int, outcome: Outcome
) -> None:
    verdict = judge(CORD, rx_gy=rx_gy, fractions=fractions)

    assert found(verdict, "trial.scheme").outcome is outcome
    assert verdict.trial_outcome is outcome


def test_24_gy_per_fraction_has_its_own_sentence() -> None:
    verdict = judge(CORD, rx_gy=96, fractions=4)

    assert "24 Gy PER FRACTION, 96 Gy in all" in str(
        found(verdict, "trial.scheme").message
    )
    assert verdict.outcome is FAIL


def reference(
    dose_gy: float | None, kind: str = "SITE", **changes: object
) -> DoseReference:
    row = DoseReference(
        number=1,
        structure_type=kind,
        description="PTV",
        type="TARGET",
        target_prescription_dose_gy=dose_gy,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def with_references(*rows: DoseReference) -> Plan:
    return replace(plan(), dose_references=rows)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [reference(None)],
        [reference(0.0)],
        [reference(30.0, type="ORGAN_AT_RISK")],
        [reference(None, delivery_maximum_dose_gy=30.0)],
        [reference(None, organ_at_risk_maximum_dose_gy=30.0)],
        [reference(30.0), reference(24.0)],
        [reference(30.0), reference(36.0, description="PTV_2")],
    ],
)
def test_without_one_stated_prescription_nothing_is_guessed(
    rows: list[DoseReference],
) -> None:
    verdict = judge(CORD, the_plan=with_references(*rows))

    assert verdict.prescription is None
    assert found(verdict, "prescription").outcome is UNDECIDED
    assert verdict.outcome is UNDECIDED


def test_a_region_comes_before_a_point() -> None:
    rows = (
        reference(31.2, "COORDINATES"),
        reference(30.0, "SITE"),
        reference(29.0, "POINT"),
    )
    verdict = judge(CORD, the_plan=with_references(*rows))

    assert verdict.prescription is not None
    assert verdict.prescription.dose_gy == 30.0


def test_the_last_reference_is_not_taken_for_the_prescription() -> None:
    """Lesson 16: 14 instead of 70 Gy."""
    rows = (reference(30.0), reference(None, organ_at_risk_maximum_dose_gy=14.0))
    verdict = judge(CORD, the_plan=with_references(*rows))

    assert verdict.prescription is not None
    assert verdict.prescription.dose_gy == 30.0
    assert any(
        "14 Gy" in str(f.message)
        for f in verdict.findings
        if f.id == "prescription.hint"
    )


def test_beam_doses_inform_and_never_grade() -> None:
    odd = replace(
        plan(),
        fraction_groups=(replace(plan().fraction_groups[0], beam_doses_gy=(9.0,)),),
    )
    verdict = judge(CORD, the_plan=odd)

    hints = [f for f in verdict.findings if f.id == "prescription.hint"]
    assert [str(f.message) for f in hints] == [
        "beam doses at their specification points x 5 fractions: 45 Gy"
    ]
    assert verdict.outcome is PASS


def test_several_fraction_groups_are_undecided() -> None:
    groups = tuple(
        FractionGroup(number=n, fractions=f) for n, f in ((1, 25), (2, 7), (3, 3))
    )
    verdict = judge(CORD, the_plan=replace(plan(), fraction_groups=groups))

    assert verdict.prescription is None
    question = found(verdict, "prescription")
    assert "state different numbers: 25, 3, 7" in str(question.message)
    assert "a plan of its own" in str(question.cure)  # --rx would settle nothing
    assert found(verdict, "limit.cord").outcome is UNDECIDED


@pytest.mark.parametrize("groups", [(), (FractionGroup(number=1, fractions=None),)])
def test_a_plan_without_fractions_is_undecided(
    groups: tuple[FractionGroup, ...],
) -> None:
    verdict = judge(CORD, the_plan=replace(plan(), fraction_groups=groups))

    assert "no number of fractions" in str(found(verdict, "prescription").message)


def test_a_declared_prescription_fills_a_gap_and_is_named() -> None:
    verdict = judge(
        CORD, the_plan=with_references(), declared=Declared(prescription=(30.0, 5))
    )

    assert verdict.outcome is PASS
    assert verdict.prescription is not None
    assert str(verdict.prescription.source) == "declared"


@pytest.mark.parametrize("declared", [(24.0, 5), (30.0, 4)])
def test_a_declared_prescription_does_not_overrule_the_plan(
    declared: tuple[float, int],
) -> None:
    with pytest.raises(CaseError, match="does not overrule the plan"):
        judge(CORD, declared=Declared(prescription=declared))


# --- Levels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        ("PTV_T5", PASS),
        ("PTV_T4", FAIL),
        ("PTV_T1", FAIL),
        ("PTV_S1", FAIL),
        ("PTV_T8-9", PASS),
        ("PTV_T8-10", FAIL),
        ("PTV", UNDECIDED),
        ("PTV-G", UNDECIDED),
    ],
)
def test_levels_are_t5_to_l5_and_at_most_two(target: str, outcome: Outcome) -> None:
    verdict = judge(CORD, SAC, target_name=target)

    levels = max(
        f.outcome or PASS
        for f in verdict.findings
        if f.id in ("trial.levels", "trial.vertebrae")
    )
    assert levels is outcome


def test_an_unknown_level_says_its_cure() -> None:
    verdict = judge(CORD, target_name="PTV")

    assert "add --levels" in str(found(verdict, "trial.levels").cure)


def test_declared_levels_fill_the_gap() -> None:
    verdict = judge(CORD, target_name="PTV", declared=Declared(levels=("T8",)))

    assert verdict.levels == ("T8",)
    assert str(verdict.levels_source) == "declared"
    assert verdict.outcome is PASS


def test_declared_levels_do_not_overrule_a_target_name() -> None:
    with pytest.raises(CaseError, match="does not overrule the files"):
        judge(CORD, declared=Declared(levels=("T9",)))


@pytest.mark.parametrize(
    "facts",
    [CaseFacts(operated_levels=("T8", "Q7")), CaseFacts(conus_level="Q7")],
)
def test_levels_among_the_facts_are_levels(facts: CaseFacts) -> None:
    with pytest.raises(CaseError, match=r"_level.*'Q7' is no vertebral level"):
        judge(CORD, declared=Declared(facts=facts))


def test_a_declared_level_that_is_none_is_refused() -> None:
    with pytest.raises(CaseError, match="'T13' is no vertebral level"):
        judge(CORD, target_name="PTV", declared=Declared(levels=("T13",)))


def test_one_unnamed_target_beside_a_named_one_is_undecided() -> None:
    verdict = judge(CORD, in_zone("target", "PTV_2", -12, 12))

    assert "'PTV_2' states no level" in str(found(verdict, "trial.levels").message)


def test_a_ctv_of_another_level_is_undecided() -> None:
    verdict = judge(CORD, in_zone("target", "CTV_T9", -10, 10))

    assert "CTV names state T9" in str(found(verdict, "trial.levels").message)


def test_an_mr_sequence_is_no_level() -> None:
    verdict = judge(CORD, in_zone("target", "GTV_T1", -10, 10), target_name="PTV")

    assert found(verdict, "trial.levels").outcome is UNDECIDED
    assert "MR sequence" in str(found(verdict, "trial.levels").message)


def test_the_level_of_an_unnamed_target_may_come_from_its_ctv_or_vertebra() -> None:
    for name in ("CTV_T8", "VB_T08"):
        verdict = judge(CORD, in_zone("target", name, -10, 10), target_name="PTV")
        assert verdict.levels == ("T8",)


def test_of_all_vertebrae_the_one_that_holds_the_target_names_its_level() -> None:
    """T5 to T12, 24 mm each; the target is as high as T8."""
    drawn = [
        in_zone("target", f"VB_T{n:02d}", 12 + 24 * (7 - n), 36 + 24 * (7 - n))
        for n in range(5, 13)
    ]
    verdict = judge(CORD, *drawn, target_name="PTV")

    assert verdict.levels == ("T8",)


@pytest.mark.parametrize(("low", "levels"), [(-2, ("T8",)), (2, ())])
def test_a_vertebra_names_the_level_where_it_holds_half_of_the_target(
    low: float, levels: tuple[str, ...]
) -> None:
    """Both are 24 mm high; they share 14 or 10 mm."""
    verdict = judge(CORD, in_zone("target", "VB_T08", low, low + 24), target_name="PTV")

    assert verdict.levels == levels


def test_labels_of_all_vertebrae_do_not_say_which_is_treated() -> None:
    """They are drawn, and none of them holds the target."""
    drawn = [in_zone("sac", f"VB_T{n:02d}", -10, 10) for n in range(5, 13)]
    verdict = judge(CORD, *drawn, target_name="PTV")

    assert found(verdict, "trial.levels").outcome is UNDECIDED
    assert found(verdict, "trial.vertebrae").outcome is UNDECIDED


# --- Coverage -----------------------------------------------------------------------------------


def half_covered(percent: float) -> DoseGrid:
    """Return a dose in which this part of the target, along x, receives the prescription."""
    edge = -6 + 12 * percent / 100
    return dose_grid(
        lambda x, y, z: 30 + np.clip(edge - x, -2, 2) + 0 * (y + z),
        (-100, -40, -60),
        (100, 40, 60),
        2.0,
    )


@pytest.mark.parametrize(
    ("percent", "outcome"),
    [(95, PASS), (91, PASS), (89, VARIATION), (81, VARIATION), (79, FAIL)],
)
def test_coverage_is_graded_by_v100(percent: float, outcome: Outcome) -> None:
    case = Case(
        plan=plan(),
        structure_set=structure_set([in_zone("target", "PTV_T8", -12, 12)]),
        dose=half_covered(percent),
        links=links(),
    )
    finding = found(check(case, PROTOCOL), "coverage")

    assert finding.value is not None
    assert finding.value.value == pytest.approx(
        percent, abs=0.2
    )  # a fifth of a percent of x
    assert finding.outcome is outcome


def test_every_target_is_graded() -> None:
    """A second target in a cold zone fails although the first is covered; the plan names both."""
    both = with_references(
        reference(30.0, description="PTV_T8"), reference(30.0, description="PTV_T9")
    )
    verdict = judge(CORD, in_zone("prv", "PTV_T9", -12, 12), prv=23.0, the_plan=both)

    outcomes = {f.roi: f.outcome for f in verdict.findings if f.id == "coverage"}
    assert outcomes == {"PTV_T8": PASS, "PTV_T9": FAIL}


@pytest.mark.parametrize(
    "name", ["PTV_T8_eval", "PTV_T8-PRV", "PTV_T8!", "zPTV_T8", "PTV_opt"]
)
def test_derived_targets_never_stand_in_for_one(name: str) -> None:
    verdict = judge(CORD, target_name=name)

    assert found(verdict, "coverage").outcome is UNDECIDED
    assert verdict.outcome is UNDECIDED


def test_where_no_target_is_known_those_that_could_be_one_come_with_their_cure() -> (
    None
):
    """A point without contours can be no target, and is not offered."""
    point = ROI(name="rx 1: H&N PTV 50 Gy")
    names = ("PTV_T8-PRV", "H&N PTV_55 Gy")

    unclear, derived = (
        found(judge(CORD, point, target_name=name), "coverage")
        for name in reversed(names)
    )

    cure = 'if one of these is the target, add --alias "H&N PTV_55 Gy=PTV"'
    assert str(unclear.cure) == cure
    assert "only derived structures (PTV_T8-PRV)" in str(derived.message)


def test_an_alias_makes_an_roi_the_target() -> None:
    verdict = judge(
        CORD, target_name="T8 boost", declared=Declared(aliases={"T8 boost": "PTV"})
    )

    assert found(verdict, "coverage").outcome is PASS
    row = next(r for r in verdict.structures if r.match.structure == "PTV")
    assert row.match.declared


# --- Dose ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [
        (0.89, UNDECIDED),
        (1.24, PASS),
        (1.26, VARIATION),
        (1.59, VARIATION),
        (1.61, UNDECIDED),
    ],
)
def test_a_median_far_from_the_prescription_is_undecided(
    factor: float, outcome: Outcome
) -> None:
    verdict = judge(CORD, target=30 * factor)

    finding = found(verdict, "dose.fits_prescription")
    assert finding.outcome is outcome
    if outcome is UNDECIDED:
        assert "dose does not fit the prescription" in str(finding.message)


def test_the_dose_of_one_session_is_refused_and_never_multiplied() -> None:
    with pytest.raises(UnsupportedError, match="looks like one session"):
        judge(CORD, target=6.5, cord=2.0)


def test_one_target_that_fits_one_session_is_enough_to_refuse_the_dose() -> None:
    """The other target receives a third of that: it fits neither way."""
    with pytest.raises(UnsupportedError, match="looks like one session"):
        judge(CORD, in_zone("sac", "PTV_T9", -12, 12), target=6.5, sac=2.0, cord=2.0)


def test_one_target_that_fits_the_prescription_proves_more_than_one_session() -> None:
    verdict = judge(
        CORD, in_zone("sac", "PTV_T9", -12, 12), target=33.0, sac=6.5, cord=2.0
    )

    assert found(verdict, "dose.fits_prescription", "PTV: PTV_T8").outcome is PASS
    assert found(verdict, "dose.fits_prescription", "PTV: PTV_T9").outcome is UNDECIDED


@pytest.mark.parametrize(
    ("step_mm", "outcome"), [(2.0, PASS), (2.5, VARIATION), (4.0, UNDECIDED)]
)
def test_grid_spacing(step_mm: float, outcome: Outcome) -> None:
    verdict = judge(CORD, step_mm=step_mm)

    assert found(verdict, "dose.grid").outcome is outcome
    assert verdict.outcome is outcome
    if step_mm > 3:
        assert "too coarse" in str(found(verdict, "limit.cord").reason)


LONG = in_zone("cord", "SpinalCord", -80, 80)


def falling(
    verdict_of: float, *, per_mm: float = 0.2, top_mm: float = 60.0
) -> DoseGrid:
    """Return a target zone and a cord zone whose dose falls along z, up and down."""
    flat = zoned_dose(
        target=33.0, cord=verdict_of, prv=5.0, cauda=5.0, sac=5.0, organs=5.0
    )
    kept = flat.z_mm <= top_mm
    z_mm = flat.z_mm[kept]
    share = np.clip(1 - per_mm / 10 * np.maximum(np.abs(z_mm) - 12, 0), 0.1, 1)
    return replace(flat, z_mm=z_mm, dose_gy=flat.dose_gy[kept] * share[:, None, None])


def judge_in(dose: DoseGrid, *rois: ROI) -> Verdict:
    return check(replace(judge(*rois).case, dose=dose), PROTOCOL)


def test_a_cord_that_leaves_the_grid_far_from_the_target_is_judged_by_its_bound() -> (
    None
):
    """The highest dose on the face is 33 Gy x 0.1: no dose outside can reach 25.3 Gy."""
    verdict = judge_in(falling(20.0, per_mm=0.4), LONG)

    limit = found(verdict, "limit.cord")
    assert limit.outcome is PASS
    assert "outside the dose grid, where dose is at most 3.3 Gy" in str(limit.message)
    assert found(verdict, "dose.covers", "SpinalCord").outcome is PASS


def test_a_bound_above_the_limit_decides_nothing() -> None:
    """Uniform along z: the face has the 33 Gy of the target's zone."""
    verdict = judge(LONG, cord=20.0)

    limit = found(verdict, "limit.cord")
    assert limit.outcome is UNDECIDED
    assert limit.value is not None
    assert (limit.value.low, limit.value.high) == pytest.approx((20.0, 33.0))
    assert found(judge(LONG, cord=26.0), "limit.cord").outcome is FAIL


@pytest.mark.parametrize(
    ("top_mm", "per_mm", "outcome"),
    [
        (
            30.0,
            0.35,
            PASS,
        ),  # 18 mm off; at most 0.37 x 33 = 12.2 Gy, less than half of 25.3 Gy
        (30.0, 0.34, UNDECIDED),  # 0.388 x 33 = 12.8 Gy
        (22.0, 2.0, PASS),  # 10 mm off; at most 3.3 Gy
        (20.0, 2.0, UNDECIDED),  # 8 mm off
    ],
)
def test_a_face_within_2_cm_of_a_target_bounds_only_a_low_dose(
    top_mm: float, per_mm: float, outcome: Outcome
) -> None:
    """The target ends at z = 12 mm; 1 cm is enough where the bound is at most half of the limit."""
    verdict = judge_in(falling(15.0, per_mm=per_mm, top_mm=top_mm), LONG)

    assert found(verdict, "limit.cord").outcome is outcome
    assert found(verdict, "dose.covers", "SpinalCord").outcome is outcome


def test_dose_that_rises_outward_bounds_nothing() -> None:
    dose = falling(20.0, per_mm=0.4)
    rising = np.where(np.abs(dose.z_mm) > 59, 3.0, 1.0)
    verdict = judge_in(
        replace(dose, dose_gy=dose.dose_gy * rising[:, None, None]), LONG
    )

    assert found(verdict, "limit.cord").outcome is UNDECIDED


@pytest.mark.parametrize("risen", ["mean", "maximum"])
def test_dose_that_rises_outward_in_mean_or_maximum_alone_bounds_nothing(
    risen: str,
) -> None:
    dose = falling(20.0, per_mm=0.4)
    inner_gy = dose.dose_gy[-2]
    if risen == "mean":
        face_gy = np.minimum(2 * inner_gy, inner_gy.max())
    else:
        face_gy = np.where(inner_gy == inner_gy.max(), 1.1, 0.5) * inner_gy
    layers = np.concatenate([dose.dose_gy[:-1], face_gy[None]])
    rises = (face_gy.mean() > inner_gy.mean(), face_gy.max() > inner_gy.max())
    assert rises == (risen == "mean", risen == "maximum")

    verdict = judge_in(replace(dose, dose_gy=layers), LONG)

    assert found(verdict, "limit.cord").outcome is UNDECIDED


def test_a_target_that_leaves_the_grid_has_no_coverage() -> None:
    verdict = judge_in(falling(20.0, top_mm=8.0), CORD)

    coverage = found(verdict, "coverage")
    assert coverage.outcome is UNDECIDED
    assert coverage.value is not None
    assert coverage.value.value is None


# --- Identity -----------------------------------------------------------------------------------


def test_other_names_with_the_same_id_are_a_variation_and_not_shown() -> None:
    other = Patient(patient_id="P-0815", name="Roe^Richard", birth_date="19600102")
    verdict = judge(CORD, patient=other)

    finding = found(verdict, "identity")
    assert finding.outcome is VARIATION
    assert "Roe" not in str(finding.message)


def test_a_dose_without_frame_of_reference_is_undecided() -> None:
    base = judge(CORD).case
    without: Instance = replace(base.links[2].instance, frame_of_reference_uid=None)
    case = replace(
        base, links=(*base.links[:2], replace(base.links[2], instance=without))
    )

    assert found(check(case, PROTOCOL), "frame").outcome is UNDECIDED


@pytest.mark.parametrize(("of_set", "outcome"), [(FRAME_UID, PASS), (None, UNDECIDED)])
def test_one_roi_without_frame_of_reference_is_undecided_unless_its_set_states_it(
    of_set: str | None, outcome: Outcome
) -> None:
    base = judge(CORD).case
    first, *others = base.structure_set.rois
    rois = (replace(first, frame_of_reference_uid=None), *others)
    header = replace(base.structure_set.instance, frame_of_reference_uid=of_set)
    structures = replace(base.structure_set, rois=rois, instance=header)
    verdict = check(replace(base, structure_set=structures), PROTOCOL)

    assert found(verdict, "frame").outcome is outcome


def test_a_foreign_structure_set_given_by_hand_is_a_variation() -> None:
    base = judge(CORD).case
    link = replace(base.links[1], by_hand=True, matches_uid=False)
    case = replace(base, links=(base.links[0], link, base.links[2]))

    assert found(check(case, PROTOCOL), "links").outcome is VARIATION


def test_approval_is_reported_and_moves_nothing() -> None:
    assert found(judge(CORD), "approval").outcome is None


def test_a_plan_without_its_beams_is_undecided() -> None:
    verdict = judge(CORD, the_plan=replace(plan(), beams=()))

    assert found(verdict, "beams").outcome is UNDECIDED
    assert found(verdict, "beams.missing").outcome is UNDECIDED
    assert "plan lacks: 1" in str(found(verdict, "beams.missing").message)


def test_setup_beams_do_not_treat() -> None:
    only = replace(plan().beams[0], delivery_type="SETUP")
    verdict = judge(CORD, the_plan=replace(plan(), beams=(only,)))

    assert "no treatment beam" in str(found(verdict, "beams").message)


def test_a_patient_id_in_some_files_only_is_a_variation() -> None:
    nobody = Patient(patient_id=None, name="Doe^Jane", birth_date="19600102")
    verdict = judge(CORD, patient=nobody)

    assert "stands in 2 files of 3" in str(found(verdict, "identity").message)
    assert found(verdict, "identity").outcome is VARIATION


@pytest.mark.parametrize(("count", "is_refused"), [(49, False), (50, True)])
def test_more_targets_than_a_plan_has_are_another_structure_set(
    count: int, *, is_refused: bool
) -> None:
    """With PTV_T8 they are 50, or 51."""
    crowd = [ROI(name="PTV") for _ in range(count)]
    if not is_refused:
        judge(CORD, *crowd)
        return
    with pytest.raises(CaseError, match="51 ROIs are taken for PTV, more than 50"):
        judge(CORD, *crowd)


def tangled(roi: ROI) -> ROI:
    """Return an ROI with more rings on one plane than can be put together."""
    ring = roi.contours[0]
    return replace(roi, contours=(*roi.contours, *[ring] * 1001))


@pytest.mark.parametrize("name", ["SpinalCord", "SpinalCord_PRV02", "PTV_T8"])
def test_contours_that_cannot_be_put_together_are_no_missing_contours(
    name: str,
) -> None:
    """A PRV stands for a cord that is not drawn, not for one that cannot be read."""
    case = judge(CORD, PRV, SAC).case
    rois = [
        tangled(roi) if roi.name == name else roi for roi in case.structure_set.rois
    ]
    structures = replace(case.structure_set, rois=tuple(rois))

    verdict = check(replace(case, structure_set=structures), PROTOCOL)

    (told,) = (
        f for f in verdict.findings if f.roi == name and f.state is State.MISSING
    )
    assert told.outcome is UNDECIDED
    assert "more than 1000 contours on one plane" in str(told.message)
    assert verdict.outcome is UNDECIDED


def test_a_target_that_cannot_be_put_together_is_treated_all_the_same() -> None:
    second = tangled(in_zone("prv", "PTV_T9", -12, 12))

    verdict = judge(CORD, second)

    assert verdict.levels == ("T8", "T9")
