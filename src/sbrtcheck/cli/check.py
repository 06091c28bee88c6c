"""`sbrtcheck check`: judge one plan."""

import os
import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from sbrtcheck.cli import options
from sbrtcheck.cli.common import (
    app,
    json_path_of,
    page_width,
    reading,
    refuse,
    write_whole,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sbrtcheck.checks.verdict import Verdict
    from sbrtcheck.crosscheck import CrossCheck
    from sbrtcheck.model import Review
    from sbrtcheck.report.text import Page


@app.command()
def check(
    path: options.PlanPath,
    *,
    json_file: options.JsonFile = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Only the verdict.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Every check and note.")
    ] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour.")] = False,
    ascii_only: options.Ascii = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Variations count as FAIL.")
    ] = False,
    protocol: options.ProtocolName = options.DEFAULT_PROTOCOL,
    struct: options.StructFile = None,
    dose: options.DoseFile = None,
    rx: options.Rx = None,
    alias: options.Alias = None,
    levels: options.LevelNames = None,
    with_plans: options.WithPlans = None,
    alone: options.Alone = False,
    case_file: options.CaseFile = None,
    within: options.Within = None,
    max_size: options.MaxSize = options.DEFAULT_MAX_SIZE,
    crosscheck: Annotated[
        bool,
        typer.Option(
            "--crosscheck",
            help="A second opinion: the planning system's own DVH and dicompyler-core."
            " Never the verdict.",
        ),
    ] = False,
    review_file: options.ReviewFile = None,
    phi: options.Phi = False,
) -> None:
    """Judge one plan: find its files, check it against the protocol, print the verdict.

    Exit codes: 0 pass (or variations), 1 FAIL, 2 could not run, 3 UNDECIDED, 4 internal error.
    """
    # Imported here so that --help does not wait for them.
    from sbrtcheck.checks.judge import check as check_case
    from sbrtcheck.checks.verdict import exit_code
    from sbrtcheck.dossier import open_case
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.protocol.load import load_protocol
    from sbrtcheck.report.text import Page

    json_path = json_path_of(json_file)
    asked = options.CaseOptions(
        path=path,
        protocol=protocol,
        struct=struct,
        dose=dose,
        rx=rx,
        alias=alias,
        levels=levels,
        with_plans=with_plans,
        alone=alone,
        case_file=case_file,
        within=within,
    )
    try:
        declared = asked.declared()
        with reading(max_size), open_case(path, asked.files()) as case:
            verdict = check_case(case, load_protocol(protocol), declared)
            second = _second_opinion(verdict, asked_for=crosscheck)
        review = _review(path, review_file, verdict)
    except SbrtCheckError as error:
        typed = [*asked.typed, *filter(None, [review_file])]
        refuse(error, typed, phi=phi)
    colour = not no_color and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    page = Page(
        colour=colour,
        ascii=ascii_only,
        quiet=quiet,
        verbose=verbose,
        strict=strict,
        phi=phi,
        width=page_width(),
    )
    told = Told(verdict, second, review)
    _tell(told, page, json_path, printed=json_file == "-")
    raise typer.Exit(exit_code(verdict.outcome, strict=strict))


class Told(NamedTuple):
    """A verdict, and what stands beside it."""

    verdict: "Verdict"
    second: "CrossCheck | None"
    review: "Review | None"


def _tell(
    told: Told,
    page: "Page",
    json_path: "Path | None",
    *,
    printed: bool,
) -> None:
    """Write the JSON file where one is named, and print JSON or the page."""
    from sbrtcheck.report.as_json import render_json
    from sbrtcheck.report.text import render_text

    verdict, second, review = told
    if json_path is not None or printed:
        text = render_json(
            verdict, strict=page.strict, phi=page.phi, second=second, review=review
        )
        if json_path is not None:
            write_whole(json_path, text + "\n", option="--json")
    if printed:
        sys.stdout.write(text + "\n")
    else:
        sys.stdout.write(render_text(verdict, page, second=second, review=review))


def _review(
    path: "Path", review_file: "Path | None", verdict: "Verdict"
) -> "Review | None":
    """Return the review that is given, or lies beside the plan; one of another plan is refused."""
    from sbrtcheck.dossier.review import load_review, review_beside
    from sbrtcheck.errors import CaseError
    from sbrtcheck.model import Text

    found = review_file or review_beside(path)
    if found is None:
        return None
    review = load_review(found)
    if review.plan == verdict.case.plan.instance.sop_instance_uid:
        return review
    if review_file is None:
        return None  # of another plan in the same folder
    raise CaseError(
        Text("the review is of another plan; give that of this one"), path=found
    )


def _second_opinion(verdict: "Verdict", *, asked_for: bool) -> "CrossCheck | None":
    if not asked_for:
        return None
    from sbrtcheck.crosscheck import cross_check

    return cross_check(verdict)
