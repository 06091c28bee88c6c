"""A verdict as JSON. Additive within a schema number; the schema lies beside this file."""

import json
from importlib.resources import files
from typing import TYPE_CHECKING

from sbrtcheck import __version__
from sbrtcheck.checks.read_prescription import read_prescription
from sbrtcheck.checks.verdict import Finding, JudgedROI, Verdict, exit_code
from sbrtcheck.dossier import Case, Link, Sibling
from sbrtcheck.model import (
    CaseFacts,
    Declared,
    Prescription,
    Text,
    Value,
    approval_term,
)
from sbrtcheck.protocol.metric import Constraint, Metric
from sbrtcheck.protocol.rules import Protocol
from sbrtcheck.report.words import Voice, name_of, printable, text_of, words_of

if TYPE_CHECKING:
    from sbrtcheck.crosscheck import CrossCheck, Difference, Opinion

SCHEMA = 1


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
) -> str:
    """Return a verdict as JSON text, ASCII only so that any console can print it.

    A second opinion stands under a key of its own, which is not there unless one was asked for.
    Paths, file names and patient identity are left out unless `phi`.
    """
    plan = verdict.case.plan
    voice = Voice(*verdict.case.patients, phi=phi)
    protocol = verdict.protocol
    document = {
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
        "notes": [voice.say(note) for note in _notes(verdict)],
    }
    if second is not None:
        document["crosscheck"] = _crosscheck(second, voice)
    if phi:
        patient = plan.instance.patient
        document["patient"] = {"id": patient.patient_id, "name": patient.name}
    return json.dumps(document, ensure_ascii=True, indent=1, allow_nan=False)


def _notes(verdict: Verdict) -> tuple[Text, ...]:
    case = verdict.case
    read = [note for link in case.links for note in link.instance.notes]
    own = (
        *case.notes,
        *case.plan.notes,
        *case.structure_set.notes,
        *case.dose.notes,
        *read,
    )
    return (*own, *verdict.notes)


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
    header = case.dose.header
    if header is None:
        return None
    return header.summation_type


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
        "prescription": _declared_prescription(declared),
        "levels": list(declared.levels),
        "aliases": {
            voice.name(roi): structure for roi, structure in declared.aliases.items()
        },
        "alone": declared.alone,
        "facts": _facts(declared.facts),
    }


def _declared_prescription(declared: Declared) -> dict[str, object] | None:
    if declared.prescription is None:
        return None
    dose_gy, fractions = declared.prescription
    return {"dose_gy": dose_gy, "fractions": fractions}


def _facts(facts: CaseFacts) -> dict[str, object]:
    return {
        "centre": facts.centre,
        "surgery_date": words_of(facts.surgery_date),
        "first_fraction_date": words_of(facts.first_fraction_date),
        "last_fraction_date": words_of(facts.last_fraction_date),
        "operated_levels": list(facts.operated_levels),
        "prior_radiotherapy": facts.prior_radiotherapy,
        "conus_level": facts.conus_level,
        "not_drawn": dict(facts.not_drawn),
    }


def _finding(finding: Finding, voice: Voice) -> dict[str, object]:
    value, metric = finding.value, finding.metric
    if value is None:
        value = Value(None)
    return {
        "id": finding.id,
        "subject": voice.name(finding.subject),
        "roi": voice.name_if(finding.roi),
        "metric": words_of(metric),
        "value": value.value,
        "low": value.low,
        "high": value.high,
        "unit": _unit(metric),
        "limit": _limit(finding.line),
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
    }


def _unit(metric: Metric | None) -> str | None:
    if metric is None:
        return None
    return metric.unit


def _limit(line: Constraint | None) -> str | None:
    if line is None:
        return None
    return f"{line.operator} {line.limit:g} {line.metric.unit}".rstrip()


def _rule(finding: Finding) -> str:
    if finding.metric is None:
        return finding.id
    return f"{finding.id} {finding.metric}"


def _text(text: Text, voice: Voice) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in text.values.items():
        if isinstance(value, Text):
            values[key] = _text(value, voice)
        elif isinstance(value, str):
            values[key] = voice.name(value)
        else:
            values[key] = value
    return {"template": text.template, "values": values}


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
        "notes": [voice.say(note) for note in second.notes],
    }


def _opinion(opinion: "Opinion", voice: Voice) -> dict[str, object]:
    return {
        "roi": voice.name(opinion.roi_name),
        "source": opinion.source,
        "reason": voice.say_if(opinion.reason),
        "differences": [_difference(row, voice) for row in opinion.differences],
        "notes": [voice.say(note) for note in opinion.notes],
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
