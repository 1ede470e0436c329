import numpy as np

from training.face_mask import face_mask, known_or_typical, soften

LANDMARKS = np.array([[75, 80], [120, 80], [98, 105], [80, 130], [115, 130]], np.float32)


def test_masks_lie_on_the_face_and_differ() -> None:
    masks = [face_mask((200, 200), LANDMARKS, np.random.default_rng(seed)) for seed in range(30)]
    shares = [float(mask.mean()) for mask in masks]
    assert all(mask.shape == (200, 200) and 0 <= mask.min() <= mask.max() <= 1 for mask in masks)
    assert max(shares) > 2 * min(shares) > 0
    centres = [np.average(np.arange(200), weights=mask.sum(axis=0)) for mask in masks]
    assert abs(np.mean(centres) - 98) < 12


def test_softening_blurs_the_rim_and_keeps_the_peak() -> None:
    mask = np.zeros((100, 100), np.float32)
    mask[30:70, 30:70] = 1
    soft = soften(mask, np.random.default_rng(0))
    assert soft.max() == 1
    assert ((soft > 0.05) & (soft < 0.95)).any()
    assert not soften(np.zeros_like(mask), np.random.default_rng(0)).any()


def test_typical_landmarks_scale_with_the_crop() -> None:
    unknown = np.zeros((0, 2), np.float32)
    assert np.allclose(
        2 * known_or_typical(unknown, (100, 100)), known_or_typical(unknown, (200, 200))
    )
    assert known_or_typical(LANDMARKS, (9, 9)) is LANDMARKS
