"""The verb `zscan survey`: run or read a survey, write what is asked for, and say what it found."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

from zscan.analysis.survey.bounds import coupling_bounds
from zscan.analysis.survey.result import Survey, open_survey
from zscan.analysis.survey.run import POINTS, SELECTION, survey
from zscan.analysis.survey.tables import TABLES, csv_text, table
from zscan.errors import ForeignFileError, ParameterError, nearest
from zscan.models import Model
from zscan.models.charged import SPECIES
from zscan.results.outputs import Kind, Output, write_output

_FILES = (".h5", ".hdf5")
_CSV_HEADER, _MODEL_HEADER = "# zscan survey", "# model of a zscan survey"


def run_command(arguments: Namespace, progress: bool | None = None) -> str:
    """What `zscan survey` prints; files are written before."""
    if arguments.bounds:
        return _bounds(arguments)
    if arguments.kappa is not None and len(arguments.kappa) != 2:
        raise ParameterError("--kappa takes two mixings, the lowest and the highest one")
    if arguments.table is not None and arguments.table not in TABLES:
        raise ParameterError(f"table {arguments.table!r}: {nearest(arguments.table, TABLES)}")
    output = None if arguments.output is None else Path(arguments.output)
    if output is not None and output.suffix not in (*_FILES, ".csv"):
        raise ParameterError(f"{output}: a survey is written to a file that ends in .h5 or .csv")
    selection = SELECTION if arguments.selection is None else arguments.selection
    if selection.endswith(_FILES):
        found = open_survey(selection)
    else:
        found = survey(
            selection,
            eps_over_g=None if arguments.kappa is None else tuple(arguments.kappa),
            observables=arguments.observables,
            masses=(arguments.m_X_min, arguments.m_X_max),
            points=POINTS if arguments.points is None else arguments.points,
            constraints=arguments.constraints,
            quarks=arguments.quarks,
            muon_coupling=arguments.muon_coupling,
            out=output if output is not None and output.suffix in _FILES else None,
            resume=arguments.resume,
            force=arguments.force and output is not None and output.suffix in _FILES,
            shard=arguments.shard,
            progress=progress,
        )
    written: list[Path] = []
    if output is not None and output.suffix == ".csv":
        text = f"{_CSV_HEADER}: {found.patterns.selection}\n{csv_text(found)}"
        written.append(
            write_output(Output(output, SURVEY_CSV), text.encode(), force=arguments.force)
        )
    if arguments.models is not None:
        written += write_models(found, arguments.models, force=arguments.force)
    if arguments.figures is not None:
        from zscan.analysis.survey.figures import draw_survey

        written += draw_survey(found, arguments.figures)
    if arguments.json:
        return json.dumps(found.to_table(), indent=2)
    return "\n".join([table(found, arguments.table or "survivors"), *map(str, written)])


def _bounds(arguments: Namespace) -> str:
    """Bounds of all patterns, printed or written as CSV."""
    kappa = arguments.kappa or [0.0]
    if len(kappa) != 1:
        raise ParameterError("--bounds takes one mixing: --kappa K")
    found = coupling_bounds(
        SELECTION if arguments.selection is None else arguments.selection,
        observables=arguments.observables,
        masses=(arguments.m_X_min, arguments.m_X_max),
        points=POINTS if arguments.points is None else arguments.points,
        kappa=kappa[0],
        quarks=arguments.quarks,
        constraints=arguments.constraints,
    )
    if arguments.output is not None:
        if Path(arguments.output).suffix != ".csv":
            raise ParameterError(f"{arguments.output}: bounds are written to a file .csv")
        text = f"{_CSV_HEADER}: bounds, {found.patterns.selection}\n{found.csv()}"
        output = Output(Path(arguments.output), SURVEY_CSV)
        write_output(output, text.encode(), force=arguments.force)
    return json.dumps(found.to_table(), indent=2) if arguments.json else str(found)


def write_models(found: Survey, folder: str | Path, *, force: bool = False) -> list[Path]:
    """Write each survivor as a model file FOLDER/PATTERN.toml, with the mixing of its best point.

    Raises `ResultExistsError` for a file that exists, unless it is one of these and `force`."""
    paths = []
    for name in found.survivors():
        path = Path(folder) / f"{file_name_of(name)}.toml"
        content = model_text(found.model(name)).encode()
        paths.append(write_output(Output(path, SURVEY_MODEL), content, force=force))
    return paths


def file_name_of(pattern: str) -> str:
    """The name of a pattern as that of a file.

    >>> file_name_of("L(-1,7,-6)E(1,6,-7)")
    'L_-1_7_-6_E_1_6_-7'
    """
    return re.sub(r"[^A-Za-z0-9+-]+", "_", pattern).strip("_")


def model_text(model: Model) -> str:
    """A model as the text of a file that `zscan.load_model` reads."""
    lines = [_MODEL_HEADER, f"name = {json.dumps(model.name)}"]
    lines.append(f"description = {json.dumps(model.description)}")
    for species in SPECIES:
        lines.append(f"{species} = {json.dumps([str(x) for x in model.triple(species)])}")
    lines += [f"eps_over_g = {model.mixing_ratio!r}", f"loop = {json.dumps(model.loop)}", ""]
    return "\n".join(lines)


def _check_first_line(expected: str) -> Any:
    def check(path: Path) -> None:
        with open(path, "rb") as file:
            if not file.readline(200).startswith(expected.encode()):
                raise ForeignFileError(f"{path}: its first line is not {expected!r}")

    return check


SURVEY_CSV = Kind("survey", _check_first_line(_CSV_HEADER))
SURVEY_MODEL = Kind("model", _check_first_line(_MODEL_HEADER))
