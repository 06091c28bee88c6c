"""A person's answer to a verdict: what it was an answer to, how it is shown, a form to fill in."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Review, ReviewedFinding
from sbrtcheck.report.words import Voice, printable, words_of

__all__ = [
    "accepted_by",
    "render_form",
    "review_lines",
    "review_record",
    "verdict_hash",
]

Json = Mapping[str, object]
# Of a finding: what was found, without sentences, names and places.
FOUND = ("id", "metric", "outcome", "value", "low", "high", "limit")
ORDER = ("FAIL", "UNDECIDED", "VARIATION", "None")
EARLIER = "REVIEW OF AN EARLIER VERDICT: what was found has changed since"


def verdict_hash(document: Json) -> str:
    """Return the hash of what a verdict found, whatever version wrote it and wherever files lay.

    Parameters
    ----------
    document
        A verdict as `--json` writes it.
    """
    found = [[row.get(key) for key in FOUND] for row in _rows(document)]
    uids = [plan.get("sop_instance_uid") for plan in _plans(document)]
    text = json.dumps([uids, document.get("outcome"), found], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _rows(document: Json) -> Sequence[Json]:
    return _list(document, "findings")


def _plans(document: Json) -> Sequence[Json]:
    return _list(document, "plans")


def _list(document: Json, key: str) -> Sequence[Json]:
    """Return a list of records of a document; nothing where there is none."""
    found = document.get(key)
    if not isinstance(found, list):
        return []
    return [row for row in found if isinstance(row, dict)]


# --- Shown --------------------------------------------------------------------------------------


def review_lines(review: Review, voice: Voice, *, is_of_this: bool) -> list[str]:
    """Return a review as it stands on a page: who, when, what, and each finding with its reason."""
    who = f"{voice.name(review.reviewer)} ({voice.name(review.role)}), {review.on.isoformat()}"
    lines = [f"{review.decision.value.upper()}: {who}"]
    if not is_of_this:
        lines.append(EARLIER)
    lines += [_line(row, voice) for row in review.findings]
    return lines


def _line(row: ReviewedFinding, voice: Voice) -> str:
    metric = "" if row.metric is None else f" {row.metric}"
    about = f"{row.finding} {voice.name(row.subject)}{metric}"
    return f"{about}: {row.answer.value}: {voice.name(row.reason)}"


def accepted_by(finding: Finding, review: Review | None, voice: Voice) -> str:
    """Return the words behind a finding that was reviewed, nothing where it was not."""
    if review is None:
        return ""
    metric = words_of(finding.metric)
    row = review.of(finding.id, finding.subject, metric)
    if row is None:  # the form was made from a verdict with names masked
        row = review.of(finding.id, voice.name(finding.subject), metric)
    if row is None:
        return ""
    return f" ({row.answer.value} by {voice.name(review.reviewer)})"


def review_record(
    review: Review, voice: Voice, *, is_of_this: bool
) -> dict[str, object]:
    """Return a review as it stands in JSON."""
    return {
        "reviewer": voice.name(review.reviewer),
        "role": voice.name(review.role),
        "date": review.on.isoformat(),
        "decision": review.decision.value,
        "of_this_verdict": is_of_this,
        "findings": [
            {
                "id": row.finding,
                "subject": voice.name(row.subject),
                "metric": row.metric,
                "answer": row.answer.value,
                "reason": voice.name(row.reason),
            }
            for row in review.findings
        ],
    }


# --- A form -------------------------------------------------------------------------------------

FORM = """\
# A person's answer to a verdict of sbrtcheck. It stands beside the verdict and never changes it.
# Fill in what is empty, remove findings that you say nothing of, and save this as review.toml beside
# the plan.
schema = 1
plan = {plan}
verdict = {verdict}
reviewer = ""
role = ""      # medical physicist, radiation oncologist, trial office ...
date =         # 2026-01-31
decision = ""  # per protocol | acceptable variation | unacceptable variation | return to centre
"""
ENTRY = """
[[findings]]   # {outcome}: {message}
finding = {id}
subject = {subject}
{metric}answer = ""    # accepted | rejected | attested
reason = ""    # at least 10 characters
"""


def render_form(document: Json) -> str:
    """Return a form for the findings that are not PASS and the facts that were not provided."""
    plans = _plans(document)
    uid = plans[0].get("sop_instance_uid") if plans else ""
    head = FORM.format(plan=_quoted(uid), verdict=_quoted(verdict_hash(document)))
    return head + "".join(_entries(document))


def _entries(document: Json) -> Iterator[str]:
    for row in sorted(filter(_asks, _rows(document)), key=_urgency):
        metric = row.get("metric")
        yield ENTRY.format(
            outcome=row.get("outcome") or "a case fact",
            message=printable(str(row.get("message"))).replace("\n", " "),
            id=_quoted(row.get("id")),
            subject=_quoted(row.get("subject")),
            metric="" if metric is None else f"metric = {_quoted(metric)}\n",
        )


def _asks(row: Json) -> bool:
    """Tell whether a person may have something to say of a finding."""
    if row.get("state") == "not provided":
        return True
    return row.get("outcome") not in (None, "PASS")


def _urgency(row: Json) -> int:
    """Return where a finding stands in a form: the worst outcome first, facts last."""
    return ORDER.index(str(row.get("outcome")))


def _quoted(value: object) -> str:
    """Return a string of TOML; JSON escapes what TOML does."""
    return json.dumps(str(value), ensure_ascii=False)
