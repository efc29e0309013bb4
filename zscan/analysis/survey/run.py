"""Which of all anomaly-free models explain the muon's anomalous magnetic moment, with any kinetic
mixing, and what excludes the others."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zscan.analysis.masses import survey_masses
from zscan.analysis.survey.choices import variants
from zscan.analysis.survey.engine import asked_constraints, names_of
from zscan.analysis.survey.result import Survey, finished_header, open_survey
from zscan.analysis.survey.tiles import Rows, SurveySpec, evaluate_tile, survey_header
from zscan.charges.patterns import patterns
from zscan.constraints import Asked, Constraint, Observables, observable_set
from zscan.errors import ParameterError, ResumeMismatchError
from zscan.precision import in_float64
from zscan.results.grid import Tile
from zscan.results.outputs import guard, target_of
from zscan.results.schema import Digests, digests_of, map_writer
from zscan.scans.folders import map_outputs
from zscan.scans.interrupts import interruptible
from zscan.scans.locks import hold
from zscan.scans.progress import Progress, progress_of
from zscan.scans.shards import check_continuation, of_shard
from zscan.scans.store import TileStore
from zscan.scans.stored import take_over, warn_of_damage

SELECTION = "max=10,vector,flavours=all"
POINTS = 49
MASSES = (1e-3, 10.0)


@interruptible()
@in_float64
def survey(
    selection: str = SELECTION,
    *,
    eps_over_g: tuple[float, float] | None = None,
    observables: Observables = "paper",
    masses: Sequence[float] = MASSES,
    points: int = POINTS,
    constraints: Asked | None = None,
    quarks: str = "universal",
    muon_coupling: float | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    shard: tuple[int, int] | None = None,
    progress: bool | None = None,
) -> Survey:
    """Look at every distinct pattern of charges of a catalogue selection for masses and kinetic
    mixings at which it explains Delta a_mu and passes every constraint.

    `selection` as for `zscan.charges.catalogue.parse_selection`; patterns that differ by
    right-handed neutrinos, a factor or the overall sign count once. `quarks` "third-family" charges
    the third quark family alone. `eps_over_g` is the interval of kappa = eps e/g_X, the mixing in
    units of charges, by default as far as X is a dark photon but for charges of 2 % (400/10 times
    the largest charge). Mixing by the loop of leptons is added where their charges sum to zero.
    `masses` [GeV] and `points` as for `zscan.analysis.masses.survey_masses`. `constraints`
    and `observables` as for `zscan.verdict`; constraints of a user among them, whose charges and
    mixing are those of each pattern in turn.

    At each mass the mixing is searched on a grid that is refined where a fermion decouples, around
    what survives and around the smallest ratio of an observable to its limit; the coupling takes
    nine values that spread Delta a_mu over two standard deviations. Constraints that cost little
    come first; what two provisional constraints or one other exclude by far is not looked at
    further. What is kept of each pattern and mass, under which choices it survives, and what
    excludes it: `Survey`.

    With `muon_coupling` the question is another one: where could an X hide that couples to muons
    with this strength, sqrt(g_V^2 + g_A^2), and need not explain anything? Delta a_mu is then an
    upper limit, two standard deviations above its value; that is the question for the set
    "current", in which Delta a_mu = 0 lies within the band.

    With `out` (.h5) the survey is a map in a file, computed in tiles of patterns that stay when it
    is interrupted: `resume`, `force`, `shard` and the errors are as for `zscan.run_scan`; a shard
    returns what is there of the survey only when all tiles are. Raises `CardError` for a selection,
    `ResumeMismatchError` for tiles of another survey, `ParameterError` and `UnknownNameError` for
    the rest. Source: arXiv:2203.13731."""
    observables = observable_set(observables)
    asked = asked_constraints(constraints)
    if eps_over_g is not None and not -1e6 <= eps_over_g[0] <= eps_over_g[1] <= 1e6:
        raise ParameterError(f"eps_over_g = {eps_over_g}; allowed: two rising numbers within 1e6")
    if muon_coupling is not None and not 0 < muon_coupling <= 1:
        raise ParameterError(f"muon_coupling = {muon_coupling}; allowed: above 0, at most 1")
    spec = SurveySpec(
        patterns=patterns(selection, quarks),
        masses=survey_masses(masses, points, names_of(asked)),
        interval=None if eps_over_g is None else (float(eps_over_g[0]), float(eps_over_g[1])),
        observables=observables,
        constraints=asked,
        readings=variants(observables),
        muon_coupling=muon_coupling,
    )
    if out is None:
        if resume or force or shard:
            raise ParameterError("resume, force and shard need an output")
        header = survey_header(spec, "zscan.survey(...)")
        tiles = list(spec.grid)
        bar = _progress(tiles, tiles, progress)
        with bar:
            found = [(tile, _advancing(bar, tile, evaluate_tile(spec, tile))) for tile in tiles]
        return Survey.of_tiles(header, spec, found)
    command = _options(constraints, masses, points)
    return _into_file(spec, Path(out), command, resume, force, shard, progress)


def _into_file(
    spec: SurveySpec,
    out: Path,
    command: Sequence[str],
    resume: bool,
    force: bool,
    shard: tuple[int, int] | None,
    progress: bool | None,
) -> Survey:
    if out.suffix not in (".h5", ".hdf5"):
        raise ParameterError(f"{out}: a survey is written to a file that ends in .h5 or .hdf5")
    check_continuation(shard, resume=resume, force=force)
    header = survey_header(spec, _command(spec, out, command))
    resume = resume or shard is not None
    guard(map_outputs(out, may_exist=resume), force=force)
    path = target_of(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold(path, header.attributes["command"], shard):
        target, _ = guard(map_outputs(out, may_exist=resume), force=force)
        if target.exists and not force:
            there = open_survey(out)
            if json.loads(there.attributes["spec"]) != spec.canonical():
                raise ResumeMismatchError(f"{out} is another survey (--force replaces it)")
            return there
        store = TileStore(path, spec.hash, spec.canonical(), header)
        store.prepare(resume=resume, force=force)
        done, faults = store.survey()
        mine = of_shard(spec.grid, shard)
        kept = _Kept()
        faults |= take_over((tile for tile in spec.grid if tile.index in done), store, kept)
        if faults:
            warn_of_damage(store, faults, stacklevel=5)
        todo = [tile for tile in mine if tile.index not in kept.tiles]
        with _progress(mine, todo, progress) as bar:
            for tile in todo:
                found = evaluate_tile(spec, tile)
                digests = digests_of(found)
                store.write(tile, found, digests)
                kept.put(tile, _advancing(bar, tile, found), digests)
        present = [(t, kept.tiles[t.index][0]) for t in spec.grid if t.index in kept.tiles]
        result = Survey.of_tiles(store.header, spec, present)
        if shard is not None:
            return result
        with map_writer(
            path, finished_header(result, store.header), replace=target.exists
        ) as writer:
            for tile in spec.grid:
                writer.put(tile, *kept.tiles[tile.index])
        store.remove()
        return result


class _Kept:
    """A sink that keeps the rows of tiles, and their digests, by their numbers."""

    def __init__(self) -> None:
        self.tiles: dict[int, tuple[Rows, Digests]] = {}

    def put(self, tile: Tile, rows: Mapping[str, Sequence[np.ndarray]], digests: Digests) -> None:
        """See `Sink`."""
        self.tiles[tile.index] = {name: list(values) for name, values in rows.items()}, digests


def _advancing(bar: Progress, tile: Tile, rows: Rows) -> Rows:
    bar.update(tile.shape[0])
    return rows


def _options(constraints: Asked | None, masses: Sequence[float], points: int) -> list[str]:
    """Options of the command line that are not in the spec as they were given."""
    parts = []
    if len(masses) == 2 and tuple(masses) != MASSES:
        parts += ["--m_X_min", repr(float(masses[0])), "--m_X_max", repr(float(masses[1]))]
    if points != POINTS:
        parts += ["--points", str(points)]
    if constraints is not None:
        given = [constraints] if isinstance(constraints, str | Constraint) else constraints
        parts += ["--constraints", *names_of(tuple(given))]
    return parts


def _command(spec: SurveySpec, out: Path, options: Sequence[str]) -> str:
    parts = ["zscan", "survey", spec.patterns.selection, "-o", out.name]
    if spec.patterns.quarks != "universal":
        parts += ["--quarks", spec.patterns.quarks]
    if spec.muon_coupling is not None:
        parts += ["--muon_coupling", repr(spec.muon_coupling)]
    if spec.interval is not None:
        parts += ["--kappa", *map(repr, spec.interval)]
    return shlex.join([*parts, "--observables", spec.observables, *options])


def _progress(mine: Sequence[Tile], todo: Sequence[Tile], shown: bool | None) -> Progress:
    count, left = (sum(tile.shape[0] for tile in tiles) for tiles in (mine, todo))
    return progress_of("survey", count, count - left, unit="pattern", shown=shown)
