"""Samples of the posterior with numpyro's No-U-Turn sampler."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from zscan.errors import MissingExtraError, NotConvergedError, ParameterError
from zscan.fit.best import maximum_likelihood
from zscan.fit.problem import Normal, Problem
from zscan.precision import in_float64

_R_HAT_GOAL = 1.02


@dataclass(frozen=True)
class Samples:
    """Draws of the posterior: `values` of each parameter (chains, draws), `chi2` of the likelihood
    and normal priors.

    `r_hat` (Gelman and Rubin) and `effective` (sample size) by parameter, `divergences` their
    number over all chains; `converged` says that every r_hat is below 1.02. Divergences come with
    steps of the likelihood, such as the ends of limit curves, where trajectories are rejected,
    which is harmless, or with funnels, which is not: more than 1 % of the draws are pointed out.
    `priors` says what was assumed."""

    values: dict[str, np.ndarray]
    chi2: np.ndarray
    r_hat: dict[str, float]
    effective: dict[str, float]
    divergences: int
    priors: dict[str, str]

    @property
    def converged(self) -> bool:
        """Whether the chains agree with each other."""
        return max(self.r_hat.values()) < _R_HAT_GOAL

    def to_arviz(self) -> Any:
        """The draws as arviz takes them (extra `arviz`): groups posterior, by parameter, and
        sample_stats with `lp`, -1/2 chi2 without the priors that are no data.

        An `InferenceData`, or from arviz 1 on a `DataTree`. Raises `MissingExtraError` without
        arviz."""
        try:
            import arviz
        except ImportError as error:
            raise MissingExtraError(
                "Samples.to_arviz() needs arviz: pip install 'zscan[arviz]'"
            ) from error
        groups = {"posterior": dict(self.values), "sample_stats": {"lp": -self.chi2 / 2}}
        if hasattr(arviz, "InferenceData"):
            return arviz.from_dict(**groups)
        return arviz.from_dict(groups)

    def __str__(self) -> str:
        lines = [f"  {'parameter':18}{'mean':>12}{'std':>12}{'r_hat':>8}{'effective':>11}  prior"]
        for name, draws in self.values.items():
            lines.append(
                f"  {name:18}{draws.mean():12.5g}{draws.std():12.3g}"
                f"{self.r_hat[name]:8.3f}{self.effective[name]:11.0f}  {self.priors[name]}"
            )
        state = "the chains agree" if self.converged else "NOT CONVERGED: do not use"
        note = (
            " (more than 1 %: a step of the likelihood, or a funnel)"
            if self.divergences > self.chi2.size / 100
            else ""
        )
        return "\n".join(
            [*lines, f"  {state}; {self.divergences} divergences of {self.chi2.size}{note}"]
        )


@in_float64
def sample(
    problem: Problem,
    *,
    draws: int = 2000,
    warmup: int = 1000,
    chains: int = 4,
    seed: int = 0,
    check: bool = True,
) -> Samples:
    """Samples of the posterior of `problem` by NUTS (numpyro, extra `sample`), all chains at once.

    The posterior is the likelihood times the prior of every parameter, which must be stated:
    `Normal`, "flat" (in the parameter) or "log-flat" (in its logarithm), inside the bounds. Bounds
    are mapped to all real numbers by a logistic function, whose Jacobian is included. Chains start
    within a few standard deviations of the best fit. Raises `MissingExtraError` without numpyro,
    `ParameterError` for a parameter without prior, `NotConvergedError` if the chains do not agree
    and `check`.

    Source: Hoffman and Gelman, arXiv:1111.4246; numpyro, arXiv:1912.11554.
    """
    try:
        from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
        from numpyro.infer import MCMC, NUTS
    except ImportError as error:
        raise MissingExtraError("sample() needs numpyro: pip install 'zscan[sample]'") from error
    names = problem.names
    silent = [name for name in names if problem.free(name).prior is None]
    if silent:
        raise ParameterError(
            f"parameters.{silent[0]}.prior: missing; a posterior needs one for each parameter: "
            "Normal(mean, sigma), "
            "'flat' or 'log-flat'"
        )

    def potential(z: Array) -> Array:
        log_density = jnp.zeros(())
        values = {}
        for index, name in enumerate(names):
            unit = jax.nn.sigmoid(z[index])
            values[name] = problem.bounded(name).from_unit(unit)
            log_density = log_density + jax.nn.log_sigmoid(z[index]) + jax.nn.log_sigmoid(-z[index])
            log_density = log_density + _log_prior(problem, name, values[name])
        return problem.chi2(values) / 2 - log_density

    best = maximum_likelihood(problem, seed=seed)
    generator = np.random.default_rng(seed)
    start = np.empty((chains, len(names)))
    for index, name in enumerate(names):
        centre = float(problem.bounded(name).to_unit(best.values[index]))
        units = np.clip(centre + 0.01 * generator.standard_normal(chains), 0.005, 0.995)
        start[:, index] = np.log(units / (1 - units))
    # numpyro relies on jax's usual promotion, and warns of its own use of jax
    with (
        warnings.catch_warnings(),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        warnings.simplefilter("ignore")
        kernel = NUTS(potential_fn=potential, target_accept_prob=0.9, dense_mass=True)
        mcmc = MCMC(
            kernel,
            num_warmup=warmup,
            num_samples=draws,
            num_chains=chains,
            chain_method="vectorized",
            progress_bar=False,
        )
        initial = jnp.asarray(start if chains > 1 else start[0])
        mcmc.run(jax.random.PRNGKey(seed), init_params=initial, extra_fields=("diverging",))
        z = np.asarray(mcmc.get_samples(group_by_chain=True)).reshape(chains, -1, len(names))
        divergences = int(np.asarray(mcmc.get_extra_fields()["diverging"]).sum())
    places = jax.nn.sigmoid(jnp.asarray(z))
    values = {
        name: np.asarray(value)
        for name, value in problem.from_units(jnp.moveaxis(places, -1, 0)).items()
    }
    samples = Samples(
        values,
        np.asarray(jax.jit(problem.chi2)(values)),
        {name: float(split_gelman_rubin(z[..., index])) for index, name in enumerate(names)},
        {name: float(effective_sample_size(z[..., index])) for index, name in enumerate(names)},
        divergences,
        {name: _prior_text(problem, name) for name in names},
    )
    if check and not samples.converged:
        raise NotConvergedError(f"the chains do not agree: more warmup, tighter bounds\n{samples}")
    return samples


def _log_prior(problem: Problem, name: str, value: Array) -> Array:
    """log of the prior density per step of the place between the bounds, up to a constant (normal
    ones are in chi2).
    """
    item = problem.free(name)
    if item.scale == "log":  # d(value)/d(unit) is proportional to the value
        return jnp.zeros(()) if item.prior == "log-flat" else jnp.log(value)
    return -jnp.log(value) if item.prior == "log-flat" else jnp.zeros(())


def _prior_text(problem: Problem, name: str) -> str:
    prior: Any = problem.free(name).prior
    bounded = problem.bounded(name)
    kind = f"normal({prior.mean:g}, {prior.sigma:g})" if isinstance(prior, Normal) else prior
    return f"{kind} in [{bounded.min:g}, {bounded.max:g}]"
