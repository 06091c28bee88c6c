"""Notes the sentences of a command that a test runs in a process of its own; see `sentences`."""

import atexit
import json
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import sentences

sentences.watch()


def _keep() -> None:
    place = Path(os.environ["SENTENCES"]) / f"{os.getpid()}.json"
    found = {"reached": sorted(sentences.reached), "said": sorted(sentences.said)}
    place.write_text(json.dumps(found), encoding="utf-8")


atexit.register(_keep)
