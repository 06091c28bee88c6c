"""Each set of the real exports comes to what the table says; without the folder, skipped.

The numbers are those of other programs: PlanIQ, Eclipse, and what the plans themselves state.
"""

import csv
import gzip
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from builders import dvh_of
from sbrtcheck import (
    Outcome,
    SbrtCheckError,
    Verdict,
    check,
    load_case,
    load_protocol,
)
from sbrtcheck.checks import cord_shape, delivery, dose_values, target_shape
from sbrtcheck.checks.read_prescription import read_prescription
from sbrtcheck.checks.rule import Row, Rule, State
from sbrtcheck.contours import build_region
from sbrtcheck.dicom import RT_PLAN, load_dose, load_plan, load_structure_set, peek
from sbrtcheck.dvh import DVH
from sbrtcheck.model import Declared, DoseGrid, FloatArray

TABLE = tomllib.loads(
    (Path(__file__).parent / "table.toml").read_text(encoding="utf-8")
)
PROTOCOL = load_protocol("nct06756087")
VOLUMES = [(file, *row) for file, rows in TABLE["volumes"].items() for row in rows]


@pytest.mark.parametrize(
    "row", TABLE["judged"], ids=[row["plan"] for row in TABLE["judged"]]
)
def test_a_complete_set_gets_its_verdict_for_its_reason(
    real_data: Path, row: dict[str, str]
) -> None:
    verdict = check(load_case(real_data / row["plan"]), PROTOCOL)

    assert verdict.outcome is Outcome[row["outcome"]]
    finding = next(f for f in verdict.findings if f.id == row["decides"])
    assert finding.outcome is verdict.outcome
    assert row["words"] in str(finding.message)


@pytest.mark.parametrize(
    ("argument", "kind", "words"), [(k, *v) for k, v in TABLE["refused"].items()]
)
def test_a_set_that_cannot_be_judged_says_why(
    real_data: Path, argument: str, kind: str, words: str
) -> None:
    with pytest.raises(SbrtCheckError) as caught:
        load_case(real_data / argument)

    assert type(caught.value).__name__ == kind
    assert words in str(caught.value.problem)


@pytest.mark.parametrize(("plan", "expected"), TABLE["prescriptions"].items())
def test_the_prescription_is_what_the_plan_states(
    real_data: Path, plan: str, expected: list[float] | str
) -> None:
    reading = read_prescription(
        load_plan(real_data / plan), Declared(), PROTOCOL.schemes
    )

    if isinstance(expected, str):
        assert reading.prescription is None
        assert expected in str(reading.problem)
        return
    assert reading.prescription is not None
    found = [reading.prescription.dose_gy, reading.prescription.fractions]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(("file", "roi", "expected_cc"), VOLUMES)
def test_volumes_are_those_of_other_programs_but_for_end_caps(
    real_data: Path, file: str, roi: str, expected_cc: float
) -> None:
    structures = load_structure_set(real_data / file)
    region = build_region(
        next(row for row in structures.rois if row.name.strip() == roi)
    )

    ends = (region.slabs[0], region.slabs[-1])
    caps_cc = sum(slab.area_mm2 * slab.thickness_mm / 2 for slab in ends) / 1000
    assert region.volume_cc == pytest.approx(
        expected_cc, abs=caps_cc + 0.01 * expected_cc
    )


# --- Checks of delivery, dose values and geometry ---------------------------------------------------

CHECKED = (cord_shape, delivery, dose_values, target_shape)
RULE_IDS = {
    rule.id
    for module in CHECKED
    for rule in vars(module).values()
    if isinstance(rule, Rule)
}
# Of the plan itself, whatever contours and dose are put beside it.
OF_PLAN = tuple(
    name for name in RULE_IDS if name.startswith(("beams.", "mu", "setup."))
)


def spoken(verdict: Verdict) -> list[str]:
    """Return what the checks say that is no PASS and no fact."""
    return sorted(
        f"{finding.id} {'-' if finding.outcome is None else finding.outcome.name}"
        for finding in verdict.findings
        if finding.id in RULE_IDS
        and finding.rule.row is not Row.FACT
        and finding.state is not State.NOT_ASKED
        and finding.outcome is not Outcome.PASS
    )


@pytest.mark.parametrize(
    ("plan", "expected"), TABLE["spoken"].items(), ids=TABLE["spoken"]
)
def test_checks_say_of_a_complete_set_what_the_table_says(
    real_data: Path, plan: str, expected: list[str]
) -> None:
    assert spoken(check(load_case(real_data / plan), PROTOCOL)) == expected


def test_checks_of_delivery_are_silent_on_every_real_plan_but_where_they_should_speak(
    real_data: Path, samples: Path
) -> None:
    """Each plan beside contours and dose of a sample: only what it says of itself is looked at."""
    base = load_case(samples / "t8_30gy5_pass")
    found, count = {}, 0
    for path in sorted(real_data.rglob("*")):
        if not path.is_file() or not _is_plan(path):
            continue
        try:
            plan = load_plan(path)
        except SbrtCheckError:
            continue
        header = replace(plan.instance, patient=base.plan.instance.patient)
        case = replace(base, plan=replace(plan, instance=header))
        said = spoken(check(case, PROTOCOL))
        own = [words for words in said if words.split()[0] in OF_PLAN]
        count += 1
        if own:
            found[path.relative_to(real_data).as_posix()] = own

    assert count >= 39
    assert found == TABLE["of_plans"]


def _is_plan(path: Path) -> bool:
    found = peek(path)
    return found is not None and found.sop_class_uid == RT_PLAN


# --- Whole curves -------------------------------------------------------------------------------


def mean_difference_percent(
    dvh: DVH, dose_gy: FloatArray, percent: FloatArray
) -> float:
    """Return the mean difference over a curve given in % of its own volume."""
    ours = 100 * np.interp(dose_gy, dvh.dose_gy, dvh.volume_cc_at_dose, right=0.0)
    used = (percent > 0) | (ours > 0)
    return float(np.abs(ours / (dvh.volume_cc or 1.0) - percent)[used].mean())


def nrrd_dose(path: Path) -> DoseGrid:
    """Read the prostate plan's dose, which is not at hand as DICOM."""
    header, _, packed = path.read_bytes().partition(b"\n\n")
    lines = [
        line.split(": ", 1)
        for line in header.decode("ascii").splitlines()
        if ": " in line
    ]
    fields = dict(lines)
    columns, rows, frames = map(int, fields["sizes"].split())
    origin = [float(word) for word in fields["space origin"].strip("()").split(",")]
    values = np.frombuffer(gzip.decompress(packed), "<f4").reshape(
        frames, rows, columns
    )
    x, y, z = (
        np.linspace(start, start + 2.5 * (count - 1), count, dtype=np.float64)
        for start, count in zip(origin, (columns, rows, frames), strict=True)
    )
    return DoseGrid(dose_gy=values.astype(np.float64), x_mm=x, y_mm=y, z_mm=z)


@pytest.mark.parametrize(("roi", "column"), [("Bladder", "Bladder"), ("PTV", "PTV")])
def test_the_curves_of_the_prostate_plan_are_eclipses(
    real_data: Path, roi: str, column: str
) -> None:
    """Mean difference over the curve: 0.05 % of the volume at the most."""
    folder = real_data / "eclipse-prostate-rando"
    structures = load_structure_set(folder / "RS.dcm")
    with (folder / "EclipseProstate_DvhTable_Eclipse.csv").open(
        encoding="utf-8"
    ) as file:
        rows = list(csv.reader(file))
    at = next(
        i
        for i, name in enumerate(rows[0])
        if name.startswith(f"{column}_DvhArray Dose")
    )
    curve = np.array(
        [[float(row[at]), float(row[at + 1])] for row in rows[1:] if row[at]]
    )

    dvh = dvh_of(structures.roi(roi), nrrd_dose(folder / "RTDOSE.nrrd"))

    assert mean_difference_percent(dvh, curve[:, 0], curve[:, 1]) <= 0.05


@pytest.mark.parametrize("roi", ["Breast", "Lt Lung", "Heart", "Tumor Bed"])
def test_the_curves_of_the_breast_plan_are_eclipses(real_data: Path, roi: str) -> None:
    """Eclipse's curve in the RT Dose itself, 0.01 Gy bins; contours every 3 mm."""
    folder = real_data / "eclipse-breast-dvhseq"
    structures = load_structure_set(folder / "rtss.dcm")
    wanted = structures.roi(roi)
    dataset = pydicom.dcmread(folder / "rtdose.dcm")
    (item,) = (
        row
        for row in dataset.DVHSequence
        if row.DVHReferencedROISequence[0].ReferencedROINumber == wanted.number
    )
    data = np.array(item.DVHData, dtype=float).reshape(-1, 2)
    dose_gy = np.concatenate([[0.0], np.cumsum(data[:, 0])[:-1]]) * float(
        item.DVHDoseScaling
    )
    percent = 100 * np.clip(data[:, 1], 0, None) / data[0, 1]

    dvh = dvh_of(wanted, load_dose(folder / "rtdose.dcm"))

    assert mean_difference_percent(dvh, dose_gy, percent) <= 0.4


def test_run_lengths_and_big_endian_hold_the_same_dose(real_data: Path) -> None:
    """The three files hold one dose; RELATIVE dose is declined only after it could be read."""
    folder = real_data / "pydicom-mini"
    plain = pydicom.dcmread(folder / "rtdose.dcm").pixel_array

    for name in ("rtdose_expb.dcm", "rtdose_rle.dcm"):
        assert np.array_equal(plain, pydicom.dcmread(folder / name).pixel_array)
