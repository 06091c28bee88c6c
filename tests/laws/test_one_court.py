"""Law 1: the same files give the same findings, by the batch and by the plan alone."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pydicom
import pytest

from batches import rows, run_here
from exports import export
from sbrtcheck import CaseError, Declared, ReadError, check, load_case, load_protocol
from sbrtcheck.dossier.facts import facts_beside, load_facts
from sbrtcheck.model import CaseFacts
from sbrtcheck.report.as_json import render_json

Document = Mapping[str, Any]


def batch_verdicts(root: Path, out: Path) -> dict[str, Document]:
    """Return what the batch writes of each plan, by the path of the plan."""
    run_here(root, out=out, phi=True)
    return {
        row["path"]: json.loads((out / "plans" / f"{row['plan']}.json").read_text())
        for row in rows(out / "plans.csv")
    }


def verdict_alone(plan: Path, root: Path) -> Document | None:
    """Return the verdict of a plan alone, None where there is none."""
    try:
        case = load_case(plan, within=root)
        beside = facts_beside(plan)
        facts = CaseFacts() if beside is None else load_facts(beside)
        verdict = check(case, load_protocol("nct06756087"), Declared(facts=facts))
    except (CaseError, ReadError):
        return None
    document: Document = json.loads(render_json(verdict, phi=True))
    return document


def require_one_court(root: Path, out: Path, at_least: int) -> dict[str, Document]:
    found = batch_verdicts(root, out)
    assert len(found) >= at_least
    for path, told in found.items():
        alone = verdict_alone(Path(path), root)
        if alone is None:
            assert told["outcome"] == "ERROR", path
            continue
        own = {key: value for key, value in alone.items() if key != "sbrtcheck"}
        theirs = {key: value for key, value in told.items() if key != "sbrtcheck"}
        assert theirs == own, path
    return found


def test_all_samples_in_one_folder(samples: Path, tmp_path: Path) -> None:
    found = require_one_court(samples, tmp_path / "out", 17)
    assert len({document["outcome"] for document in found.values()}) >= 4


@pytest.mark.parametrize("pair", ["pass", "fail"])
def test_two_plans_of_one_course(samples: Path, tmp_path: Path, pair: str) -> None:
    for folder in samples.glob(f"pair_sum_{pair}_*"):
        shutil.copytree(folder, tmp_path / "in" / folder.name)
    found = require_one_court(tmp_path / "in", tmp_path / "out", 2)
    assert all(len(document["plans"]) == 2 for document in found.values())


def revision(folder: Path) -> None:
    export(folder / "2", 2, approval="UNAPPROVED", date="20260102")


def revision_in_the_same_folder(folder: Path) -> None:
    for path in export(folder / "2", 2, approval="UNAPPROVED"):
        path.rename(folder / "1" / f"old_{path.name}")


def orphaned_dose(folder: Path) -> None:
    export(folder / "2", 2, target="PTV_T10", z_mm=40.0).plan.unlink()


def truncated_plan(folder: Path) -> None:
    plan = export(folder / "2", 2, target="PTV_T10", z_mm=40.0).plan
    plan.write_bytes(plan.read_bytes()[:-40])


def truncated_plan_of_nobody(folder: Path) -> None:
    plan = export(folder / "2", 2, target="PTV_T10", z_mm=40.0, patient_id="病历").plan
    plan.write_bytes(plan.read_bytes()[:-40])


def bad_number(folder: Path) -> None:
    plan = export(folder / "2", 2, target="PTV_T10", z_mm=40.0).plan
    content = plan.read_bytes()
    dataset = pydicom.dcmread(plan)
    value = str(
        dataset.DoseReferenceSequence[0]["TargetPrescriptionDose"].value
    ).encode()
    at = content.rindex(value)
    plan.write_bytes(content[:at] + b"x" * len(value) + content[at + len(value) :])


def qa_plan(folder: Path) -> None:
    plan = export(folder / "2", 2).plan
    dataset = pydicom.dcmread(plan)
    dataset.PlanIntent = "VERIFICATION"
    dataset.save_as(plan)


def two_contents(folder: Path) -> None:
    shutil.copy(export(folder / "2", 1, label="OLD").plan, folder / "1" / "old.dcm")
    shutil.rmtree(folder / "2")


def without_patient_id(folder: Path) -> None:
    export(folder / "2", 2, target="PTV_T10", z_mm=40.0, patient_id=None)
    plan = export(folder / "3", 3, frame="3", patient_id="Other").plan
    plan.write_bytes(plan.read_bytes()[:-40])


def another_name(folder: Path) -> None:
    export(folder / "2", 2, patient_name="Li^Na", frame="2")


def broken_archive(folder: Path) -> None:
    (folder / "a.zip").write_bytes(b"PK\x03\x04 this is no archive")
    export(folder / "2", 2, frame="2", patient_id="Other")


def copies(folder: Path) -> None:
    shutil.copytree(folder / "1", folder / "1" / "copy")
    shutil.copytree(folder / "1", folder / "4")


COURSES: tuple[Callable[[Path], None], ...] = (
    revision,
    revision_in_the_same_folder,
    orphaned_dose,
    truncated_plan,
    truncated_plan_of_nobody,
    bad_number,
    qa_plan,
    two_contents,
    without_patient_id,
    another_name,
    broken_archive,
    copies,
)


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.__name__)
def test_what_lies_beside_a_plan_is_the_same_to_both(
    tmp_path: Path, course: Callable[[Path], None]
) -> None:
    export(tmp_path / "in/1", 1)
    course(tmp_path / "in")

    require_one_court(tmp_path / "in", tmp_path / "out", 1)


def test_the_court_would_notice(tmp_path: Path) -> None:
    """A file that only one of them sees must break the law."""
    export(tmp_path / "in/1", 1)
    told = batch_verdicts(tmp_path / "in", tmp_path / "out")
    orphaned_dose(tmp_path / "in")
    ((path, document),) = told.items()
    alone = verdict_alone(Path(path), tmp_path / "in")
    assert alone is not None
    assert alone["findings"] != document["findings"]
