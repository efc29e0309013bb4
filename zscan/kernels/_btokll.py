"""Standard Model amplitudes and inputs of B -> K l l, read once from tables/btokll.txt (recipe:
kernels/btokll.py).
"""

from __future__ import annotations

import importlib.resources

import numpy as np

from zscan.kernels._spline import Spline, cubic_spline


def _read() -> tuple[dict[str, float], np.ndarray]:
    text = (
        importlib.resources.files("zscan.kernels")
        .joinpath("tables/btokll.txt")
        .read_text(encoding="ascii")
    )
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    scalars = dict(line.split(" = ") for line in lines if "=" in line)
    rows = np.array([line.split() for line in lines if "=" not in line], dtype=np.float64)
    return {name: float(value) for name, value in scalars.items()}, rows


# Scalars by name: couplings, masses, lifetimes and form-factor parameters in GeV units (see the
# header of the table).
INPUTS, _ROWS = _read()

LAMBDA_T = complex(INPUTS["lambda_t_re"], INPUTS["lambda_t_im"])
NORMALISATION = (
    np.sqrt(2) * np.pi / (INPUTS["G_F"] * INPUTS["alpha_em"])
)  # of N = NORMALISATION / LAMBDA_T, in GeV^2
LEPTON_MASS = {"e": INPUTS["m_e"], "mu": INPUTS["m_mu"]}

# Re and Im of C9eff and C7eff for b, then for the CP conjugate: eight channels over q2 in Q2_RANGE.
AMPLITUDES: Spline = cubic_spline(_ROWS[:, 0], _ROWS[:, 1:])
Q2_RANGE = (float(_ROWS[0, 0]), float(_ROWS[-1, 0]))
