"""Pictures of the accuracy of every constraint against an independent evaluation.

    python docs/accuracy [PAGE...] [-o DIR]

One PNG for each page of docs/constraints, all of them without PAGE (three CPU minutes). What
a kernel is compared with stands in tests/, benchmarks/ or kernels/ and is taken from there, or is
written out here; it never calls the kernel."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import flavour
import matter
import mesons
import moments
import neutrinos
import searches
from figure import ROOT, draw

import zscan

PAGES = {
    "delta_a_mu": moments.delta_a_mu,
    "r_k": flavour.r_k,
    "b_to_k_nunu": flavour.b_to_k_nunu,
    "b_to_k_x": flavour.b_to_k_x,
    "trident": neutrinos.trident,
    "borexino": neutrinos.borexino,
    "charm2": neutrinos.charm2,
    "texono_lsnd": neutrinos.texono_lsnd,
    "n_eff": moments.n_eff,
    "electron_g2": moments.electron_g2,
    "coherent": neutrinos.coherent,
    "matter": matter.matter,
    "nsi": matter.nsi,
    "d_mixing": mesons.d_mixing,
    "d_to_pi": flavour.d_to_pi,
    "b_mixing": mesons.b_mixing,
    "kmunux": searches.kmunux,
    "searches": searches.searches,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python docs/accuracy", description=__doc__.split("\n")[0]
    )
    parser.add_argument("page", nargs="*", help=f"{', '.join(PAGES)} (default: all)")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "constraints")
    arguments = parser.parse_args()
    if unknown := set(arguments.page) - set(PAGES):
        parser.error(f"no page of the name {', '.join(sorted(unknown))}; {', '.join(PAGES)}")
    zscan.enable_x64()
    for page in arguments.page or PAGES:
        start = time.perf_counter()
        panels = PAGES[page]()
        path = arguments.output / f"{page}.png"
        draw(panels, path)
        print(f"{path} ({time.perf_counter() - start:.0f} s)")
        for panel in panels:
            for series in panel.series:
                print(f"    {series.label}: at most {max(map(abs, series.deviation)):.1e}")


if __name__ == "__main__":
    main()
