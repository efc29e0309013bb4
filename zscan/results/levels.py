"""Confidence levels in standard deviations."""

from statistics import NormalDist


def two_sided(cl: float) -> float:
    """Standard deviations within which a normal density holds the share `cl`.

    >>> round(two_sided(0.95), 2)
    1.96
    """
    return NormalDist().inv_cdf((1 + cl) / 2)
