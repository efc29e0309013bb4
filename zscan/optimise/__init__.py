"""Minimisation of a function of a few bounded parameters at many points at once."""
