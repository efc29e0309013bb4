"""The CKM matrix in the standard parametrisation of the PDG."""

from __future__ import annotations

import math


def rows(s12: float, s23: float, s13: complex) -> dict[str, tuple[complex, complex, complex]]:
    """Rows of c and t, in d, s, b, from the sines of the angles; `s13` is s_13 exp(i delta), the
    conjugate of V_ub. V_us and V_ud are real.
    """
    c12, c23, c13 = (math.sqrt(1 - abs(s) ** 2) for s in (s12, s23, s13))
    return {
        "c": (-s12 * c23 - c12 * s23 * s13, c12 * c23 - s12 * s23 * s13, complex(s23 * c13)),
        "t": (s12 * s23 - c12 * c23 * s13, -c12 * s23 - s12 * c23 * s13, complex(c23 * c13)),
    }
