"""What the beams say of their delivery: each check speaks, is silent just inside, and of what is absent."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from builders import plan
from sbrtcheck import Outcome, Verdict, check
from sbrtcheck.checks.devices import is_special
from sbrtcheck.model import Beam, ControlPoint, DoseHeader, Opening, Plan
from test_checks import CORD, PROTOCOL, judge

PASS, VARIATION, UNDECIDED, FAIL = Outcome
BEAM = plan().beams[0]
(GROUP,) = plan().fraction_groups
Change = Callable[[], Plan]


def of_beams(*beams: Beam, metersets: tuple[float | None, ...] = ()) -> Plan:
    """Return a plan of some beams, each with monitor units and dose."""
    numbered = tuple(replace(beam, number=n) for n, beam in enumerate(beams, 1))
    group = replace(
        GROUP,
        beam_numbers=tuple(beam.number for beam in numbered),
        beam_doses_gy=(6.0 / len(beams),) * len(beams),
        beam_metersets=metersets or (1500.0 / len(beams),) * len(beams),
    )
    return replace(plan(), beams=numbered, fraction_groups=(group,))


def of_weights(*weights: float | None, final: float | None = 1.0) -> Plan:
    points = tuple(ControlPoint(weight=weight) for weight in weights)
    return of_beams(replace(BEAM, control_points=points, final_weight=final))


def of_openings(device: str, *positions_mm: float) -> Plan:
    opening = Opening(device=device, positions_mm=positions_mm)
    return of_beams(replace(BEAM, control_points=(ControlPoint(openings=(opening,)),)))


def of_angles(*angles_deg: float | None, rotation: str = "CW") -> Plan:
    points = tuple(
        ControlPoint(gantry_deg=angle, rotation=rotation) for angle in angles_deg
    )
    return of_beams(replace(BEAM, control_points=points))


def at_isocentre(*places: tuple[float, float, float] | None) -> Plan:
    return of_beams(*(replace(BEAM, isocentre_mm=place) for place in places))


def of_units(meterset: float | None, **beam: str) -> Plan:
    return of_beams(replace(BEAM, **beam), metersets=(meterset,))  # type: ignore[arg-type]


def of_beam_dose(dose_gy: float | None, *, maker: str = "", model: str = "") -> Plan:
    group = replace(GROUP, beam_doses_gy=(dose_gy,))
    own = replace(plan().instance, manufacturer=maker, model=model)
    return replace(plan(), instance=own, fraction_groups=(group,))


def of_positions(*positions: str) -> Plan:
    return of_beams(*(replace(BEAM, position=position) for position in positions))


# rule, plan, outcome: None where it is reported, "silent" where nothing is said.
ROWS: list[tuple[str, Plan, Outcome | str | None]] = [
    ("beams.no_meterset", of_units(0.0), UNDECIDED),
    ("beams.no_meterset", of_units(None), UNDECIDED),
    ("beams.no_meterset", of_units(1.0), PASS),
    ("beams.no_meterset", of_units(None, dosimeter_unit="MINUTE"), "silent"),
    ("beams.no_meterset", of_units(None, machine="CyberKnife"), "silent"),
    ("beams.no_meterset", of_units(None, delivery_type="SETUP"), "silent"),
    ("beams.meterset", of_beams(BEAM, BEAM, metersets=(900.0, None)), VARIATION),
    ("beams.meterset", of_beams(BEAM, BEAM, metersets=(900.0, 0.0)), VARIATION),
    ("beams.meterset", of_beams(BEAM, BEAM, metersets=(900.0, 0.1)), PASS),
    (
        "beams.meterset",
        of_beams(BEAM, replace(BEAM, name="CBCT"), metersets=(900.0, None)),
        PASS,
    ),
    ("beams.meterset", of_units(None), "silent"),
    ("beams.weights", of_weights(0.0, 0.5, 1.0), PASS),
    ("beams.weights", of_weights(0.0, 0.9989, 0.9991), PASS),
    ("beams.weights", of_weights(0.0, 0.9989), VARIATION),
    ("beams.weights", of_weights(0.0009, 1.0), PASS),
    ("beams.weights", of_weights(0.0011, 1.0), VARIATION),
    ("beams.weights", of_weights(0.0, 0.6, 0.5991, 1.0), PASS),
    ("beams.weights", of_weights(0.0, 0.6, 0.5989, 1.0), VARIATION),
    ("beams.weights", of_weights(0.0, 40.0, 80.0, final=80.0), PASS),
    ("beams.weights", of_weights(0.0, 1.0, final=None), PASS),
    ("beams.weights", of_weights(None, 0.5, None), PASS),
    ("beams.weights", of_weights(None, None), "silent"),
    ("beams.weights", of_weights(), "silent"),
    ("beams.dose", of_beam_dose(6.0), None),
    ("beams.dose", of_beam_dose(None), "silent"),
    ("beams.dose", of_beam_dose(0.0), "silent"),
    ("beams.dose", of_beam_dose(2.0, maker="CMS, Inc."), "silent"),
    ("beams.dose", of_beam_dose(2.0, model="Monaco"), "silent"),
    ("beams.dose_low", of_beam_dose(4.81), PASS),
    ("beams.dose_low", of_beam_dose(4.79), VARIATION),
    ("beams.dose_low", of_beam_dose(9.0), PASS),
    ("beams.machine", of_beams(BEAM, BEAM), PASS),
    ("beams.machine", of_beams(BEAM, replace(BEAM, machine="Other")), VARIATION),
    ("beams.machine", of_beams(BEAM, replace(BEAM, machine="")), PASS),
    ("beams.machine", of_beams(replace(BEAM, machine="")), "silent"),
    (
        "beams.machine",
        of_beams(BEAM, replace(BEAM, machine="Other", delivery_type="SETUP")),
        PASS,
    ),
    ("isocentre", at_isocentre((0.0, 0.0, 0.0)), None),
    ("isocentre", at_isocentre(None), "silent"),
    ("isocentre.far", at_isocentre((55.9, 0.0, 0.0)), PASS),
    ("isocentre.far", at_isocentre((56.1, 0.0, 0.0)), VARIATION),
    ("isocentre.far", at_isocentre((0.0, 0.0, 0.0), (0.0, 0.0, 62.1)), VARIATION),
    ("isocentre.far", at_isocentre(None), "silent"),
    (
        "isocentre.far",
        of_beams(replace(BEAM, isocentre_mm=(300.0, 0.0, 0.0), model="Radixact")),
        "silent",
    ),
    ("setup.positions", of_positions("HFS", "HFS"), PASS),
    ("setup.positions", of_positions("HFS", "HFP"), UNDECIDED),
    ("setup.positions", of_positions("HFS", ""), PASS),
    ("setup.positions", of_positions(""), "silent"),
    ("beams.arcs", of_angles(0.0, 360.0), "silent"),
    ("beams.arcs", of_angles(0.0, 360.1), None),
    ("beams.arcs", of_angles(90.0, -0.1), None),
    ("beams.arcs", of_angles(90.0, 90.0), None),
    ("beams.arcs", of_angles(90.0, None), None),
    ("beams.arcs", of_angles(90.0, 90.0, rotation="NONE"), "silent"),
    ("beams.arcs", of_angles(180.0, 0.0, 180.0), "silent"),
    ("beams.arcs", of_angles(None, None), None),
    ("mu", of_units(1500.0), None),
    ("mu", of_units(None), "silent"),
    ("mu", replace(plan(), dose_references=()), None),
    ("mu.range", replace(plan(), dose_references=()), "silent"),
    ("mu.range", of_units(481.0), PASS),
    ("mu.range", of_units(479.0), VARIATION),
    ("mu.range", of_units(7199.0), PASS),
    ("mu.range", of_units(7201.0), VARIATION),
    ("mu.range", of_units(40.0, machine="TomoTherapy1"), "silent"),
    ("mu.range", of_units(40.0, dosimeter_unit="MINUTE"), "silent"),
    ("mu.range", of_beams(BEAM, BEAM, metersets=(400.0, None)), "silent"),
    ("beams.openings", of_openings("MLCX", -5.0, 1.0, -4.95, 2.0), PASS),
    ("beams.openings", of_openings("MLCX", -5.0, 1.0, -5.11, 2.0), VARIATION),
    ("beams.openings", of_openings("ASYMY", 10.0, 9.95), PASS),
    ("beams.openings", of_openings("ASYMY", 10.0, 9.89), VARIATION),
    ("beams.openings", of_openings("X", -250.09, 10.0), PASS),
    ("beams.openings", of_openings("X", -250.11, 10.0), VARIATION),
    ("beams.openings", of_openings("X"), PASS),
    ("beams.openings", of_angles(181.0, 0.0, 179.0), PASS),
    ("beams.openings", of_angles(181.0, 182.0, 181.95, 179.0), PASS),
    ("beams.openings", of_angles(181.0, 182.0, 181.5, 179.0), VARIATION),
    ("beams.openings", of_angles(179.0, 0.0, 181.0, rotation="CC"), PASS),
    ("beams.openings", of_angles(179.0, 0.0, 1.0, rotation="CC"), VARIATION),
    ("beams.openings", of_angles(181.0, 179.0), "silent"),
    ("beams.openings", of_beams(BEAM), "silent"),
]


def outcomes(verdict: Verdict, rule: str) -> list[Outcome | None]:
    return [finding.outcome for finding in verdict.findings if finding.id == rule]


@pytest.mark.parametrize(
    ("rule", "the_plan", "expected"),
    ROWS,
    ids=[f"{rule}-{number}" for number, (rule, _, _) in enumerate(ROWS)],
)
def test_a_check_of_delivery_speaks_where_it_should(
    rule: str, the_plan: Plan, expected: Outcome | str | None
) -> None:
    found = outcomes(judge(CORD, the_plan=the_plan), rule)

    assert found == ([] if expected == "silent" else [expected])


def test_arcs_that_turn_back_in_the_other_direction_are_two_turns() -> None:
    points = [
        ControlPoint(gantry_deg=181.0, rotation="CW"),
        ControlPoint(gantry_deg=179.0, rotation="CC"),
        ControlPoint(gantry_deg=181.0, rotation="NONE"),
    ]
    made = of_beams(replace(BEAM, control_points=tuple(points)))

    assert outcomes(judge(CORD, the_plan=made), "beams.openings") == [PASS]


@pytest.mark.parametrize(
    ("position", "orientation", "expected"),
    [
        ("HFS", (1, 0, 0, 0, 1, 0), [PASS]),
        ("HFS", (-1, 0, 0, 0, -1, 0), [VARIATION]),
        ("HFS", (-1, 0, 0, 0, 1, 0), [PASS]),
        ("HFP", (-1, 0, 0, 0, -1, 0), [PASS]),
        ("HFP", (1, 0, 0, 0, 1, 0), [VARIATION]),
        ("FFS", (1, 0, 0, 0, -1, 0), [VARIATION]),
        ("FFP", (-1, 0, 0, 0, 1, 0), [VARIATION]),
        ("HFDL", (1, 0, 0, 0, 1, 0), []),
        ("HFS", (0, 1, 0, -1, 0, 0), []),
        ("HFS", (), []),
    ],
)
def test_only_rows_and_columns_that_both_contradict_a_position_speak(
    position: str, orientation: tuple[float, ...], expected: list[Outcome]
) -> None:
    case = judge(CORD, the_plan=of_positions(position)).case
    header = DoseHeader(instance=case.plan.instance, orientation=orientation)
    oriented = replace(case, dose=replace(case.dose, header=header))

    verdict = check(oriented, PROTOCOL)

    assert outcomes(verdict, "setup.position") == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("CyberKnife", True),
        ("Leksell GammaPlan®", True),
        ("Hi-Art", True),
        ("TomoTherapy Incorporated", True),
        ("Halcyon_Test", True),
        ("Elekta Unity", True),
        ("Community Linac", False),
        ("TrueBeamSN1193", False),
        ("VersaHD2", False),
        ("BioMethos", False),
    ],
)
def test_devices_are_told_by_whole_beginnings_of_words(
    words: str, *, expected: bool
) -> None:
    assert is_special(plan(), replace(BEAM, machine=words)) is expected


def test_a_plan_without_monitor_units_is_no_pass() -> None:
    assert judge(CORD, the_plan=of_units(0.0)).outcome is UNDECIDED


def test_a_plan_with_its_isocentre_far_away_is_no_plain_pass() -> None:
    made = at_isocentre((300.0, 0.0, 0.0))

    assert judge(CORD, the_plan=made).outcome is VARIATION
