"""Questions to a likelihood: one point, which couplings, which masses, which of all models."""

from zscan.analysis.bounds import bounds
from zscan.analysis.evaluation import Evaluation, evaluate
from zscan.analysis.verdicts import Verdict, verdict

__all__ = ["Evaluation", "Verdict", "bounds", "evaluate", "verdict"]
