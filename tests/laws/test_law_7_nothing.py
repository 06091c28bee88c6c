"""Law 7. No PASS is about nothing."""

import pytest

from laws.bench import SEED, Trial, judged, matches_of, quick_numbers, trial
from laws.makers import Maker, with_rois, without
from sbrtcheck.checks.read_neural import NEURAL_ROLES
from sbrtcheck.checks.rule import Outcome, Row, Section
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.dossier import Case
from sbrtcheck.protocol.rules import Role

NUMBERS = quick_numbers(20)


def passes(tried: Trial, maker: Maker) -> list[Finding]:
    """Return what passes after something was taken away."""
    case = maker(tried.case)
    if case is None:
        return []
    answer = judged(lambda: case, tried.declared)
    if answer.verdict is None:
        return []
    return [f for f in answer.verdict.findings if f.outcome is Outcome.PASS]


def no_rois(case: Case) -> Case:
    """Take every ROI away."""
    return with_rois(case, ())


def no_rings(case: Case) -> Case:
    """Leave the names of ROIs alone."""
    from dataclasses import replace

    return with_rois(
        case, (replace(roi, contours=()) for roi in case.structure_set.rois)
    )


@pytest.mark.parametrize("number", NUMBERS)
def test_without_a_target_nothing_about_targets_passes(number: int) -> None:
    found = passes(trial(SEED, number), without(Role.PTV))
    about = [f for f in found if f.section is Section.TARGET or f.id == "dose.median"]
    assert [(f"{SEED}/{number}", f.id, f.subject, str(f.message)) for f in about] == []


@pytest.mark.parametrize("number", NUMBERS[:5])
def test_without_a_target_the_grid_is_not_said_to_hold_every_target(
    number: int,
) -> None:
    found = passes(trial(SEED, number), without(Role.PTV))
    said = [str(f.message) for f in found if f.id == "dose.covers"]
    assert not any("target" in words for words in said), f"{SEED}/{number}"


@pytest.mark.parametrize("number", NUMBERS[:5])
def test_without_anything_drawn_the_grid_holds_nothing(number: int) -> None:
    assert "dose.covers" not in {f.id for f in passes(trial(SEED, number), no_rois)}, (
        f"{SEED}/{number}"
    )


@pytest.mark.parametrize("number", NUMBERS)
def test_without_neural_structures_nothing_neural_passes(number: int) -> None:
    found = passes(trial(SEED, number), without(*NEURAL_ROLES))
    about = [f for f in found if f.section is Section.NEURAL]
    assert [(f"{SEED}/{number}", f.id, f.subject, str(f.message)) for f in about] == []


@pytest.mark.parametrize("emptied", [no_rois, no_rings])
@pytest.mark.parametrize("number", NUMBERS[:10])
def test_without_anything_drawn_no_limit_and_no_coverage_passes(
    number: int, emptied: Maker
) -> None:
    found = passes(trial(SEED, number), emptied)
    about = [f for f in found if f.rule.row in (Row.LIMIT, Row.COVERAGE)]
    assert [(f"{SEED}/{number}", f.id, f.subject, str(f.message)) for f in about] == []


@pytest.mark.parametrize("number", NUMBERS)
def test_no_limit_passes_for_a_roi_that_is_not_there(number: int) -> None:
    tried = trial(SEED, number)
    organs = {m.roi.name for m in matches_of(tried.case) if m.role is Role.ORGAN}
    found = passes(tried, without(Role.ORGAN))
    about = [f for f in found if f.rule.row is Row.LIMIT and f.subject in organs]
    assert [(f"{SEED}/{number}", f.id, f.subject, str(f.message)) for f in about] == []
