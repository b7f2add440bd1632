import itertools
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from ragkit import significance
from ragkit.significance import holm, interval, randomization, smallest_difference, verdict

Sample = tuple[NDArray[np.float64], NDArray[np.int64] | None]  # differences, clusters

# Differences of nDCG as they are: many ties, few values, a long right tail.
VALUES = np.array([-1, -0.5, -0.37, -0.13, 0, 0.13, 0.37, 0.5, 0.63, 1.0])
CHANCES = np.array([0.01, 0.03, 0.04, 0.07, 0.52, 0.08, 0.06, 0.05, 0.04, 0.10])
MEAN = float(VALUES @ CHANCES)


def questions(rng: np.random.Generator, n: int = 60) -> Sample:
    return rng.choice(VALUES, size=n, p=CHANCES), None


def rewordings(rng: np.random.Generator, n: int = 50) -> Sample:
    """n questions in five wordings, of which four in five come out as the question does."""
    shared = rng.choice(VALUES, size=(n, 1), p=CHANCES)
    own = rng.choice(VALUES, size=(n, 5), p=CHANCES)
    return np.where(rng.random((n, 5)) < 0.8, shared, own).ravel(), np.repeat(np.arange(n), 5)


def uneven_rewordings(rng: np.random.Generator) -> Sample:
    differences, clusters = rewordings(rng)
    asked = (np.arange(5) < rng.integers(1, 6, size=(50, 1))).ravel()
    assert clusters is not None
    return differences[asked], clusters[asked]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand experiments in seconds: (b + 1) / (B + 1) and the coverage hold for any B."""
    monkeypatch.setattr(significance, "RESAMPLES", 2_000)


# interval


def test_an_interval_of_two_questions_reaches_both() -> None:
    # t with 1 degree of freedom is so wide that the expanded quantiles are the least and the greatest mean.
    assert interval([0.0, 1.0]) == (0.0, 1.0)


def test_the_expanded_interval_is_as_wide_as_the_t_interval_on_a_symmetric_sample() -> None:
    sample = scipy.stats.norm.ppf((np.arange(30) + 0.5) / 30)
    low, high = interval(sample)
    t = 2.0452 * np.std(sample, ddof=1) / np.sqrt(30)  # the plain percentile interval is 6 % narrower
    assert (low, high) == pytest.approx((-t, t), rel=0.02)


def test_on_many_questions_the_interval_is_scipys_percentile_bootstrap() -> None:
    sample, _ = questions(np.random.default_rng(3), 2_000)
    expected = scipy.stats.bootstrap((sample,), np.mean, method="percentile", rng=1).confidence_interval
    assert interval(sample) == pytest.approx((expected.low, expected.high), abs=0.001)


def test_a_level_of_90_percent_lies_inside_95() -> None:
    sample, _ = questions(np.random.default_rng(3))
    (low, high), (low_90, high_90) = interval(sample), interval(sample, level=0.90)
    assert low < low_90 < high_90 < high


def test_clusters_of_one_question_change_nothing() -> None:
    sample, _ = questions(np.random.default_rng(3), 40)
    labels = [f"q{i:02}" for i in range(40)]
    assert interval(sample, labels) == interval(sample)
    assert randomization(sample, labels) == randomization(sample)
    assert smallest_difference(sample, labels) == pytest.approx(smallest_difference(sample))


def test_repeating_each_question_as_its_rewording_adds_no_certainty() -> None:
    sample, _ = questions(np.random.default_rng(3), 40)
    labels = np.repeat(np.arange(40), 5)
    assert interval(np.repeat(sample, 5), labels) == pytest.approx(interval(sample))
    assert randomization(np.repeat(sample, 5), labels) == randomization(sample)
    assert smallest_difference(np.repeat(sample, 5), labels) == pytest.approx(smallest_difference(sample))


def test_clusters_of_different_size_weigh_by_their_questions() -> None:
    # Drawn means: cluster a twice (0), b twice (1), both (3 of 4 questions): never the mean of means, 0.5.
    differences, clusters = [0.0, 1.0, 1.0, 1.0], ["a", "b", "b", "b"]
    assert interval(differences, clusters, level=0.1) == (0.75, 0.75)
    assert interval(differences, clusters) == (0.0, 1.0)


def test_one_cluster_has_no_interval() -> None:
    assert np.isnan(interval([0.1, 0.2], ["a", "a"])).all()
    assert np.isnan(interval([])).all()
    assert np.isnan(smallest_difference([0.1]))


def test_blocks_bound_the_memory_and_leave_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, _ = questions(np.random.default_rng(3))
    whole = interval(sample), randomization(sample)
    monkeypatch.setattr(significance, "CELLS", 60_001)
    low, high = interval(sample)
    assert ((low, high), randomization(sample)) == whole


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    sample, _ = questions(np.random.default_rng(3))
    assert interval(sample, seed=1) == interval(sample, seed=1) != interval(sample, seed=2)
    assert randomization(sample, seed=1) == randomization(sample, seed=1) != randomization(sample, seed=2)


# randomization


def test_p_is_1_when_nothing_differs() -> None:
    assert randomization([0.0] * 20) == 1.0


def test_p_is_never_0() -> None:
    assert randomization([0.5] * 100) == 1 / 10_001


def test_p_is_that_of_all_sign_flips_counted_by_hand() -> None:
    # |sum| of (+-1 +-2 +-3) is 6, 4, 2, 0, 0, 2, 4, 6: two of eight reach 6.
    # (+-1 +-0 +-3) is 4 or 2: four of eight reach 4.
    assert randomization([1.0, 2.0, 3.0]) == pytest.approx(2 / 8, abs=0.015)
    assert randomization([1.0, 0.0, 3.0]) == pytest.approx(4 / 8, abs=0.015)


def test_rounding_does_not_hide_a_permutation_as_extreme_as_the_observed_one() -> None:
    # 0.1 + 0.2 - 0.3 is 5.6e-17, not 0: every permutation is at least as extreme as an observed 0.
    assert randomization([0.1, 0.2, -0.3]) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_p_is_scipys_paired_permutation_test(seed: int) -> None:
    ours, theirs = np.random.default_rng(seed).choice([0, 0.37, 0.5, 0.63, 1.0], size=(2, 12))
    exact = scipy.stats.permutation_test(  # all 4,096 of them
        (ours, theirs), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=5_000
    )
    assert randomization(ours - theirs) == pytest.approx(exact.pvalue, abs=0.015)


def test_a_cluster_is_swapped_as_one() -> None:
    differences = np.array([0.4, 0.3, -0.1, 0.2, 0.5, 0.1])
    clusters = [0, 0, 1, 1, 2, 2]
    sums = [0.7, 0.1, 0.6]
    flips = [abs(np.dot(signs, sums)) for signs in itertools.product([1, -1], repeat=3)]
    expected = np.mean(np.array(flips) >= sum(sums) - 1e-12)
    assert expected == 2 / 8
    assert randomization(differences, clusters) == pytest.approx(expected, abs=0.015)


# holm


def test_holm_by_hand() -> None:
    # sorted: .005 * 4 = .02, .01 * 3 = .03, .03 * 2 = .06, .04 * 1 = .04, which may not be under .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_1_and_keeps_one_p_as_it_is() -> None:
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_holm_ties_get_one_value() -> None:
    assert holm([0.02, 0.02, 0.5]) == pytest.approx([0.06, 0.06, 0.5])


# smallest difference


def test_smallest_difference_by_hand() -> None:
    # s = 1 over 100 questions: (1.959964 + 0.841621) / 10, and at .05 / 4: (2.497705 + 0.841621) / 10
    sample = np.tile([-1.0, 1.0], 50) * np.sqrt(99 / 100)
    assert smallest_difference(sample) == pytest.approx(0.2801585, abs=1e-6)
    assert smallest_difference(sample, comparisons=4) == pytest.approx(0.3339326, abs=1e-6)


def test_smallest_difference_of_clusters_by_hand() -> None:
    # mean 0.4 over 5; residual sums 0 - 2 * .4 and 2 - 3 * .4: sqrt(2 / 1 * (.64 + .64)) / 5 = 0.32
    smallest = smallest_difference([0, 0, 1, 1, 0], ["a", "a", "b", "b", "b"])
    assert smallest == pytest.approx(2.8015852 * 0.32)


# verdict


@pytest.mark.parametrize(
    ("difference", "p_holm", "interval_90", "judged", "word"),
    [
        (0.05, 0.049, (0.02, 0.08), 0.01, "better"),
        (-0.05, 0.001, (-0.08, -0.02), -0.01, "worse"),
        (0.05, 0.05, (0.01, 0.09), 0.05, "not shown"),
        (0.001, 0.8, (-0.02, 0.02), 0.0, "equivalent"),
        (0.001, 0.8, (-0.01, 0.012), -0.02, "equivalent"),
        (0.001, 0.8, (-0.01, 0.012), -0.06, "no verdict: -0.060 on judged documents alone"),
        (0.001, 0.8, (-0.02, 0.021), 0.0, "not shown"),
        (0.001, 0.8, (-0.021, 0.02), 0.0, "not shown"),
        (0.01, 0.01, (0.005, 0.015), 0.01, "better"),  # shown, and small: the difference stands beside it
        (0.05, 0.001, (0.02, 0.08), -0.012, "no verdict: -0.012 on judged documents alone"),
        (-0.05, 0.001, (-0.08, -0.02), 0.012, "no verdict: +0.012 on judged documents alone"),
        (0.05, 0.001, (0.02, 0.08), -1e-17, "better"),  # 0, but for rounding
        (0.05, 0.2, (-0.01, 0.11), -0.1, "not shown"),
        (0.0, 1.0, (float("nan"), float("nan")), 0.0, "not shown"),
    ],
)
def test_words_follow_numbers(
    difference: float, p_holm: float, interval_90: tuple[float, float], judged: float, word: str
) -> None:
    assert verdict(difference, p_holm, interval_90, judged) == word


# simulation: at least a thousand experiments each, where a bound is near


def coverage(
    draw: Callable[[np.random.Generator], Sample], ignore_clusters: bool = False, experiments: int = 2_000
) -> float:
    rng = np.random.default_rng(99)  # 20,000 experiments: 94.8, 94.7 with rewordings, uneven ones 94.1 %
    hits = 0
    for _ in range(experiments):
        differences, clusters = draw(rng)
        low, high = interval(differences, None if ignore_clusters else clusters)  # one seed, as in use
        hits += low <= MEAN <= high
    return hits / experiments


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("draw", [questions, lambda rng: questions(rng, 30), rewordings, uneven_rewordings])
def test_the_95_percent_interval_covers_the_truth_93_to_97_times_in_100(
    draw: Callable[[np.random.Generator], Sample],
) -> None:
    assert 0.93 <= coverage(draw) <= 0.97


@pytest.mark.usefixtures("quick")
def test_taking_rewordings_for_questions_would_promise_too_much() -> None:
    # about 0.70, with a standard error of 0.023 in 400 experiments
    assert coverage(rewordings, ignore_clusters=True, experiments=400) < 0.80


def family(rng: np.random.Generator, n: int, wordings: int) -> NDArray[np.float64]:
    """Four systems less a baseline that is as good as they are: (4, n * wordings)."""
    grades, chances = [0, 0.13, 0.37, 0.5, 0.63, 1.0], [0.3, 0.1, 0.15, 0.1, 0.1, 0.25]
    hard = rng.choice(grades, size=(1, n, 1), p=chances)  # questions are hard or easy for all systems
    score = np.where(rng.random((5, n, 1)) < 0.5, hard, rng.choice(grades, size=(5, n, 1), p=chances))
    own = rng.choice(grades, size=(5, n, wordings), p=chances)
    scores = np.where(rng.random((5, n, wordings)) < 0.8, score, own).reshape(5, n * wordings)
    differences: NDArray[np.float64] = scores[1:] - scores[0]
    return differences


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("n", "wordings"), [(60, 1), (50, 5)])
def test_a_family_of_four_equal_systems_is_called_different_at_most_67_times_in_1000(
    n: int, wordings: int
) -> None:
    rng = np.random.default_rng(11)
    clusters = None if wordings == 1 else np.repeat(np.arange(n), wordings)
    wrong = 0
    for seed in range(1_000):
        p = [randomization(system, clusters, seed) for system in family(rng, n, wordings)]
        wrong += min(holm(p)) < 0.05
    assert 10 <= wrong <= 67  # a test that never finds anything would pass the upper bound alone


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("draw", [questions, rewordings])
@pytest.mark.parametrize("comparisons", [1, 4])
def test_the_smallest_difference_is_found_about_80_times_in_100(
    draw: Callable[[np.random.Generator, int], Sample], comparisons: int
) -> None:
    rng = np.random.default_rng(5)
    differences, clusters = draw(rng, 20_000)
    truth = smallest_difference(differences, clusters, comparisons) * np.sqrt(20_000 / 120)
    found = 0
    for seed in range(1_000):
        differences, clusters = draw(rng, 120)
        found += randomization(differences - MEAN + truth, clusters, seed) < 0.05 / comparisons
    assert 750 <= found <= 850
