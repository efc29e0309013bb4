"""A survey as text: survivors, choices, what excludes the others; CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter

from zscan.analysis.survey.matter import matter_deaths
from zscan.analysis.survey.result import Survey
from zscan.charges.patterns import COLUMNS
from zscan.results.text import aligned

TABLES = ("survivors", "patterns", "choices", "matter")


def table(found: Survey, name: str) -> str:
    """One of `TABLES` as text."""
    return {
        "survivors": survivors_table,
        "patterns": patterns_table,
        "choices": choices_table,
        "matter": matter_table,
    }[name](found)


def survivors_table(found: Survey) -> str:
    """Survivors by their best point, and how many patterns each constraint keeps out."""
    alive = found.survivors()
    masks = [n for n in found.survivors(in_masks=True) if n not in alive]
    selection = f"{found.patterns.selection}, {found.patterns.quarks} quarks"
    lines = [
        f"{len(found.patterns)} patterns ({selection}), m_X from {found.masses[0]:g} to "
        f"{found.masses[-1]:g} GeV, set {found.attributes['observables']!r}: {len(alive)} survive "
        f"with Delta a_mu within 2 sigma",
    ]
    header = (
        "pattern",
        "m_X [GeV]",
        "kappa",
        "best m_X",
        "kappa",
        "g_X",
        "sigma",
        "joint",
        "closest",
    )
    lines += aligned([header, *(_line(found, name) for name in alive)])
    killers = Counter(
        found.point(name).constraint for name in found.patterns.names if name not in alive
    )
    lines.append("constraint that the nearest point of the others exceeds most:")
    lines += [f"  {number:4} {name}" for name, number in killers.most_common()]
    lines.append(f"survive in gaps of limit curves only (not counted): {len(masks)}")
    return "\n".join(lines)


def _line(found: Survey, name: str) -> tuple[str, ...]:
    row = found.row(name)
    point = found.point(name)
    windows = ", ".join(f"{low:.3g}-{high:.3g}" for low, high in found.windows(name))
    low, high = row["kappa"]
    return (
        name,
        windows,
        f"{low:.3f} to {high:.3f}",
        f"{point.m_X:.4g}",
        f"{point.kappa:.4f}",
        f"{point.g_X:.3g}",
        f"{point.sigma:+.1f}",
        f"{point.joint_chi2:.1f}",
        f"{point.ratio:.2f} {point.constraint}",
    )


def patterns_table(found: Survey) -> str:
    """All patterns, survivors first, then by how near they come to their limits."""
    header = ("pattern", "ratio", "constraint", "m_X", "kappa", "g_X", "kills most masses")
    lines = []
    for name in found.ranked():
        point = found.point(name)
        killers = [f"{k} {share:.0%}" for k, share in list(found.killers(name).items())[:2]]
        lines.append(
            (
                name,
                f"{point.ratio:.3g}",
                point.constraint,
                f"{point.m_X:.4g}",
                f"{point.kappa:.4g}",
                f"{point.g_X:.3g}",
                ", ".join(killers),
            )
        )
    return "\n".join(aligned([header, *lines]))


def choices_table(found: Survey) -> str:
    """How many patterns survive under each choice, for both bands of g-2, and which differ."""
    names = list(dict.fromkeys(choice.partition("/")[2] for choice in found.choices))
    base = set(found.survivors())
    lines = [("choice", "2 sigma", "1 sigma", "change at 2 sigma")]
    for name in names:
        two, one = found.survivors(f"2sigma/{name}"), found.survivors(f"1sigma/{name}")
        gained, lost = sorted(set(two) - base), sorted(base - set(two))
        change = " ".join([*(f"+{n}" for n in gained[:6]), *(f"-{n}" for n in lost[:6])])
        more = len(gained[6:]) + len(lost[6:])
        lines.append(
            (name, str(len(two)), str(len(one)), change + (f" and {more} more" * bool(more)))
        )
    return "\n".join(aligned(lines))


def matter_table(found: Survey) -> str:
    """Patterns that only survive without neutrinos in matter, with the chi2 of Sun and Earth."""
    header = ("pattern", "m_X", "g_X", "chi2 Sun", "chi2 Earth", "eps_ee-mumu", "eps_tautau-mumu")
    lines = [
        (
            point.pattern,
            f"{point.m_X:.4g}",
            f"{point.g_X:.3g}",
            f"{point.solar:.1f}",
            f"{point.atmospheric:.1f}",
            f"{point.eps_ee_mumu:+.3f}",
            f"{point.eps_tautau_mumu:+.3f}",
        )
        for point in matter_deaths(found)
    ]
    return "\n".join(aligned([header, *lines]))


def csv_text(found: Survey) -> str:
    """One line for each pattern: charges, whether it survives, windows, best point, killer."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    point_keys = ("m_X", "kappa", "g_X", "sigma", "joint_chi2", "ratio", "constraint")
    columns = ["pattern", *COLUMNS, "survives", "only_in_masks", "m_X_windows", "kappa_low"]
    writer.writerow([*columns, "kappa_high", *(f"point_{key}" for key in point_keys), "choices"])
    for name in found.ranked():
        row = found.row(name)
        windows = " ".join(f"{low:.6g}-{high:.6g}" for low, high in row["windows"])
        kappa = row["kappa"] or ("", "")
        writer.writerow(
            [
                name,
                *(row[key] for key in COLUMNS),
                int(row["survives"]),
                int(row["only_in_masks"]),
                windows,
                *kappa,
                *(row["point"][key] for key in point_keys),
                " ".join(row["choices"]),
            ]
        )
    return buffer.getvalue()
