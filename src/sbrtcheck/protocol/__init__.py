"""A protocol as data, and its language: metrics, limits, names of structures."""
