"""Is this installation right? Phantoms of known truth, through the whole way of any case."""

from sbrtcheck.selftest.catalogue import phantoms
from sbrtcheck.selftest.phantom import Phantom, Truth
from sbrtcheck.selftest.run import Answer, run_selftest

__all__ = ["Answer", "Phantom", "Truth", "phantoms", "run_selftest"]
