"""Recipe of zscan/kernels/tables/btokll.txt: Standard Model amplitudes of B -> K l l, from flavio.

    python kernels/btokll.py

Needs the dev extra (flavio >= 2.7 with particle < 1; flavio does not import with particle >= 1);
takes seconds.

All q2 dependence of the amplitude that is not kinematics or a local form factor is in the effective
coefficients C9eff (with Y(q2), the two-loop matrix elements of O1, O2, O8, and the CKM-suppressed
up-quark part) and C7eff, which flavio evaluates for the b quark and, with conjugated CKM phases,
for its CP conjugate. C7eff here includes the right-handed C7' (m_s/m_b), since only the sum enters
B -> K. Neither depends on the lepton. Form factors are not tabulated but given by their parameters,
so that they can be varied.

flavio interpolates its two-loop functions linearly, which leaves kinks of relative size 1e-4 in
C9eff; spacings finer than 0.05 GeV^2 therefore add nothing to an integral over q2. Below 1.1 GeV^2,
where ln(q2) varies faster, the spacing is 0.02 GeV^2. Beyond 6 GeV^2 the charm threshold is near,
and flavio itself warns."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import flavio
import numpy as np
from flavio.config import config
from flavio.physics.bdecays.bpll import running
from flavio.physics.bdecays.wilsoncoefficients import CL_SM, get_wceff, wctot_dict
from flavio.physics.ckm import xi
from flavio.physics.common import conjugate_par, conjugate_wc

TABLE = Path(__file__).resolve().parents[1] / "zscan" / "kernels" / "tables" / "btokll.txt"
Q2 = np.concatenate([np.linspace(0.1, 1.1, 51), np.linspace(1.15, 6.0, 98)])  # GeV^2
PARAMETERS = {  # name in the table: name in flavio
    "G_F": "GF",
    "m_B": "m_B+",
    "m_K": "m_K+",
    "m_B0": "m_B0",
    "m_K0": "m_K0",
    "m_Kstar0": "m_K*0",
    "tau_B": "tau_B+",
    "tau_B0": "tau_B0",
    "m_e": "m_e",
    "m_mu": "m_mu",
    "pole_plus": "B->K BCL m+",
    "pole_zero": "B->K BCL m0",
    "plus_0": "B->K BSZ a0_f+",
    "plus_1": "B->K BSZ a1_f+",
    "plus_2": "B->K BSZ a2_f+",
    "zero_1": "B->K BSZ a1_f0",
    "zero_2": "B->K BSZ a2_f0",
    "tensor_0": "B->K BSZ a0_fT",
    "tensor_1": "B->K BSZ a1_fT",
    "tensor_2": "B->K BSZ a2_fT",
    "kstar_pole_vector": "B->K* BCL m1-",
    "kstar_pole_axial": "B->K* BCL m1+",
    "kstar_A0_0": "B->K* BSZ a0_A0",
    "kstar_A1_0": "B->K* BSZ a0_A1",
    "kstar_A1_1": "B->K* BSZ a1_A1",
    "kstar_A1_2": "B->K* BSZ a2_A1",
    "kstar_A12_1": "B->K* BSZ a1_A12",
    "kstar_A12_2": "B->K* BSZ a2_A12",
    "kstar_V_0": "B->K* BSZ a0_V",
    "kstar_V_1": "B->K* BSZ a1_V",
    "kstar_V_2": "B->K* BSZ a2_V",
}
HEADER = """\
Standard Model amplitudes of B+ -> K+ l l, and inputs of B -> K(*) l l, nu nu, X. Units: GeV.
Made by: python kernels/btokll.py, with flavio {flavio} and wilson {wilson}.
Central default parameters of flavio; MSbar scale {scale} GeV.
Rows: q2 [GeV^2], then Re and Im of C9eff and C7eff + C7' for b, then the same four for the CP \
conjugate.
C10, alpha_em, m_b (MSbar) and C_L (of the operator (sbar gamma P_L b)(nubar gamma (1 - gamma5) \
nu)) are at that
scale; lambda_t = V_tb V_ts^*.
Names plus_*, zero_*, tensor_*, kstar_*: coefficients of the form factors in z(q2) - z(0) and \
their pole masses.
References: flavio arXiv:1810.08132; C9eff and Y(q2) arXiv:0811.1214; two-loop matrix elements \
arXiv:0810.4077,
hep-ph/0403185, hep-ph/0312063; form factors B -> K arXiv:2305.06301 (series as in \
arXiv:1811.00983),
B -> K* arXiv:1503.05534; masses, lifetimes and CKM as in flavio (PDG, and its CKM defaults).
"""


def main() -> None:
    scale = config["renormalization scale"]["bpll"]
    parameters = flavio.default_parameters.get_central_all()
    standard_model = flavio.WilsonCoefficients()
    conjugate = conjugate_par(parameters)
    coefficients = wctot_dict(standard_model, "bsmumu", scale, parameters)
    coefficients_bar = conjugate_wc(wctot_dict(standard_model, "bsmumu", scale, conjugate))

    def row(q2: float) -> list[float]:
        values = [q2]
        for wc, par in ((coefficients, parameters), (coefficients_bar, conjugate)):
            effective = get_wceff(q2, wc, par, "B+", "K+", "mu", scale)
            for value in (effective["v"] + effective["vp"], effective["7"] + effective["7p"]):
                values += [complex(value).real, complex(value).imag]
        return values

    lambda_t = xi("t", "bs")(parameters)
    c10 = complex(coefficients["C10_bsmumu"])
    if c10.imag != 0:
        raise ValueError("C10 of the Standard Model is expected to be real")
    scalars = {
        "scale": scale,
        "C10": c10.real,
        "C_L": CL_SM(parameters, scale),
        "alpha_em": running.get_alpha(parameters, scale)["alpha_e"],
        "m_b": running.get_mb(parameters, scale),
        "lambda_t_re": lambda_t.real,
        "lambda_t_im": lambda_t.imag,
    } | {name: parameters[key] for name, key in PARAMETERS.items()}

    versions = {name: importlib.metadata.version(name) for name in ("flavio", "wilson")}
    lines = ["# " + line for line in HEADER.format(scale=scale, **versions).splitlines()]
    lines += [f"{name} = {float(value)!r}" for name, value in scalars.items()]
    lines += [
        f"{q2:.2f} " + " ".join(f"{value:.13e}" for value in row(q2)[1:]) for q2 in np.round(Q2, 2)
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
