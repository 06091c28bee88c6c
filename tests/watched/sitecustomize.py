"""Notes the sentences of a command that a test runs in a process of its own; see `sentences`."""

import atexit
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import sentences

sentences.watch()
atexit.register(sentences.keep)
