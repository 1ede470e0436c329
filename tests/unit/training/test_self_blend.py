import numpy as np

from training.self_blend import self_blend

LANDMARKS = np.array([[75, 80], [120, 80], [98, 105], [80, 130], [115, 130]], np.float32)


def test_the_picture_changes_where_the_mask_says(portrait: np.ndarray) -> None:
    inside, outside = [], []
    for seed in range(40):
        blend = self_blend(portrait, LANDMARKS, np.random.default_rng(seed))
        assert blend.fake.shape == portrait.shape
        assert blend.fake.dtype == np.uint8
        assert blend.mask.shape == portrait.shape[:2]
        assert 0 <= blend.mask.min() <= blend.mask.max() <= 1
        assert 0.005 < blend.mask.mean() < 0.9
        residual = np.abs(np.diff(blend.fake.astype(int) - portrait, axis=0)).mean(axis=-1)
        weight = blend.mask[1:]
        inside.append(residual[weight > 0.2].mean())
        outside.append(residual[weight < 0.01].mean())
    # Half of the blends jitter the target, so single pictures change everywhere; on average the
    # moved copy leaves more structure inside.
    assert np.mean(inside) > 1.2 * np.mean(outside)


def test_the_seed_alone_decides(portrait: np.ndarray) -> None:
    first, again = (self_blend(portrait, LANDMARKS, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first.fake, again.fake)
    assert np.array_equal(first.mask, again.mask)


def test_unknown_landmarks_give_a_typical_face(portrait: np.ndarray) -> None:
    blend = self_blend(portrait, np.zeros((0, 2), np.float32), np.random.default_rng(2))
    assert blend.mask.max() > 0.2


def test_the_mask_follows_the_landmarks(portrait: np.ndarray) -> None:
    def centre(landmarks: np.ndarray) -> float:
        columns = [
            np.average(
                np.arange(200),
                weights=self_blend(portrait, landmarks, np.random.default_rng(s)).mask.sum(axis=0),
            )
            for s in range(12)
        ]
        return float(np.mean(columns))

    moved = LANDMARKS + np.array([30, 0], np.float32)
    assert centre(moved) - centre(LANDMARKS) > 15
