"""What each check asks, why, on what it rests, and what to do: for the terminal and for docs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from textwrap import wrap

from sbrtcheck.checks.rule import Row, Rule, Section
from sbrtcheck.protocol.rules import Basis

__all__ = ["asked_for", "render_explanation", "render_list", "render_markdown"]

FAULTS = {
    "error": "FAIL",
    "ask": "UNDECIDED",
    "warning": "VARIATION",
    "info": "reported only",
    "off": "not asked",
}
BASES = {
    Basis.TRIAL: "the trial itself",
    Basis.PUBLISHED: "published",
    Basis.DERIVED: "derived from what is published",
    Basis.CONVENTION: "convention",
}
LINES = "by the lines of the protocol"
HEAD = """\
# What is checked

Written by `sbrtcheck explain --markdown` from the code; not edited by hand. `sbrtcheck explain ID` says
the same of one check, by its name or its number (I2, G5). A protocol may set another severity under
`[checks]`; questions that guard identity, dose, targets, neural structures, the plan and the course
cannot be silenced. An attribute that is absent is no finding unless the text says so.
"""
WIDTH = 12


def asked_for(rules: Mapping[str, Rule], asked: str) -> tuple[Rule, ...]:
    """Return the rules of a name or number; none where there is no such rule."""
    wanted = asked.strip().casefold()
    if not wanted:
        return ()
    return tuple(
        rule
        for rule in rules.values()
        if wanted in (rule.id.casefold(), rule.number.casefold())
    )


def render_explanation(rules: Sequence[Rule], *, width: int) -> str:
    """Return what is to be said of some rules."""
    return "\n".join(_explained(rule, width) for rule in rules)


def _explained(rule: Rule, width: int) -> str:
    lines = [f"{_named(rule)}: {rule.title}"]
    for label, words in _rows(rule):
        first, further = f"  {label:<{WIDTH}}", " " * (WIDTH + 2)
        lines += wrap(
            words,
            width,
            initial_indent=first,
            subsequent_indent=further,
            break_on_hyphens=False,
        )
    return "\n".join(lines) + "\n"


def _named(rule: Rule) -> str:
    if not rule.number:
        return rule.id
    return f"{rule.id} ({rule.number})"


def _rows(rule: Rule) -> Iterator[tuple[str, str]]:
    yield "asked", rule.asks
    yield "why", rule.why
    yield "source", f"{rule.source} ({BASES[rule.basis]})"
    yield "a fault is", _fault(rule)
    yield "what to do", rule.act


def _fault(rule: Rule) -> str:
    if rule.row in (Row.LIMIT, Row.COVERAGE):
        return LINES
    fault = f"{FAULTS[rule.severity]} (severity {rule.severity})"
    if rule.is_guarded:
        return f"{fault}; a protocol cannot silence it"
    return fault


def _by_section(rules: Mapping[str, Rule]) -> Iterator[tuple[Section, Iterator[Rule]]]:
    """Yield the sections in their order, each with its rules in the order of the code."""
    order = list(Section)
    ordered = sorted(rules.values(), key=lambda rule: order.index(rule.section))
    yield from groupby(ordered, key=lambda rule: rule.section)


def render_list(rules: Mapping[str, Rule]) -> str:
    """Return all rules, a line each, by section."""
    lines = []
    for section, group in _by_section(rules):
        lines.append(section.value)
        lines += [f"  {rule.id:<28}{rule.number:<6}{rule.title}" for rule in group]
    lines.append("")
    lines.append("sbrtcheck explain ID says what is asked, why, and what to do.")
    return "\n".join(lines) + "\n"


def render_markdown(rules: Mapping[str, Rule]) -> str:
    """Return the page of all rules."""
    parts = [HEAD]
    for section, group in _by_section(rules):
        parts.append(f"\n## {section.value.capitalize()}\n")
        for rule in group:
            rows = "".join(f"- {label}: {words}\n" for label, words in _rows(rule))
            parts.append(f"\n### `{rule.id}`{_number(rule)}: {rule.title}\n\n{rows}")
    return "".join(parts)


def _number(rule: Rule) -> str:
    if not rule.number:
        return ""
    return f" ({rule.number})"
