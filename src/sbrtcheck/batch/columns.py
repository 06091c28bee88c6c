"""The columns of all tables: name, kind, unit and meaning. `docs/results.md` says the same."""

from typing import Literal, NamedTuple

__all__ = [
    "DVH",
    "FINDINGS",
    "METRICS",
    "PLANS",
    "PLANS_PHI",
    "QUARANTINE",
    "QUARANTINE_PHI",
    "SCHEMA",
    "SUMMARY",
    "Column",
]

SCHEMA = 1  # columns may be added within one number; none changes its meaning


class Column(NamedTuple):
    """One column; an empty cell is a value that does not exist or is not known."""

    name: str
    kind: Literal["text", "number", "whole", "flag"]
    unit: str
    meaning: str


PLAN = Column("plan", "text", "", "pseudonym of the plan")
CENTRE = Column("centre", "text", "", "centre, from the cases")
STRUCTURE = Column("structure", "text", "", "standard name of the structure")
ROI = Column("roi", "text", "", "name of the ROI in the file")

PLANS = (
    PLAN,
    Column("patient", "text", "", "pseudonym of the patient"),
    CENTRE,
    Column("trial_number", "text", "", "trial number, from the cases"),
    Column("role", "text", "", "judged, or superseded by a revision"),
    Column("outcome", "text", "", "PASS, VARIATION, UNDECIDED, FAIL or ERROR"),
    Column("trial_outcome", "text", "", "worst outcome of the trial's own rules"),
    Column("dosimetry_outcome", "text", "", "worst outcome of all other rules"),
    Column("worst", "text", "", "the findings that make the outcome"),
    Column("reason", "text", "", "why it is not PASS, in words"),
    Column("scheme", "text", "", "prescription as total dose and fractions"),
    Column("dose_gy", "number", "Gy", "prescribed dose"),
    Column("fractions", "whole", "", "number of fractions"),
    Column("levels", "text", "", "treated vertebrae, parted by blanks"),
    Column(
        "prior_rt",
        "text",
        "",
        "earlier irradiation, from the cases; without it, PASS says 'if none'",
    ),
    Column(
        "parts",
        "whole",
        "",
        "plans of the course whose doses are added, itself included",
    ),
    Column("approval", "text", "", "approval status of the plan"),
    Column("label", "text", "", "label of the plan"),
    Column("date", "text", "", "date of the plan, YYYYMMDD"),
    Column("n_pass", "whole", "", "findings that are PASS"),
    Column("n_variation", "whole", "", "findings that are VARIATION"),
    Column("n_undecided", "whole", "", "findings that are UNDECIDED"),
    Column("n_fail", "whole", "", "findings that are FAIL"),
    Column("case_row", "whole", "", "line of the patient in the cases"),
    Column(
        "review_decision",
        "text",
        "",
        "what a person decided (review.toml beside the plan); it changes no outcome",
    ),
    Column("reviewer", "text", "", "who reviewed the verdict"),
    Column("review_date", "text", "", "day of the review, YYYY-MM-DD"),
    Column("reviewed_findings", "whole", "", "findings that the review speaks of"),
    Column("sop_instance_uid", "text", "", "UID of the plan"),
    Column("plan_sha256", "text", "", "hash of the plan's file"),
)
PLANS_PHI = (
    Column("patient_id", "text", "", "patient ID, with --phi only"),
    Column("patient_name", "text", "", "patient's name, with --phi only"),
    Column("path", "text", "", "where the plan lies, with --phi only"),
)
VALUE = (
    Column("value", "number", "as in unit", "nominal value"),
    Column("low", "number", "as in unit", "lower end of its interval"),
    Column("high", "number", "as in unit", "upper end of its interval"),
    Column("unit", "text", "", "Gy, cc, % or none"),
    Column("limit", "text", "", "the line that it was held to"),
    Column(
        "margin",
        "number",
        "as in unit",
        "distance to the line, positive on its good side",
    ),
    Column(
        "outcome",
        "text",
        "",
        "PASS, VARIATION, UNDECIDED or FAIL; empty where only reported",
    ),
    Column("basis", "text", "", "trial, published, derived or convention"),
)
METRICS = (
    PLAN,
    CENTRE,
    STRUCTURE,
    ROI,
    Column("metric", "text", "", "metric, such as D0.035cc"),
    *VALUE,
)
FINDINGS = (
    PLAN,
    CENTRE,
    Column("id", "text", "", "the question"),
    Column("subject", "text", "", "structure, plan or case that it is about"),
    ROI,
    Column("metric", "text", "", "metric, where the question is about one"),
    *VALUE,
    Column("section", "text", "", "what the question is about"),
    Column("state", "text", "", "why the answer is not a plain one"),
    Column("class", "text", "", "what kind of deviation a VARIATION is"),
    Column("cure", "text", "", "what settles an UNDECIDED"),
    Column("required", "flag", "", "whether the verdict needs an answer"),
    Column("source", "text", "", "where the rule comes from"),
    Column("message", "text", "", "the answer in words"),
)
DVH = (
    PLAN,
    CENTRE,
    STRUCTURE,
    ROI,
    Column("dose_gy", "number", "Gy", "every 0.1 Gy from 0 to beyond the maximum"),
    Column("volume_cc", "number", "cc", "volume that receives at least this dose"),
    Column("volume_percent", "number", "%", "the same of the whole ROI"),
    Column(
        "complete", "flag", "", "false where part of the ROI lies outside the dose grid"
    ),
)
QUARANTINE = (
    Column("file", "text", "", "pseudonym of the file's path"),
    Column("kind", "text", "", "what the file is"),
    Column("reason", "text", "", "why it belongs to no plan"),
    Column("size_bytes", "whole", "byte", "its size"),
    Column("sop_instance_uid", "text", "", "its UID"),
    Column("sha256", "text", "", "its hash"),
)
QUARANTINE_PHI = (Column("path", "text", "", "where it lies, with --phi only"),)
SUMMARY = (
    Column("rules", "text", "", "trial, dosimetry, or both together"),
    Column("by", "text", "", "all, centre, scheme or level"),
    Column("group", "text", "", "which centre, scheme or level"),
    Column("deviation", "text", "", "FAIL, or VARIATION or FAIL"),
    Column("plans", "whole", "", "plans of the group, superseded ones left out"),
    Column("decided", "whole", "", "of these, PASS, VARIATION or FAIL"),
    Column("undecided", "whole", "", "of these, UNDECIDED"),
    Column("errors", "whole", "", "of these, ERROR"),
    Column("count", "whole", "", "decided plans with the deviation"),
    Column("percent", "number", "%", "count of decided plans"),
    Column("low_percent", "number", "%", "lower end of the exact 95 % interval"),
    Column("high_percent", "number", "%", "upper end of the exact 95 % interval"),
)
