"""What a difference between two systems, measured on the same questions, can bear: interval, test, power."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000  # bootstrap resamples, and permutations
ALPHA = 0.05  # of the family of comparisons, two-sided
POWER = 0.80
EQUIVALENT = 0.02  # two systems whose 90 % interval lies within +-0.02 are the same to a reader
ROUNDING = 1e-9  # differences up to this are none
CELLS = 4_000_000  # random numbers drawn at a time: bounds the memory, whatever the number of questions


def interval(
    differences: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of the mean difference over questions, or over clusters where they are given.

    differences: (questions,); clusters: (questions,) labels. Clusters are drawn with replacement; the
    mean of a draw is its sum of differences by its number of questions. A percentile interval is too
    narrow by sqrt((n-1)/n) and z instead of t, so its quantiles are moved out until, for a symmetric
    sample, it is as wide as the t interval: the expanded percentile interval of Hesterberg 2015, "What
    Teachers Should Know About the Bootstrap", The American Statistician 69(4), section on confidence
    intervals. (nan, nan) when there are fewer than two clusters.
    """
    from scipy.stats import norm, t

    sums, sizes = _cluster_sums(differences, clusters)
    n = len(sums)
    if n < 2:
        return float("nan"), float("nan")
    of_each = np.column_stack([sums, sizes])  # clusters differ in size
    totals, asked = np.concatenate([block @ of_each for block in _drawn(n, seed, RESAMPLES)]).T
    means = totals / asked
    tail = norm.cdf(np.sqrt(n / (n - 1)) * t.ppf((1 - level) / 2, n - 1))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def randomization(differences: ArrayLike, clusters: ArrayLike | None = None, seed: int = 0) -> float:
    """Two-sided p of the paired randomization test: under the null the two systems could be swapped.

    differences: (questions,); clusters: (questions,) labels: the questions of a cluster are swapped
    together. Smucker, Allan and Carterette 2007 (CIKM), the randomization test; p = (b + 1) / (B + 1),
    never 0: Phipson and Smyth 2010, "Permutation P-values should never be zero". 1.0 when nothing differs.
    """
    sums, _ = _cluster_sums(differences, clusters)
    # Permutations that are as extreme only up to rounding count as extreme.
    observed = abs(sums.sum()) - ROUNDING * np.abs(sums).sum()
    rng = np.random.default_rng(seed)
    extreme = 0
    for rows in _blocks(len(sums), RESAMPLES):
        signs = 2 * rng.integers(2, size=(rows, len(sums)), dtype=np.int8) - 1
        extreme += int(np.count_nonzero(np.abs(signs @ sums) >= observed))
    return (extreme + 1) / (RESAMPLES + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of one family, corrected for its size, in the order given (Holm 1979, section 3)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = p[order] * np.arange(len(p), 0, -1)  # the smallest times m, the next times m - 1, ...
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(value) for value in adjusted]


def smallest_difference(
    differences: ArrayLike, clusters: ArrayLike | None = None, comparisons: int = 1
) -> float:
    """The smallest true mean difference that questions like these would show, in the measure's unit.

    With 80 % power at the tightest level of Holm's family of `comparisons`, two-sided:
    (z_{1-alpha/2m} + z_{0.8}) standard errors, as large samples have it. The standard error is that of a
    ratio of cluster totals (Cochran 1977, chapter 6). nan when there are fewer than two clusters.
    """
    from scipy.stats import norm

    sums, sizes = _cluster_sums(differences, clusters)
    n = len(sums)
    if n < 2:
        return float("nan")
    residuals = sums - sizes * (sums.sum() / sizes.sum())
    standard_error = np.sqrt(n / (n - 1) * np.sum(residuals**2)) / sizes.sum()
    return float((norm.ppf(1 - ALPHA / (2 * comparisons)) + norm.ppf(POWER)) * standard_error)


def verdict(
    difference: float, p_holm: float, interval_90: tuple[float, float], judged_difference: float
) -> str:
    """The word that the numbers allow: "better", "worse", "equivalent", "not shown" or "no verdict: ...".

    difference: of the primary measure, system less baseline; judged_difference: the same on judged
    documents alone. When that has the other sign, or is not within the bounds of "equivalent" where the
    interval is, the unjudged documents decide, and nobody has looked at them: no verdict.
    """
    unsure = f"no verdict: {judged_difference:+.3f} on judged documents alone"
    if p_holm < ALPHA:
        if judged_difference * np.sign(difference) < -ROUNDING:
            return unsure
        return "better" if difference > 0 else "worse"
    low, high = interval_90
    if low >= -EQUIVALENT and high <= EQUIVALENT:
        return "equivalent" if abs(judged_difference) <= EQUIVALENT else unsure
    return "not shown"


def _cluster_sums(differences: ArrayLike, clusters: ArrayLike | None) -> tuple[Floats, Floats]:
    """The sum of differences and the number of questions of each cluster: (clusters,), (clusters,)."""
    values = np.asarray(differences, dtype=np.float64)
    if clusters is None:
        return values, np.ones_like(values)
    _, codes, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    return np.bincount(codes, weights=values).astype(np.float64), sizes.astype(np.float64)


@lru_cache(maxsize=4)  # every system, measure and type of a comparison is resampled in the same way
def _drawn(n: int, seed: int, resamples: int) -> list[NDArray[np.uint8]]:
    """How often each of n things is drawn in each bootstrap resample: blocks of rows of (resamples, n)."""
    rng, blocks = np.random.default_rng(seed), []
    for rows in _blocks(n, resamples):
        drawn = rng.integers(n, size=(rows, n), dtype=np.int32) + n * np.arange(rows)[:, None]
        counted = np.bincount(drawn.ravel(), minlength=rows * n)
        blocks.append(counted.reshape(rows, n).astype(np.uint8))  # 255 times is never
    return blocks


def _blocks(width: int, resamples: int) -> Iterator[int]:
    """Row counts that add up to `resamples`, of at most CELLS cells each."""
    rows = max(1, CELLS // max(1, width))
    for start in range(0, resamples, rows):
        yield min(rows, resamples - start)
