"""Write synthetic plans: `python -m sbrtcheck.phantoms.spine --seed N --count M FOLDER`."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from sbrtcheck.dicom.write import save_dose, save_plan, save_structure_set
from sbrtcheck.phantoms.spine import SpinePlan, spine_plan


def write(made: SpinePlan, folder: Path, *, bits: int) -> None:
    """Write RP.dcm, RS.dcm and RD.dcm of a plan, and its case.toml where there are facts."""
    folder.mkdir(parents=True, exist_ok=True)
    save_plan(made.plan, folder / "RP.dcm")
    save_structure_set(made.structure_set, folder / "RS.dcm")
    save_dose(made.dose, folder / "RD.dcm", bits=bits)
    if made.facts:
        (folder / "case.toml").write_text(_toml(made.facts), encoding="utf-8")


def _toml(facts: Mapping[str, object]) -> str:
    """Return facts as TOML; strings, and tables of strings."""
    lines = ["schema = 1"]
    for key, value in facts.items():
        if isinstance(value, Mapping):
            inner = ", ".join(f'{name} = "{text}"' for name, text in value.items())
            lines.append(f"{key} = {{ {inner} }}")
        else:
            lines.append(f'{key} = "{value}"')
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write as many plans as are asked for, the dose with 16 and 32 bits by turns."""
    parser = argparse.ArgumentParser(
        prog="python -m sbrtcheck.phantoms.spine", description=__doc__
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="what the plans follow from"
    )
    parser.add_argument("--count", type=int, default=1, help="how many plans")
    parser.add_argument("folder", type=Path, help="where to write them, a folder each")
    asked = parser.parse_args()
    for number in range(asked.count):
        made = spine_plan(asked.seed, number)
        write(made, asked.folder / f"{number:03d}", bits=(16, 32)[number % 2])


if __name__ == "__main__":
    main()
