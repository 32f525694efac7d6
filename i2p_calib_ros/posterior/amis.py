"""Adaptive multiple importance sampling of a pose posterior.

The likelihood of a pose may be 20 times narrower than the prior on each of the six axes, off its centre, correlated,
and may have several modes, so samples of the prior alone never find it. The rounds are:

1. quasi-random samples of the prior and of a wider normal;
2. adaptation: from the best distinct samples, local Gaussian models climb and narrow by trust-region steps on
   quadratics fitted to the evaluated poses around them, while a tempered population (effective sample size by
   bisection) keeps exploring; models that meet are merged;
3. sampling from Student-t mixtures of the models, refitted once to the weighted samples (one EM step).

Every pose drawn in any round carries the deterministic-mixture weight over all proposals (Cornuet, Marin, Mira and
Robert, Scandinavian Journal of Statistics 2012). All coordinates are twists at the prior mean in units of the prior's
standard deviations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import ndtri
from scipy.stats import qmc

from i2p_calib_ros.posterior.posterior import PosePosterior
from i2p_calib_ros.posterior.prior import PoseNeighbourhood, PosePrior
from i2p_calib_ros.posterior.proposals import (
    Ellipse,
    effective_size,
    improve_local_model,
    normalised_weights,
    tempering_exponent,
)

LogLikelihood = Callable[[torch.Tensor], torch.Tensor]

_DIM = 6
_PEAK_NEIGHBOURS = 4
_DRAWS_PER_ROUND = 2  # of the sampling rounds: the mixture is refitted after each
_SEARCHES_AROUND_FOUND = 3

FOUND_SIGMAS = 3.0
"""How far around what a search found the next one looks, in its standard deviations."""


class LikelihoodError(RuntimeError):
    """The likelihood gave values no posterior can be made of."""


@dataclass(frozen=True)
class ProposalSettings:
    """How proposals adapt. These values find posteriors up to about 20 times narrower than the prior.

    starts: local models at the beginning. models: of them, how many climb at the same time. start_spread: their
    standard deviation, of the prior's.
    steps_per_round: adaptation steps each round is cut into. sampling_rounds: rounds drawn after adaptation.
    dof: of the Student-t proposals. inflation: of their covariance. defensive_share: of the final rounds, drawn
    from the tempered population. negligible_nats: a settled mode this far below the best one is dropped.
    """

    starts: int = 8
    models: int = 4
    start_spread: float = 0.35
    steps_per_round: int = 4
    sampling_rounds: int = 2
    dof: float = 5.0
    inflation: float = 1.15
    defensive_share: float = 0.08
    negligible_nats: float = 12.0


@dataclass
class _Model:
    """A local Gaussian, the log density at its mean, and whether it has stopped moving."""

    shape: Ellipse
    value: float
    settled: bool = False

    @property
    def log_mass(self) -> float:
        return self.value + 0.5 * float(np.linalg.slogdet(self.shape.scale)[1])


def sample_posterior(
    log_likelihood: LogLikelihood,
    prior: PosePrior | PoseNeighbourhood,
    *,
    rounds: int = 6,
    samples_per_round: int = 448,
    seed: int = 0,
    start_poses: NDArray[np.float64] | None = None,
) -> PosePosterior:
    """Posterior of `T_camera_lidar` under `prior` and a likelihood that can be evaluated in batches.

    log_likelihood: poses (m, 4, 4) torch float32 -> (m,); minus infinity is allowed, NaN is an error.
    At most `rounds * samples_per_round` poses are evaluated, fewer when the proposals settle early.
    start_poses: (k, 4, 4) further guesses to climb from (an earlier estimate, a solver's result).
    Deterministic for a given seed.
    """
    proposal = ProposalSettings()
    if rounds < proposal.sampling_rounds + 2:
        raise ValueError(f"need at least {proposal.sampling_rounds + 2} rounds, got {rounds}")
    pool = _Pool(log_likelihood, prior, np.random.default_rng(seed))
    pool.draw(
        [(Ellipse(np.zeros(_DIM), np.eye(_DIM)), 0.5), (Ellipse(np.zeros(_DIM), 2.0 * np.eye(_DIM)), 0.5)],
        samples_per_round,
    )
    models = _start_models(pool, proposal, start_poses)
    step_size = samples_per_round // proposal.steps_per_round
    waiting, models = models[proposal.models :], models[: proposal.models]
    for _ in range((rounds - 1 - proposal.sampling_rounds) * proposal.steps_per_round):
        models = _adapt(pool, models, step_size, proposal)
        while waiting and sum(not model.settled for model in models) < proposal.models:
            models.append(waiting.pop(0))
        if all(model.settled for model in models):
            break
    mixture = _mixture_of_models(models, proposal)
    for _ in range(_DRAWS_PER_ROUND * proposal.sampling_rounds):
        population = _tempered_population(pool, target_size=64.0)
        share = proposal.defensive_share
        proposals = [(e, (1.0 - share) * p) for e, p in mixture] + [(population, share)]
        pool.draw(proposals, samples_per_round // _DRAWS_PER_ROUND)
        mixture = _refit(pool, mixture)
    return pool.posterior()


def sample_posterior_near(
    log_likelihood: LogLikelihood,
    prior: PosePrior,
    around: PoseNeighbourhood,
    *,
    rounds: int = 4,
    samples_per_round: int = 128,
    start_poses: NDArray[np.float64] | None = None,
) -> PosePosterior:
    """As `sample_posterior`, where an estimate says where to look: `around` is not part of the posterior."""

    def log_likelihood_and_prior(T: torch.Tensor) -> torch.Tensor:
        poses = T.double().numpy()
        return log_likelihood(T) + torch.from_numpy(prior.log_density(poses) - around.log_density(poses))

    return sample_posterior(
        log_likelihood_and_prior, around, rounds=rounds, samples_per_round=samples_per_round, start_poses=start_poses
    )


def search_again_if_sparse(
    posterior: PosePosterior,
    log_likelihood: LogLikelihood,
    prior: PosePrior,
    *,
    least_effective_samples: float,
    samples_per_round: int = 128,
) -> PosePosterior:
    """A posterior with enough effective samples for a covariance: the given one, or searched for around it.

    A search of a whole prior may find one that is 40 times narrower with hardly a sample inside; three more, each
    around what the last one found, fill nearly all of them. Each climbs from the last one's guesses as well: where it
    found a narrow mode and a few samples far off, its spread is so wide that the narrow one would be missed.
    """
    for _ in range(_SEARCHES_AROUND_FOUND):
        if posterior.effective_sample_size >= least_effective_samples:
            break
        found = PoseNeighbourhood(posterior.T_mean, posterior.covariance, FOUND_SIGMAS, prior)
        posterior = sample_posterior_near(
            log_likelihood, prior, found, samples_per_round=samples_per_round, start_poses=posterior.guesses
        )
    return posterior


class _Pool:
    """All evaluated twists with their log density and the mixture of every proposal so far."""

    def __init__(
        self, log_likelihood: LogLikelihood, prior: PosePrior | PoseNeighbourhood, rng: np.random.Generator
    ) -> None:
        self._log_likelihood = log_likelihood
        self._prior = prior
        self._rng = rng
        self.z = np.empty((0, _DIM))
        self.log_target = np.empty(0)
        self._drawn = np.empty(0, dtype=bool)
        self._log_mixture = np.empty(0)  # log of sum over proposals of count * density
        self._proposals: list[tuple[Ellipse, float]] = []

    def evaluate(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log posterior density, up to the evidence, at whitened twists (m, 6): (m,)."""
        poses = torch.from_numpy(self._prior.unwhiten(z).astype(np.float32))
        with torch.no_grad():
            values = self._log_likelihood(poses)
        log_likelihood = values.detach().cpu().numpy().astype(np.float64)
        if log_likelihood.shape != (len(z),):
            raise LikelihoodError(f"the likelihood of {len(z)} poses has shape {log_likelihood.shape}, not ({len(z)},)")
        wrong = np.isnan(log_likelihood) | np.isposinf(log_likelihood)
        if wrong.any():
            raise LikelihoodError(
                f"the likelihood of {wrong.sum()} of {len(z)} poses is NaN or +infinity; "
                "check the network's scores and the cloud for NaN"
            )
        return log_likelihood - 0.5 * np.sum(z**2, axis=1) - 0.5 * _DIM * np.log(2.0 * np.pi)

    def draw(
        self,
        mixture: list[tuple[Ellipse, float]],
        count: int,
        probes: NDArray[np.float64] | None = None,
    ) -> tuple[list[slice], NDArray[np.float64]]:
        """Draw about `count` points from the mixture, evaluate them with the probes, and keep both.

        Returns the places in the pool of each component's draws and the values (k,) at the probes (k, 6).
        """
        probes = np.empty((0, _DIM)) if probes is None else probes
        shares = np.array([share for _, share in mixture])
        counts = np.diff(np.concatenate([[0], np.round(np.cumsum(shares / shares.sum()) * count)])).astype(int)
        bounds = np.concatenate([[0], np.cumsum(counts)])
        # A Sobol sequence comes in powers of two; its parts are evenly spread too.
        uniform = qmc.Sobol(_DIM, rng=self._rng).random_base2(max(1, int(count).bit_length()))[: bounds[-1]]
        normal = ndtri(np.clip(uniform, 1e-9, 1.0 - 1e-9))
        parts = [slice(low, high) for low, high in pairwise(bounds)]
        points = [e.draw(normal[part], self._rng) for (e, _), part in zip(mixture, parts, strict=True)]
        places = [slice(len(self.z) + part.start, len(self.z) + part.stop) for part in parts]
        new = np.concatenate([*points, probes])
        values = self.evaluate(new)

        proposals = [(ellipse, float(n)) for (ellipse, _), n in zip(mixture, counts, strict=True) if n]
        log_mixture = np.full(len(new), -np.inf)
        for ellipse, n in self._proposals + proposals:
            log_mixture = np.logaddexp(log_mixture, np.log(n) + ellipse.log_density(new))
        for ellipse, n in proposals:
            self._log_mixture = np.logaddexp(self._log_mixture, np.log(n) + ellipse.log_density(self.z))
        self._proposals += proposals
        self.z = np.concatenate([self.z, new])
        self.log_target = np.concatenate([self.log_target, values])
        self._log_mixture = np.concatenate([self._log_mixture, log_mixture])
        self._drawn = np.concatenate([self._drawn, np.arange(len(new)) < len(new) - len(probes)])
        return places, values[len(new) - len(probes) :]

    def weighted(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Drawn points (m, 6), the log of prior / mixture (m,), and the log likelihood (m,), of finite density only."""
        use = self._drawn & np.isfinite(self.log_target)
        if not use.any():
            raise LikelihoodError("the likelihood is zero everywhere in the prior: is the initial extrinsic right?")
        z = self.z[use]
        log_prior = -0.5 * np.sum(z**2, axis=1) - 0.5 * _DIM * np.log(2.0 * np.pi)
        log_mixture = self._log_mixture[use] - np.log(self._drawn.sum())
        return z, log_prior - log_mixture, self.log_target[use] - log_prior

    def posterior(self) -> PosePosterior:
        z, log_base, log_likelihood = self.weighted()
        log_weights = log_base + log_likelihood
        return PosePosterior.from_samples(self._prior.unwhiten(z), normalised_weights(log_weights))

    def whiten(self, T: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._prior.whiten(T)


def _start_models(
    pool: _Pool, settings: ProposalSettings, start_poses: NDArray[np.float64] | None
) -> list[_Model]:
    """Local models at the best samples that are apart from each other, and at the guesses."""
    if start_poses is not None:
        pool.draw([(Ellipse(np.zeros(_DIM), np.eye(_DIM)), 1.0)], 0, probes=pool.whiten(np.asarray(start_poses)))
    neighbours = cKDTree(pool.z).query(pool.z, k=_PEAK_NEIGHBOURS + 1)[1]
    highest_around = pool.log_target[neighbours].max(axis=1)
    peaks = np.flatnonzero((pool.log_target >= highest_around) & np.isfinite(pool.log_target))
    starts = peaks[np.argsort(-pool.log_target[peaks])][: settings.starts]
    scale = settings.start_spread**2 * np.eye(_DIM)
    population = _Model(_tempered_population(pool, target_size=48.0), -np.inf)
    return [population] + [_Model(Ellipse(pool.z[i], scale), float(pool.log_target[i])) for i in starts]


def _adapt(pool: _Pool, models: list[_Model], count: int, settings: ProposalSettings) -> list[_Model]:
    """One step of every model and of the tempered population: fit, draw, look, keep what is better."""
    finite = np.isfinite(pool.log_target)
    z, log_target = pool.z[finite], pool.log_target[finite]
    fitted = [improve_local_model(model.shape, z, log_target) for model in models]
    probes = np.array([shape.mean for shape, _ in fitted])
    population = _tempered_population(pool, target_size=48.0)
    mixture = [(replace(shape, dof=settings.dof), 1.0) for shape, _ in fitted] + [(population, 1.0)]
    places, values = pool.draw(mixture, count - len(probes), probes)

    moved = []
    for model, (shape, settled), value, place in zip(models, fitted, values, places[:-1], strict=True):
        best = place.start + int(np.argmax(pool.log_target[place])) if place.stop > place.start else None
        if value < model.value - 0.5:
            shape = Ellipse(model.shape.mean, 0.25 * shape.scale)
            value, settled = model.value, False
        if best is not None and pool.log_target[best] > value + 1.0:
            shape = Ellipse(pool.z[best], shape.scale)
            value, settled = float(pool.log_target[best]), False
        moved.append(_Model(shape, float(value), settled))
    return _merge(moved, settings)


def _merge(models: list[_Model], settings: ProposalSettings) -> list[_Model]:
    """The models without those that stand where a better one stands, or have settled on a negligible mode."""
    kept: list[_Model] = []
    for model in sorted(models, key=lambda m: -m.value):
        for other in kept:
            both = Ellipse(other.shape.mean, 0.5 * (other.shape.scale + model.shape.scale))
            if np.sum(both.whiten(model.shape.mean[None]) ** 2) < 1.5**2:
                break
        else:
            best_mass = max((m.log_mass for m in kept if m.settled), default=-np.inf)
            if not (model.settled and model.log_mass < best_mass - settings.negligible_nats):
                kept.append(model)
    return kept


def _tempered_population(pool: _Pool, target_size: float) -> Ellipse:
    """Student-t with the moments of the samples, weighted with as much of the likelihood as keeps `target_size`."""
    z, log_base, log_likelihood = pool.weighted()
    beta = tempering_exponent(log_base, log_likelihood, target_size)
    weights = normalised_weights(log_base + beta * log_likelihood)
    mean = weights @ z
    covariance = ((z - mean) * weights[:, None]).T @ (z - mean)
    shrink = _DIM / (effective_size(weights) + _DIM)
    covariance = (1.0 - shrink) * covariance + shrink * np.diag(np.diag(covariance)) + 1e-10 * np.eye(_DIM)
    return Ellipse(mean, 1.2 * covariance, dof=5.0)


def _mixture_of_models(models: list[_Model], settings: ProposalSettings) -> list[tuple[Ellipse, float]]:
    """Inflated Student-t at every model that matters, with shares near their masses."""
    best = max(model.log_mass for model in models)
    models = [m for m in models if m.log_mass > best - settings.negligible_nats]
    masses = normalised_weights(np.array([m.log_mass for m in models]))
    shares = 0.7 * masses + 0.3 / len(models)
    return [
        (Ellipse(m.shape.mean, settings.inflation * m.shape.scale, settings.dof), float(share))
        for m, share in zip(models, shares, strict=True)
    ]


def _refit(pool: _Pool, mixture: list[tuple[Ellipse, float]]) -> list[tuple[Ellipse, float]]:
    """One EM step of the mixture on the weighted samples (mixture population Monte Carlo, Cappe et al. 2008)."""
    z, log_base, log_likelihood = pool.weighted()
    beta = tempering_exponent(log_base, log_likelihood, target_size=64.0)
    weights = normalised_weights(log_base + beta * log_likelihood)
    log_parts = np.array([np.log(share) + ellipse.log_density(z) for ellipse, share in mixture])
    responsibility = np.exp(log_parts - np.logaddexp.reduce(log_parts, axis=0)) * weights
    refitted = []
    for (ellipse, _), part in zip(mixture, responsibility, strict=True):
        share = part.sum()
        part = part / max(share, 1e-300)
        size = effective_size(part)
        if size < 4.0:
            refitted.append((ellipse, max(float(share), 0.05)))
            continue
        mean = part @ z
        covariance = ((z - mean) * part[:, None]).T @ (z - mean)
        trust = size / (size + 20.0)
        scale = trust * covariance + (1.0 - trust) * ellipse.scale
        centre = trust * mean + (1.0 - trust) * ellipse.mean
        refitted.append((Ellipse(centre, scale, ellipse.dof), max(float(share), 0.05)))
    return refitted
