"""Questions to a likelihood: one point, which masses, which of all models."""

from zscan.analysis.evaluation import Evaluation, evaluate
from zscan.analysis.verdicts import Verdict, verdict

__all__ = ["Evaluation", "Verdict", "evaluate", "verdict"]
