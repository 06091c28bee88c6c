"""A verdict as JSON. Additive within a schema number; the schema lies beside this file."""

import json
from importlib.resources import files

from sbrtcheck import __version__
from sbrtcheck.case import Link
from sbrtcheck.metric import Value
from sbrtcheck.model import Text
from sbrtcheck.report.words import Voice, printable
from sbrtcheck.verdict import Finding, JudgedROI, Verdict, exit_code

SCHEMA = 1


def load_schema() -> dict[str, object]:
    """Return the JSON Schema of what `render_json` writes."""
    text = files("sbrtcheck.report").joinpath("verdict.schema.json").read_text(encoding="utf-8")
    schema: dict[str, object] = json.loads(text)
    return schema


def render_json(verdict: Verdict, *, strict: bool = False, phi: bool = False) -> str:
    """Return a verdict as JSON text, ASCII only so that any console can print it.

    Paths, file names and patient identity are left out unless `phi`.
    """
    plan = verdict.case.plan
    voice = Voice(plan.instance.patient, phi=phi)
    protocol = verdict.protocol
    document = {
        "schema": SCHEMA,
        "sbrtcheck": __version__,
        "outcome": verdict.outcome.name,
        "exit_code": exit_code(verdict.outcome, strict=strict),
        "strict": strict,
        "trial_outcome": verdict.trial_outcome.name,
        "dosimetry_outcome": verdict.dosimetry_outcome.name,
        "protocol": {
            "id": protocol.protocol.id,
            "version": protocol.protocol.version,
            "status": protocol.protocol.status,
            "sha256": protocol.sha256,
        },
        "plans": [_plan(verdict, voice)],
        "levels": {"treated": list(verdict.levels), "source": voice.say(verdict.levels_source)},
        "declared": _declared(verdict, voice),
        "findings": [_finding(finding, voice) for finding in verdict.findings],
        "structures": [_structure(row, voice) for row in verdict.structures],
        "notes": [voice.say(note) for note in _notes(verdict)],
    }
    if phi:
        patient = plan.instance.patient
        document["patient"] = {"id": patient.patient_id, "name": patient.name}
    return json.dumps(document, ensure_ascii=True, indent=1, allow_nan=False)


def _notes(verdict: Verdict) -> tuple[Text, ...]:
    case = verdict.case
    read = [note for link in case.links for note in link.instance.notes]
    return (*case.notes, *case.plan.notes, *case.structure_set.notes, *case.dose.notes, *read)


def _plan(verdict: Verdict, voice: Voice) -> dict[str, object]:
    instance = verdict.case.plan.instance
    prescription = verdict.prescription
    links = {link.kind: link for link in verdict.case.links}
    header = verdict.case.dose.header
    dose = _linked(links["RT Dose"], voice)
    dose["sha256"] = None if header is None else header.instance.sha256
    dose["summation"] = None if header is None else header.summation_type
    return {
        "label": voice.name(instance.label or ""),
        "sop_instance_uid": instance.sop_instance_uid,
        "sha256": instance.sha256,
        "approval_status": instance.approval_status,
        "prescription": None
        if prescription is None
        else {
            "dose_gy": prescription.dose_gy,
            "fractions": prescription.fractions,
            "target": voice.name(prescription.target),
            "source": voice.say(prescription.source),
        },
        "structure_set": _linked(links["RT Structure Set"], voice),
        "dose": [dose],
    }


def _linked(link: Link, voice: Voice) -> dict[str, object]:
    return {
        "sop_instance_uid": link.instance.sop_instance_uid,
        "sha256": link.instance.sha256,
        "how": voice.say(link.how),
    }


def _declared(verdict: Verdict, voice: Voice) -> dict[str, object]:
    declared = verdict.declared
    prescription = declared.prescription
    return {
        "prescription": None
        if prescription is None
        else {"dose_gy": prescription[0], "fractions": prescription[1]},
        "levels": list(declared.levels),
        "aliases": {voice.name(roi): structure for roi, structure in declared.aliases.items()},
    }


def _finding(finding: Finding, voice: Voice) -> dict[str, object]:
    value = finding.value or Value(None)
    return {
        "id": finding.id,
        "subject": voice.name(finding.subject),
        "roi": None if finding.roi is None else voice.name(finding.roi),
        "metric": None if finding.metric is None else str(finding.metric),
        "value": value.value,
        "low": value.low,
        "high": value.high,
        "unit": None if finding.metric is None else finding.metric.unit,
        "limit": None if finding.line is None else _limit(finding),
        "margin": finding.margin,
        "outcome": None if finding.outcome is None else finding.outcome.name,
        "reason": None if finding.reason is None else voice.say(finding.reason),
        "required": finding.required,
        "basis": finding.basis.value,
        "source": finding.source,
        "message": voice.say(finding.message),
        "text": _text(finding.message, voice),
    }


def _limit(finding: Finding) -> str:
    line = finding.line
    return "" if line is None else f"{line.operator} {line.limit:g} {line.metric.unit}"


def _text(text: Text, voice: Voice) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in text.values.items():
        if isinstance(value, Text):
            values[key] = _text(value, voice)
        else:
            values[key] = voice.name(value) if isinstance(value, str) else value
    return {"template": text.template, "values": values}


def _structure(row: JudgedROI, voice: Voice) -> dict[str, object]:
    return {
        "roi": voice.name(row.match.roi.name),
        "matched_as": row.match.structure,
        "how": voice.say(row.match.how),
        "volume_cc": row.volume_cc,
        "notes": [printable(voice.say(note)) for note in row.notes],
    }
