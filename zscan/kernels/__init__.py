"""Pure JAX kernels: arrays in, arrays out, broadcasting; no I/O beyond reading their own tables at import."""

from zscan.kernels import borexino, g2, mixing, trident

__all__ = ["borexino", "g2", "mixing", "trident"]
