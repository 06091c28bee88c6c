"""Second opinions as rows and sentences: what differs, what explains it, what nothing explains."""

from sbrtcheck.crosscheck import CrossCheck, Difference, Opinion
from sbrtcheck.report.words import Voice, decimals_for, ends_about, number_and_interval

TITLE = "Second opinion (never the verdict)"
HEAD = (
    "theirs less ours",
    "",
    "volume [%]",
    "Dmean [Gy]",
    "D95%",
    "D0.035cc",
    "D2cc",
    "",
)
JUSTIFY = "llrrrrrl"
READINGS = {
    "as here": "our own",
    "slab": "slabs between planes",
    "shape": "shape between planes",
    "cubic": "cubic dose",
    "trilinear": "trilinear dose",
    "no end caps": "no end caps",
    "gaps empty": "gaps left empty",
    "coarser sampling": "coarser sampling",
    "whole voxels": "whole dose voxels",
}

SIDES = {True: "above", False: "below"}
Cells = tuple[tuple[str, ...], str]


def second_rows(second: CrossCheck, voice: Voice, *, verbose: bool) -> list[Cells]:
    """Return a row of differences for each opinion that could be compared, and its words."""
    return [
        (
            (
                voice.name(opinion.roi_name),
                opinion.source,
                *(_difference(row) for row in opinion.differences),
                _judged(opinion),
            ),
            _nearest(opinion, verbose=verbose),
        )
        for opinion in second.opinions
        if opinion.differences
    ]


def _judged(opinion: Opinion) -> str:
    if opinion.unexplained:
        return f"{len(opinion.unexplained)} beyond"
    return "explained"


def _difference(row: Difference) -> str:
    """Return a difference with its sign: of a volume in percent of ours."""
    difference, ours = row.difference, row.ours.value
    if difference is None:
        return "-"
    if row.metric.unit != "cc":
        return _signed(difference, 2)
    if not ours:
        return "-"
    return _signed(100 * difference / ours, 1)


def _signed(number: float, decimals: int) -> str:
    text = f"{number:+.{decimals}f}"
    if float(text) == 0:
        return text[1:]
    return text


def _nearest(opinion: Opinion, *, verbose: bool) -> str:
    if not verbose:
        return ""
    readings = dict.fromkeys(
        READINGS[row.nearest] for row in opinion.differences if row.nearest
    )
    return f"nearest reading: {', '.join(readings)}"


def warnings(second: CrossCheck, voice: Voice) -> list[str]:
    """Return a sentence for each difference that no known convention explains."""
    return [
        f"warning: {voice.name(opinion.roi_name)}, {opinion.source}: {_beyond(row)}"
        for opinion in second.opinions
        for row in opinion.unexplained
    ]


def _beyond(row: Difference) -> str:
    ours, theirs = _known(row.ours.value), _known(row.theirs)
    beyond = _known(row.beyond)
    decimals = decimals_for(ours, row.metric.unit)
    low, high = ends_about(ours, row.ours)
    here = " ".join(number_and_interval(ours, low, high, None, decimals)).strip()
    return (
        f"{row.metric} {theirs:.{decimals}f} {row.metric.unit}, here {here};"
        f" {abs(beyond):.2g} {row.metric.unit} {SIDES[beyond > 0]} what reading"
        " of contours and grid explains"
    )


def _known(number: float | None) -> float:
    assert number is not None  # noqa: S101 - only known values differ beyond anything
    return number


def remarks(second: CrossCheck, voice: Voice, *, verbose: bool) -> list[str]:
    """Return what could not be compared and why, and what reading the others had to assume."""
    sentences = voice.say_all(second.notes)
    for opinion in second.opinions:
        where = f"{voice.name(opinion.roi_name)}, {opinion.source}"
        told = _remarks(opinion, voice, verbose=verbose)
        sentences += [f"{where}: {sentence}" for sentence in told]
    return sentences


def _remarks(opinion: Opinion, voice: Voice, *, verbose: bool) -> list[str]:
    told: list[str] = []
    if opinion.reason is not None:
        told.append(voice.say(opinion.reason))
    if verbose or opinion.unexplained:
        told += voice.say_all(opinion.notes)
    if verbose:
        told += _unknown(opinion, voice)
    return told


def _unknown(opinion: Opinion, voice: Voice) -> list[str]:
    """Return why some differences are not known."""
    return [
        f"{row.metric}: {voice.say(row.reason)}"
        for row in opinion.differences
        if row.reason is not None
    ]
