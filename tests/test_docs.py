"""What the pages in `docs/` show stands where they say it does."""

import re
from pathlib import Path

import sbrtcheck
import sentences

ROOT = Path(__file__).parents[1]
DVH = (ROOT / "docs" / "dvh.md").read_text(encoding="utf-8")


def test_the_rows_of_the_validation_table_are_those_of_the_benchmarks() -> None:
    results = (
        (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8").splitlines()
    )
    shown = DVH.partition("<!-- results -->")[2].partition("<!-- end of results -->")[0]
    rows = [line for line in shown.splitlines() if line.startswith("|")]

    assert len(rows) > 10
    assert set(rows) <= set(results)


def test_the_numbers_of_the_method_are_those_of_the_code() -> None:
    from sbrtcheck import Convention
    from sbrtcheck.dvh import band, tally

    assert f"1/{Convention().sub_cells // 1000} 000 of the volume" in DVH
    assert f"(({band.PLANES} dP)^2 + ({band.DOSE} dD)^2".replace("((", "(") in DVH
    assert f"k = {band.OPEN_CAP} where" in DVH
    assert f"{band.CLOSED_CAP} where they do" in DVH
    assert f"and {band.WALL_MM} mm, changes" in DVH
    assert f"{tally.BINS // 1000} 001 samples" in DVH
    assert f"on {tally.BINS * tally.FINE // 1000} 000" in DVH


def test_the_page_is_of_this_version() -> None:
    assert f"sbrtcheck {sbrtcheck.__version__} (" in DVH


def test_files_that_the_pages_name_are_there() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
        for script in re.findall(r"`((?:examples|benchmarks)/[\w.]+)`", text):
            assert (ROOT / script).exists(), f"{page.name}: {script}"


def test_the_page_of_sentences_is_that_of_the_code() -> None:
    """`python -m tests.sentences` writes it."""
    assert sentences.PAGE.read_text(encoding="utf-8") == sentences.page()


def test_every_sentence_is_of_a_room_that_the_page_shows() -> None:
    assert {sentence.room for sentence in sentences.sentences()} <= {*sentences.ROOMS}


def test_a_sentence_that_nobody_says_is_told() -> None:
    """Of two on neighbouring lines the one that was made is reached, and not the other."""
    made = [
        s
        for s in sentences.sentences()
        if not s.is_constant and s.kind in sentences.MADE
    ]
    first = made[0]
    lines = {f"{sentences.SOURCE / s.file}:{s.last}" for s in made if s != first}

    missed = sentences.unreached(lines, {s.template for s in sentences.sentences()})

    assert missed == [first]


CURES = re.compile(r"[;,] (export|give|add|close) ")


def test_what_is_wrong_with_a_file_is_said_with_what_to_do() -> None:
    problems = {
        s.template
        for s in sentences.sentences()
        if s.kind == "fail" and s.room == "dicom"
    }

    assert len(problems) > 20
    assert {text for text in problems if not CURES.search(text)} == set()
