"""The rooms and their order, read from the source itself."""

import ast
import re
from pathlib import Path

import pytest

import sbrtcheck

SOURCE = Path(sbrtcheck.__file__).parent
ROOMS = (
    "errors",
    "files",
    "model",
    "phantoms",
    "dicom",
    "dossier",
    "contours",
    "dvh",
    "protocol",
    "checks",
    "selftest",
    "crosscheck",
    "robustness",
    "report",
    "batch",
    "cli",
)
HOMES = {
    "pydicom": {"dicom"},
    "shapely": {"contours"},
    "pydantic": {"protocol", "dossier"},
    "tomllib": {"files"},
    "rich": {"report"},
    "typer": {"cli"},
    "scipy": {"contours", "dvh", "batch"},
    "dicompylercore": {"crosscheck"},
    "pebble": {"batch"},
    "distributed": {"batch"},
    "pyarrow": {"batch"},
}
PURE = (
    "model",
    "contours",
    "dvh",
    "phantoms",
    "checks",
    "robustness",
    "report",
)
IMPURE = {
    "os",
    "sys",
    "time",
    "datetime",
    "logging",
    "subprocess",
    "tempfile",
    "socket",
}
MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Return every module imported, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_imports_only_from_rooms_above_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__" or path.stem == "__main__":
        return
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        if package != "sbrtcheck" or rest == "__version__":
            continue
        target = rest.split(".")[0]
        assert ROOMS.index(target) <= ROOMS.index(room), f"{room} imports {target}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_third_party_code_has_one_home(path: Path) -> None:
    for name in imports_of(path):
        package = name.split(".")[0]
        if package in HOMES:
            assert room_of(path) in HOMES[package], f"{package} in {room_of(path)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_the_core_reads_no_clock_no_environment_and_no_files(path: Path) -> None:
    if room_of(path) not in PURE:
        return
    named = imports_of(path) - {
        "datetime.date"
    }  # a day as a value; nothing asks what day it is
    assert not {name.split(".")[0] for name in named} & IMPURE
    source = path.read_text(encoding="utf-8")
    assert ".today()" not in source
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"print", "open", "input"}


def test_every_room_is_listed() -> None:
    rooms = {room_of(path) for path in MODULES} - {"__init__"}

    assert rooms <= set(ROOMS)


def test_the_order_in_the_guide_is_that_of_the_rooms() -> None:
    guide = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = guide.partition("in this order:")[2].partition("`tests/")[0]

    assert tuple(re.findall(r"`(\w+)`", listed)) == ROOMS


def test_all_is_exact() -> None:
    """Each public name exists, and nothing else is exported."""
    assert sorted(sbrtcheck.__all__) == sorted({"__version__", *sbrtcheck._HOMES})
    assert all(getattr(sbrtcheck, name) is not None for name in sbrtcheck.__all__)
    assert dir(sbrtcheck) == sorted(sbrtcheck.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        sbrtcheck.nonsense  # noqa: B018


def test_each_module_lists_names_that_it_has() -> None:
    from importlib import import_module

    for path in MODULES:
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        if parts[-1] in ("__init__", "cli"):
            continue
        module = import_module(".".join(parts))
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{parts}: {name}"
