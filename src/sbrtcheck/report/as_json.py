"""A verdict as JSON. Additive within a schema number; the schema lies beside this file."""

import json
from collections.abc import Callable
from importlib.resources import files
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from sbrtcheck import __version__
from sbrtcheck.checks.read_prescription import read_prescription
from sbrtcheck.checks.verdict import Finding, JudgedROI, Verdict, Where, exit_code
from sbrtcheck.dossier import Case, Link, Sibling
from sbrtcheck.model import (
    CaseFacts,
    Declared,
    DoseHeader,
    Prescription,
    Review,
    Text,
    Value,
    approval_term,
)
from sbrtcheck.protocol.metric import Metric
from sbrtcheck.protocol.rules import Protocol
from sbrtcheck.report.review import review_record, verdict_hash
from sbrtcheck.report.words import (
    Voice,
    joined,
    known_or,
    limit_of,
    name_of,
    printable,
    text_of,
    told_of,
    words_of,
)

if TYPE_CHECKING:
    from sbrtcheck.crosscheck import CrossCheck, Difference, Opinion

SCHEMA = 1
UNIT: Callable[[Metric], str] = attrgetter("unit")
SUMMATION_TYPE: Callable[[DoseHeader], str] = attrgetter("summation_type")


def load_schema() -> dict[str, object]:
    """Return the JSON Schema of what `render_json` writes."""
    text = (
        files("sbrtcheck.report")
        .joinpath("verdict.schema.json")
        .read_text(encoding="utf-8")
    )
    schema: dict[str, object] = json.loads(text)
    return schema


def render_json(
    verdict: Verdict,
    *,
    strict: bool = False,
    phi: bool = False,
    second: "CrossCheck | None" = None,
    review: Review | None = None,
) -> str:
    """Return a verdict as JSON text, ASCII only so that any console can print it.

    A second opinion and a review stand under keys of their own, which are not there without one.
    Paths, file names and patient identity are left out unless `phi`.
    """
    plan = verdict.case.plan
    voice = Voice(*verdict.case.patients, phi=phi)
    document = _document(verdict, voice, strict=strict, phi=phi)
    if second is not None:
        document["crosscheck"] = _crosscheck(second, voice)
    if review is not None:
        is_of_this = review.verdict == verdict_hash(document)
        document["review"] = review_record(review, voice, is_of_this=is_of_this)
    if phi:
        patient = plan.instance.patient
        document["patient"] = {"id": patient.patient_id, "name": patient.name}
    return json.dumps(document, ensure_ascii=True, indent=1, allow_nan=False)


def hash_of(verdict: Verdict) -> str:
    """Return the hash of what a verdict found; see `verdict_hash`."""
    voice = Voice(*verdict.case.patients, phi=False)
    return verdict_hash(_document(verdict, voice, strict=False, phi=False))


def _document(
    verdict: Verdict, voice: Voice, *, strict: bool, phi: bool
) -> dict[str, object]:
    protocol = verdict.protocol
    return {
        "schema": SCHEMA,
        "sbrtcheck": __version__,
        "outcome": verdict.outcome.name,
        "exit_code": exit_code(verdict.outcome, strict=strict),
        "strict": strict,
        "trial_outcome": name_of(verdict.trial_outcome),
        "dosimetry_outcome": verdict.dosimetry_outcome.name,
        "protocol": protocol_record(protocol),
        "plans": [
            plan_record(verdict.case, verdict.prescription, voice),
            *(
                plan_record(part, _prescription_of(part, protocol), voice)
                for part in verdict.parts
            ),
        ],
        "others": [_other(other, phi=phi) for other in _not_added(verdict)],
        "levels": {
            "treated": list(verdict.levels),
            "source": voice.say(verdict.levels_source),
        },
        "declared": declared_record(verdict, voice),
        "findings": [_finding(finding, voice) for finding in verdict.findings],
        "structures": [_structure(row, voice) for row in verdict.structures],
        "notes": voice.say_all(_notes(verdict)),
    }


def _notes(verdict: Verdict) -> tuple[Text, ...]:
    case = verdict.case
    return (
        *case.notes,
        *case.plan.notes,
        *case.structure_set.notes,
        *case.dose.notes,
        *chain.from_iterable(link.instance.notes for link in case.links),
        *verdict.notes,
    )


def _prescription_of(part: Case, protocol: Protocol) -> Prescription | None:
    return read_prescription(part.plan, Declared(), protocol.schemes).prescription


def _not_added(verdict: Verdict) -> list[Sibling]:
    """Return the other plans of the patient whose dose was not added."""
    added = {part.plan.instance.sop_instance_uid for part in verdict.parts}
    siblings = verdict.case.siblings
    return [one for one in siblings if one.instance.sop_instance_uid not in added]


def protocol_record(protocol: Protocol) -> dict[str, object]:
    """Return which protocol it was, in every document."""
    return {
        "id": protocol.protocol.id,
        "version": protocol.protocol.version,
        "status": protocol.protocol.status,
        "sha256": protocol.sha256,
    }


def plan_record(
    case: Case, prescription: Prescription | None, voice: Voice
) -> dict[str, object]:
    """Return what stands of a plan in every document."""
    instance = case.plan.instance
    return {
        "label": voice.name(text_of(instance.label)),
        "sop_instance_uid": instance.sop_instance_uid,
        "sha256": instance.sha256,
        "dataset_sha256": instance.dataset_sha256,
        "approval_status": _stated(instance.approval_status, voice),
        "prescription": _prescription(prescription, voice),
        "structure_set": _linked(case.links_of("RT Structure Set")[0], voice),
        "dose": [
            {**_linked(link, voice), "summation": _summation(case)}
            for link in case.links_of("RT Dose")
        ],
    }


def _stated(text: str | None, voice: Voice) -> str | None:
    """Return a string from a file; an empty one says nothing."""
    if not text:
        return None
    return voice.name(text)


def _prescription(
    prescription: Prescription | None, voice: Voice
) -> dict[str, object] | None:
    if prescription is None:
        return None
    return {
        "dose_gy": prescription.dose_gy,
        "fractions": prescription.fractions,
        "target": voice.name(prescription.target),
        "source": voice.say(prescription.source),
    }


def _summation(case: Case) -> str | None:
    return told_of(case.dose.header, SUMMATION_TYPE)


def _other(other: Sibling, *, phi: bool) -> dict[str, object]:
    instance = other.instance
    # Both are free text, which may name another patient, whom no mask knows.
    label, approval_status = None, approval_term(instance.approval_status)
    if phi:
        label, approval_status = (
            printable(text_of(instance.label)),
            instance.approval_status,
        )
    return {
        "kind": other.kind,
        "label": label,
        "sop_instance_uid": instance.sop_instance_uid,
        "approval_status": approval_status,
        "where": other.where,
    }


def _linked(link: Link, voice: Voice) -> dict[str, object]:
    return {
        "sop_instance_uid": link.instance.sop_instance_uid,
        "sha256": link.instance.sha256,
        "dataset_sha256": link.instance.dataset_sha256,
        "how": voice.say(link.how),
    }


def declared_record(verdict: Verdict, voice: Voice) -> dict[str, object]:
    """Return what the user declared, in every document."""
    declared = verdict.declared
    return {
        "prescription": told_of(declared.prescription, _declared_prescription),
        "levels": list(declared.levels),
        "aliases": {
            voice.name(roi): structure for roi, structure in declared.aliases.items()
        },
        "alone": declared.alone,
        "facts": _facts(declared.facts),
    }


def _declared_prescription(prescription: tuple[float, int]) -> dict[str, object]:
    dose_gy, fractions = prescription
    return {"dose_gy": dose_gy, "fractions": fractions}


def _facts(facts: CaseFacts) -> dict[str, object]:
    return {
        "centre": facts.centre,
        "surgery_date": words_of(facts.surgery_date),
        "first_fraction_date": words_of(facts.first_fraction_date),
        "last_fraction_date": words_of(facts.last_fraction_date),
        "operated_levels": list(facts.operated_levels),
        "prior_radiotherapy": facts.prior_radiotherapy,
        "prior_radiotherapy_date": words_of(facts.prior_radiotherapy_date),
        "prior_radiotherapy_levels": list(facts.prior_radiotherapy_levels),
        "prior_cord_eqd2_gy": facts.prior_cord_eqd2_gy,
        "affected_levels": list(facts.affected_levels),
        "arm": facts.arm,
        "conus_level": facts.conus_level,
        "not_drawn": dict(facts.not_drawn),
    }


def _finding(finding: Finding, voice: Voice) -> dict[str, object]:
    value, metric = known_or(finding.value, Value(None)), finding.metric
    return {
        "id": finding.id,
        "subject": voice.name(finding.subject),
        "roi": voice.name_if(finding.roi),
        "metric": words_of(metric),
        "value": value.value,
        "low": value.low,
        "high": value.high,
        "unit": told_of(metric, UNIT),
        "limit": told_of(finding.line, limit_of),
        "margin": finding.margin,
        "outcome": name_of(finding.outcome),
        "reason": voice.say_if(finding.reason),
        "required": finding.required,
        "basis": finding.basis.value,
        "source": finding.source,
        "message": voice.say(finding.message),
        "text": _text(finding.message, voice),
        "rule": _rule(finding),
        "section": finding.section.value,
        "state": words_of(finding.state),
        "class": words_of(finding.variation_class),
        "cure": voice.say_if(finding.cure),
        "held_by": finding.held_by,
        "where": _where(finding.where, voice),
    }


def _where(where: Where | None, voice: Voice) -> dict[str, object] | None:
    if where is None:
        return None
    return {
        "point_mm": list(where.point_mm),
        "volume_cc": where.volume_cc,
        "target": voice.name_if(where.target),
        "distance_mm": where.distance_mm,
        "side": voice.say_if(where.side),
    }


def _rule(finding: Finding) -> str:
    return joined((finding.id, words_of(finding.metric)))


def _text(text: Text, voice: Voice) -> dict[str, object]:
    values = {key: _text_value(value, voice) for key, value in text.values.items()}
    return {"template": text.template, "values": values}


def _text_value(value: str | float | Text, voice: Voice) -> object:
    if isinstance(value, Text):
        return _text(value, voice)
    if isinstance(value, str):
        return voice.name(value)
    return value


def _structure(row: JudgedROI, voice: Voice) -> dict[str, object]:
    return {
        "roi": voice.name(row.match.roi.name),
        "matched_as": row.match.structure,
        "how": voice.say(row.match.how),
        "volume_cc": row.volume_cc,
        "notes": [printable(voice.say(note)) for note in row.notes],
    }


def _crosscheck(second: "CrossCheck", voice: Voice) -> dict[str, object]:
    return {
        "unexplained": second.unexplained,
        "opinions": [_opinion(opinion, voice) for opinion in second.opinions],
        "notes": voice.say_all(second.notes),
    }


def _opinion(opinion: "Opinion", voice: Voice) -> dict[str, object]:
    return {
        "roi": voice.name(opinion.roi_name),
        "source": opinion.source,
        "reason": voice.say_if(opinion.reason),
        "differences": [_difference(row, voice) for row in opinion.differences],
        "notes": voice.say_all(opinion.notes),
    }


def _difference(row: "Difference", voice: Voice) -> dict[str, object]:
    return {
        "metric": str(row.metric),
        "unit": row.metric.unit,
        "value": row.ours.value,
        "low": row.ours.low,
        "high": row.ours.high,
        "other": row.theirs,
        "difference": row.difference,
        "beyond": row.beyond,
        "nearest": row.nearest,
        "reason": voice.say_if(row.reason),
    }
