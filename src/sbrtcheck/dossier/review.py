"""A person's answer beside a plan: `review.toml`, read and checked."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from sbrtcheck.errors import CaseError
from sbrtcheck.files import beside, read_toml, why_not_opened
from sbrtcheck.model import Answer, Decision, Review, ReviewedFinding, Text

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["REVIEW_FILE", "load_review", "review_beside"]

REVIEW_FILE = "review.toml"
LEAST_REASON = 10  # characters
STRICT = ConfigDict(extra="forbid", str_strip_whitespace=True)
Filled = Annotated[str, Field(min_length=1, max_length=200)]


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    finding: Filled
    subject: Filled
    metric: Filled | None = None
    answer: Answer
    reason: Annotated[str, Field(min_length=LEAST_REASON, max_length=2000)]


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    schema: Literal[1] = 1
    plan: Filled
    verdict: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    reviewer: Filled
    role: Filled
    date: date
    decision: Decision
    findings: tuple[_Finding, ...] = ()


def review_beside(path: Path) -> Path | None:
    """Return the `review.toml` in the folder of a plan, or in the folder itself, if there is one."""
    return beside(path, REVIEW_FILE)


def load_review(path: Path) -> Review:
    """Read a review.

    Raises
    ------
    CaseError
        If the file cannot be read, or something in it is missing or not filled in.
    """
    try:
        _, table = read_toml(path)
        read = TypeAdapter(_File).validate_python(table)
    except OSError as error:
        raise _refusal([why_not_opened(error)], path) from error
    except ValidationError as error:
        problems = [_problem(one) for one in error.errors(include_url=False)]
        raise _refusal(problems, path) from error
    except ValueError as error:
        raise _refusal([str(error)], path) from error
    rows = tuple(
        ReviewedFinding(
            finding=row.finding,
            subject=row.subject,
            metric=row.metric,
            answer=row.answer,
            reason=row.reason,
        )
        for row in read.findings
    )
    return Review(
        plan=read.plan,
        verdict=read.verdict,
        reviewer=read.reviewer,
        role=read.role,
        on=read.date,
        decision=read.decision,
        findings=rows,
    )


def _refusal(problems: list[str], path: Path) -> CaseError:
    if len(problems) == 1:
        return CaseError(Text("the review: {problem}", problem=problems[0]), path=path)
    sentence = Text("the review has {count} problems", count=len(problems))
    return CaseError(sentence, path=path, candidates=problems)


def _problem(error: "ErrorDetails") -> str:
    place = ".".join(str(part) for part in error["loc"] if part != "tagged-union")
    if error["type"] == "string_too_short":
        least = error["ctx"]["min_length"]
        return f"{place}: write at least {least} characters"
    if error["type"] == "enum":
        return f"{place}: {error['input']!r} is not {error['ctx']['expected']}"
    return f"{place}: {error['msg']}"
