import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

from training.bootstrap import mean_with_interval
from training.figures import (
    Judged,
    auc_of,
    auc_with_intervals,
    cluster_of,
    compared,
    counted,
    figures_of,
    parts_by_kind,
    parts_by_source,
    resamples,
    with_intervals,
    within_people,
)
from training.manifest import FAKE, REAL, Sample


def judged(
    count: int = 400,
    strength: float = 0.3,
    seed: int = 1,
    clusters: int = 80,
    source: str = "a",
    kind: str = "swap",
) -> Judged:
    rng = np.random.default_rng(seed)
    fake = rng.random(count) < 0.6
    probability = np.clip(rng.random(count) * 0.7 + strength * fake, 0, 1)
    verdict = np.where(probability > 0.7, "fake", np.where(probability < 0.2, "real", "uncertain"))
    return Judged(
        fake,
        probability,
        verdict,
        np.full(count, source),
        np.where(fake, kind, "none"),
        np.array([f"{source}{number}" for number in rng.integers(clusters, size=count)]),
    )


def joined(*parts: Judged) -> Judged:
    fields = ("fake", "probability", "verdict", "source", "kind", "cluster")
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def test_ranking_figures_agree_with_scikit_learn() -> None:
    images = judged()
    figures = figures_of(images)
    assert figures["auc"] == pytest.approx(roc_auc_score(images.fake, images.probability))
    assert figures["average_precision"] == pytest.approx(
        average_precision_score(images.fake, images.probability), abs=1e-6
    )
    assert figures["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(images.fake, images.probability >= 0.5), abs=1e-6
    )


def test_tpr_at_a_false_positive_rate_counts_that_many_false_alarms() -> None:
    reals = np.linspace(0, 0.5, 100)  # the highest is 0.5, the next 0.49494...
    fakes = np.array([0.6, 0.498, 0.2, 0.1])
    images = Judged(
        np.repeat([False, True], [100, 4]),
        np.concatenate([reals, fakes]),
        np.full(104, "real"),
        np.full(104, "a"),
        np.full(104, "x"),
        np.arange(104).astype(str),
    )
    figures = figures_of(images)
    assert figures["tpr_at_1_fpr"] == pytest.approx(0.5)  # one of a hundred may lie above
    assert figures["tpr_at_5_fpr"] == pytest.approx(0.5)


def test_equal_error_rate_of_a_perfect_and_of_a_useless_detector() -> None:
    perfect = judged()
    perfect = Judged(
        perfect.fake,
        perfect.fake.astype(float),
        *(getattr(perfect, name) for name in ("verdict", "source", "kind", "cluster")),
    )
    assert figures_of(perfect)["eer"] == pytest.approx(0)
    assert figures_of(judged(4000, strength=0))["eer"] == pytest.approx(0.5, abs=0.05)


def test_error_rates_are_shares_of_their_class() -> None:
    images = Judged(
        np.array([True, True, False, False, False]),
        np.array([0.9, 0.1, 0.9, 0.5, 0.1]),
        np.array(["fake", "real", "fake", "uncertain", "real"]),
        np.full(5, "a"),
        np.full(5, "x"),
        np.array(list("abcde")),
    )
    figures = figures_of(images)
    assert figures["real_called_fake"] == pytest.approx(1 / 3)
    assert figures["fake_called_real"] == pytest.approx(1 / 2)
    assert figures["uncertain"] == pytest.approx(1 / 5)


def test_one_class_leaves_out_what_needs_both() -> None:
    images = judged()
    reals = images.take(~images.fake)
    assert set(figures_of(reals)) == {"real_called_fake", "uncertain"}
    assert np.isnan(auc_of(reals))


def test_calibration_error_sees_over_confidence_and_the_balanced_one_ignores_the_mix() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(20000)
    fake = rng.random(20000) < probability
    same = np.full(20000, "a")
    honest = Judged(fake, probability, same, same, same, same)
    assert figures_of(honest)["ece"] < 0.02
    sure = Judged(fake, np.rint(probability), same, same, same, same)
    assert figures_of(sure)["ece"] == pytest.approx(0.25, abs=0.02)
    kept = fake | (rng.random(20000) < 0.2)  # most real images are gone
    assert figures_of(honest.take(kept))["ece"] > 0.1
    assert figures_of(honest.take(kept))["ece_balanced"] < 0.02


def test_the_spread_between_people_counts_those_with_both_classes() -> None:
    def person(name: str, probabilities: list[float], fakes: list[bool]) -> Judged:
        count = len(fakes)
        return Judged(
            np.array(fakes),
            np.array(probabilities),
            np.full(count, "real"),
            np.full(count, "a"),
            np.full(count, "swap"),
            np.full(count, name),
        )

    right = person("right", [0.9, 0.1], [True, False])
    wrong = person("wrong", [0.1, 0.9], [True, False])
    real_only = person("real", [0.5, 0.6], [False, False])
    found = within_people(joined(right, wrong, real_only))
    assert found == {"people": 2, "mean": 0.5, "sd": pytest.approx(0.70711)}
    assert within_people(joined(right, real_only)) is None


def test_resamples_keep_clusters_whole_and_sources_as_large_as_they_were() -> None:
    images = joined(judged(source="a", clusters=20), judged(100, source="b", clusters=100, seed=2))
    for rows in resamples(images, count=5):
        drawn = images.take(rows)
        for source, clusters in (("a", 20), ("b", len(np.unique(images.cluster[400:])))):
            part = drawn.cluster[drawn.source == source]
            names, times = np.unique(part, return_counts=True)
            sizes = np.array([(images.cluster == name).sum() for name in names])
            assert (times % sizes == 0).all()
            assert (times // sizes).sum() == clusters


def test_resamples_follow_from_the_seed() -> None:
    images = judged()
    first, again, other = (resamples(images, 3, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_intervals_hold_the_value_and_widen_when_pictures_of_a_person_go_together() -> None:
    images = judged(clusters=400)
    person = np.arange(400) // 20
    quirk = np.where(np.random.default_rng(0).random(20) < 0.5, -0.3, 0.3)[person]
    probability = np.clip(images.probability + np.where(images.fake, quirk, 0), 0, 1)

    def width(clusters: npt.NDArray[np.str_]) -> float:
        alike = Judged(
            images.fake, probability, images.verdict, images.source, images.kind, clusters
        )
        figure = with_intervals(alike, 200)["auc"]
        assert figure.low < figure.value < figure.high
        return figure.high - figure.low

    single = width(np.arange(400).astype(str))
    assert 0.02 < single < 0.2
    assert width(person.astype(str)) > 1.3 * single


def test_no_error_among_few_persons_is_no_proof_of_none() -> None:
    images = judged()
    never = Judged(
        images.fake,
        images.probability,
        np.full(400, "real"),
        images.source,
        images.kind,
        (np.arange(400) % 30).astype(str),
    )
    figures = with_intervals(never, 20)
    assert (figures["real_called_fake"].value, figures["real_called_fake"].low) == (0, 0)
    assert figures["real_called_fake"].high == pytest.approx(0.116, abs=0.001)  # 0 of 30
    assert figures["fake_called_real"].low == pytest.approx(1 - 0.116, abs=0.001)


def test_differences_are_paired() -> None:
    images = judged()
    assert compared(images, images, count=20).as_dict() == {"value": 0.0, "low": 0.0, "high": 0.0}
    weaker = judged(strength=0.05)
    difference = compared(images, weaker, count=100)
    assert difference.low > 0


def test_kinds_bring_the_real_images_of_their_sources() -> None:
    images = joined(
        judged(source="a", kind="swap"),
        judged(source="a", kind="gan", seed=2),
        judged(source="b", kind="gan", seed=3),
    )
    kinds = parts_by_kind(images)
    assert set(kinds) == {"swap", "gan"}
    assert set(kinds["swap"].source) == {"a"}
    assert set(kinds["gan"].source) == {"a", "b"}
    assert (~kinds["swap"].fake).sum() == (~images.fake[images.source == "a"]).sum()
    assert sum(len(part) for part in parts_by_source(images).values()) == len(images)


def test_counted_figures_are_plain_json() -> None:
    images = judged()
    entry = counted(with_intervals(images, 5), images)
    assert entry["fakes"] + entry["reals"] == 400
    assert set(entry["auc"]) == {"value", "low", "high"}


def test_means_come_with_an_interval() -> None:
    figure = mean_with_interval([0.0, 1.0] * 50, [str(index) for index in range(100)], 100)
    assert figure.value == 0.5
    assert 0.3 < figure.low < 0.5 < figure.high < 0.7


def test_a_sample_depends_on_its_person_then_its_group_then_itself() -> None:
    sample = Sample("x.jpg", "test", FAKE, "a", group="g", identity="i")
    assert cluster_of(sample) == "i"
    assert cluster_of(Sample("x.jpg", "test", FAKE, "a", group="g")) == "g"
    assert cluster_of(Sample("x.jpg", "test", FAKE, "a")) == "x.jpg"


def test_auc_with_intervals_takes_scores_of_any_scale_and_leaves_out_single_classes() -> None:
    samples = [
        Sample(f"{index}.jpg", "test", FAKE if index % 2 else REAL, "a") for index in range(40)
    ]
    samples += [Sample("only.jpg", "test", REAL, "b")]
    scores = np.array([(3.0 if index % 2 else -5.0) + index / 40 for index in range(41)])
    found = auc_with_intervals(samples, scores, count=10)
    assert set(found) == {"a"}
    assert found["a"].value == 1.0
