"""Recipe of zscan/kernels/tables/hadrons_darkcast.txt: e+ e- -> hadrons below 2 GeV, divided among
the vector mesons.

    python kernels/hadrons_darkcast.py FOLDER [-o PATH]

merges curves of arXiv:1801.04847 (Fig. 1 and App. A: fits to the exclusive cross sections, in units
of the point cross section of e+ e- -> mu+ mu-) into one table. FOLDER has one file for each entry
of `CHANNELS`, with lines "mass,R" (GeV) and comments after "#"; the fits are distributed with the
program DarkCast of the same authors as two-column tables for each final state, from which a channel
is the sum over the final states named there. The package's table was made from curves thinned such
that linear interpolation reproduces them to 1 % (an absolute 1e-9; 1e-6 for omega_phi).

All channels are put on the union of the mass grids, where linear interpolation changes nothing. The
recipe refuses curves that do not increase in mass, start at zero or stay non-negative. It makes the
channels consistent beyond their 1 %: R_pipi is part of R_rho and kept below it, and omega_phi^2 <=
R_omega R_phi is enforced, without which some couplings would have a negative width. What it changes
is printed."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

CHANNELS = {  # column: file
    "rho": "vmd_R_rho.csv",  # pi+ pi-, 2(pi+ pi-), pi+ pi- 2 pi0 and the rest of isospin 1
    "omega": "vmd_R_omega.csv",  # pi+ pi- pi0, pi0 gamma and the rest of the light isospin 0
    "phi": "vmd_R_phi.csv",  # K K, K K pi, pi+ pi- pi0 and the rest of s sbar
    "omega_phi": "vmd_R_omegaphi_interference.csv",  # pi+ pi- pi0
    "pipi": "vmd_R_pipi_only.csv",  # pi+ pi-, contained in rho
}
HEADER = """\
e+ e- -> hadrons in units of the point cross section of e+ e- -> mu+ mu-, divided among the vector \
mesons.
Recipe: python kernels/hadrons_darkcast.py FOLDER (merges the curves of the channels; linear \
interpolation between the rows).
Source: fits to data of arXiv:1801.04847 (Fig. 1, App. A), as distributed with DarkCast; thinned \
so that linear
  interpolation reproduces them to 1 % (or an absolute 1e-9; 1e-6 for omega_phi).
rho: isospin 1 (pi+ pi-, 4 pi, rest); omega: pi+ pi- pi0, pi0 gamma, rest; phi: K K, K K pi, pi+ \
pi- pi0, rest;
omega_phi: their interference in pi+ pi- pi0, a signed term of which R has -2 for the photon; \
pipi: part of rho.
Other exclusive channels (3 pi, K K, pi0 gamma, ...) are contained in the sums and not listed.
Width of X: m/(12 pi) [rho (x_u-x_d)^2 + 9 omega (x_u+x_d)^2 + 9 phi x_s^2 + 18 omega_phi \
(x_u+x_d) x_s].
Columns: m [GeV], {columns}."""


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Masses [GeV] and values of one curve; raises ValueError where it is not usable."""
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    rows = np.array([line.split(",") for line in lines if not line[0].isalpha()], dtype=float)
    mass, R = rows.T
    if np.any(np.diff(mass) <= 0) or R[0] != 0:
        raise ValueError(f"{path.name}: masses must increase and the curve must start at zero")
    if path.name != CHANNELS["omega_phi"] and np.any(R < 0):
        raise ValueError(f"{path.name}: negative cross section")
    return mass, R


def merge(folder: Path) -> np.ndarray:
    """The table: masses and channels on the union of the grids."""
    curves = {name: read(folder / file) for name, file in CHANNELS.items()}
    mass = np.unique(np.concatenate([curve[0] for curve in curves.values()]))
    values = {name: np.interp(mass, *curve) for name, curve in curves.items()}
    pipi = np.minimum(values["pipi"], values["rho"])
    # less the rounding of the printed digits
    bound = (1 - 1e-5) * np.sqrt(values["omega"] * values["phi"])
    interference = np.clip(values["omega_phi"], -bound, bound)
    for name, consistent in (("pipi", pipi), ("omega_phi", interference)):
        change = np.abs(consistent - values[name])
        print(f"{name}: {np.count_nonzero(change)} rows changed, by at most {change.max():.1e}")
    return np.column_stack(
        [mass, *(values[name] for name in ("rho", "omega", "phi")), interference, pipi]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Write the hadronic table of zscan.kernels.widths."
    )
    default = Path(__file__).resolve().parents[1] / "zscan/kernels/tables/hadrons_darkcast.txt"
    parser.add_argument("folder", type=Path, help="folder with the curves")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=default,
        metavar="PATH",
        help="default: the package's table",
    )
    arguments = parser.parse_args()
    lines = [f"# {line}" for line in HEADER.format(columns=", ".join(CHANNELS)).splitlines()]
    lines += [" ".join(f"{value:.6g}" for value in row) for row in merge(arguments.folder)]
    arguments.output.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
