"""Pure JAX kernels: arrays in, arrays out, broadcasting; no I/O beyond reading their own tables at
import.
"""

from zscan.compilation import keep_programs
from zscan.kernels import (
    borexino,
    btokx,
    charm,
    coherent,
    cosmology,
    fcnc,
    g2,
    hadrons,
    kmunux,
    matter,
    meson_mixing,
    mixing,
    muoquark,
    nsi,
    recast,
    rk,
    running,
    scattering,
    trident,
    widths,
)

# Whoever computes imports this: what is compiled is kept, unless ZSCAN_CACHE says "off"
keep_programs()

__all__ = [
    "borexino",
    "btokx",
    "charm",
    "coherent",
    "cosmology",
    "fcnc",
    "g2",
    "hadrons",
    "kmunux",
    "matter",
    "meson_mixing",
    "mixing",
    "muoquark",
    "nsi",
    "recast",
    "rk",
    "running",
    "scattering",
    "trident",
    "widths",
]
