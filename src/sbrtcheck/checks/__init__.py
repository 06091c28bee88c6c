"""The questions asked of a case, one file for each section; `judge` asks them all."""
