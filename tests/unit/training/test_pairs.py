from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.augment import AugmentConfig, Crop, Generator
from training.face_loader import FaceLoader
from training.face_mask import Points
from training.generated import GeneratedFaces, make_faces, samples_of
from training.manifest import FAKE, REAL, Sample, in_split, load_samples
from training.pairs import Makers, Mixture, PairDataset
from training.reconstruction import Reconstructor, train
from training.regions import DEFAULT_PATH, load_regions
from training.scoring import auc_by_source
from training.upscaled import UpscaledFaces, chosen, make_upscaled

NO_CHANGE = AugmentConfig(
    p_geometry=0, p_colour=0, p_grey=0, p_blur=0, p_noise=0, p_rescale=0, p_jpeg=0
)


def _dataset(
    samples: list[Sample], loader: FaceLoader, mixture: Mixture, items: int = 20
) -> PairDataset:
    return PairDataset(in_split(samples, "train"), loader, mixture, NO_CHANGE, items, seed=3)


def test_every_item_is_a_fake_and_a_real_face(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    data = _dataset(tiny_samples, tiny_loader, Mixture({"alpha": 1.0}, self_blended=1.0))
    crops, fake, masks = data[0]
    assert crops.shape == (2, 224, 224, 3)
    assert crops.dtype == torch.uint8
    assert fake.tolist() == [1.0, 0.0]
    assert masks.shape == (2, 28, 28)
    assert float(masks[0].max()) > 0.5
    assert not masks[1].any()


def test_the_mask_of_an_unpaired_fake_is_unknown(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    _, _, masks = _dataset(tiny_samples, tiny_loader, Mixture({"beta": 1.0}))[0]
    assert (masks[0] < 0).all()


class RecordingLoader(FaceLoader):
    """Remembers which samples were read."""

    def __init__(self, inner: FaceLoader) -> None:
        super().__init__(inner._root, inner._regions)
        self.read: list[Sample] = []

    def patch(self, sample: Sample) -> Crop:
        self.read.append(sample)
        return super().patch(sample)

    def aligned(
        self, fake: Sample, real: Sample, framing: float, rng: Generator
    ) -> tuple[Crop, Crop, Points] | None:
        self.read += [fake, real]
        return super().aligned(fake, real, framing, rng)


def test_a_fake_comes_with_the_very_image_it_was_made_from(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    loader = RecordingLoader(tiny_loader)
    data = _dataset(tiny_samples, loader, Mixture({"alpha": 1.0, "beta": 1.0}))
    for index in range(12):
        data[index]
    pairs = list(zip(loader.read[::2], loader.read[1::2], strict=True))
    assert {fake.source for fake, _ in pairs} == {"alpha", "beta"}
    for fake, real in pairs:
        assert (fake.label, real.label) == (0, 1)
        assert fake.source == real.source
        if fake.pair:
            assert real.path == fake.pair


def test_items_follow_from_seed_and_number_alone(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    mixture = Mixture({"alpha": 1.0, "beta": 1.0}, self_blended=1.0)
    first = _dataset(tiny_samples, tiny_loader, mixture)
    again = _dataset(tiny_samples, tiny_loader, mixture, items=400)
    assert torch.equal(first[7][0], again[7][0])
    assert not torch.equal(first[7][0], first[8][0])


def test_excluded_sources_are_never_read(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    mixture = Mixture({"alpha": 1.0, "beta": 1.0}, self_blended=1.0, exclude=("beta",))
    data = _dataset(tiny_samples, tiny_loader, mixture)
    assert {sample.source for sample in data._all_reals} == {"alpha"}
    assert set(data._fakes) == {"alpha"}
    assert len(data._draws) == 2


def test_fakes_of_an_unseen_source_are_never_read_but_its_photos_are(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    mixture = Mixture({"alpha": 1.0, "beta": 1.0}, self_blended=1.0, unseen=("beta",))
    loader = RecordingLoader(tiny_loader)
    data = _dataset(tiny_samples, loader, mixture, items=60)
    for index in range(len(data)):
        data[index]
    of_beta = [sample.label for sample in loader.read if sample.source == "beta"]
    assert REAL in of_beta
    assert FAKE not in of_beta


def test_a_source_without_fakes_is_refused(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    reals = [sample for sample in tiny_samples if sample.label == 1]
    with pytest.raises(ValueError, match="'alpha' lacks fake or real"):
        _dataset(reals, tiny_loader, Mixture({"alpha": 1.0}))
    with pytest.raises(ValueError, match="empty"):
        _dataset(reals, tiny_loader, Mixture())


@pytest.mark.dataset
def test_no_trivial_feature_tells_the_classes_apart(data_root: Path) -> None:
    """Size and dimensions are gone after the pipeline; brightness and sharpness say little."""
    samples = load_samples(data_root)
    loader = FaceLoader(data_root, load_regions(DEFAULT_PATH) if DEFAULT_PATH.is_file() else {})
    data = PairDataset(
        in_split(samples, "train"),
        loader,
        Mixture({"dfdc": 1.0, "stylegan1": 0.4}, self_blended=0.5, cross_blended=0.5),
        AugmentConfig(),
        items=400,
        seed=1,
    )
    rows: list[Sample] = []
    names = ("brightness", "sharpness", "saturation", "size as JPEG", "size as PNG")
    features: dict[str, list[float]] = {name: [] for name in names}
    for index in range(400):
        crops, _, _ = data[index]
        assert crops.shape == (2, 224, 224, 3)
        for pixels, label in zip(crops.numpy(), (FAKE, REAL), strict=True):
            for kind in ("JPEG", "PNG"):
                _, data_of_file = cv2.imencode(f".{kind.lower()}", pixels)
                features[f"size as {kind}"].append(len(data_of_file))
            crop = pixels.astype(float)
            rows.append(Sample("", "train", label, "mixture"))
            features["brightness"].append(crop.mean())
            features["sharpness"].append(np.abs(np.diff(crop, axis=1)).mean())
            features["saturation"].append((crop.max(axis=-1) - crop.min(axis=-1)).mean())
    for name, values in features.items():
        auc = auc_by_source(rows, np.asarray(values))[0].auc
        assert 0.35 < auc < 0.65, f"{name} alone has AUC {auc:.2f}"


@pytest.fixture(scope="module")
def reconstructor(tmp_path_factory: pytest.TempPathFactory, portrait: np.ndarray) -> Reconstructor:
    path = tmp_path_factory.mktemp("autoencoder") / "weights.safetensors"
    train([portrait], path, steps=2)
    return Reconstructor(path)


@pytest.fixture(scope="module")
def upscaled(
    tmp_path_factory: pytest.TempPathFactory, tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> UpscaledFaces:
    root = tmp_path_factory.mktemp("upscaled")
    photos = chosen(in_split(tiny_samples, "train"), {"alpha": 2})
    make_upscaled(root, photos, tiny_loader, workers=1)
    return UpscaledFaces(root)


@pytest.mark.parametrize("kind", ["self_blended", "cross_blended", "reconstructed", "upscaled"])
def test_made_fakes_come_beside_the_face_they_were_made_from(
    kind: str,
    tiny_samples: list[Sample],
    tiny_loader: FaceLoader,
    reconstructor: Reconstructor,
    upscaled: UpscaledFaces,
) -> None:
    mixture = Mixture(reals={"alpha": 1.0}, **{kind: 1.0})  # type: ignore[arg-type]
    loader = RecordingLoader(tiny_loader)
    makers = Makers(reconstructor, upscaled=upscaled)
    samples = in_split(tiny_samples, "train")
    data = PairDataset(samples, loader, mixture, NO_CHANGE, 12, 3, makers)
    for index in range(12):
        crops, _, masks = data[index]
        fake, real = crops.numpy().astype(int)
        # Each of the two is mirrored, or not, by itself.
        ways = [np.abs(fake - other).max(axis=-1) for other in (real, real[:, ::-1])]
        changed = min(ways, key=np.mean)
        assert changed.any()
        assert float(masks[0].max()) > 0.5
        whole = masks[0].min() == 1
        outside = np.kron(masks[0].numpy() == 0, np.ones((8, 8), bool))
        if kind != "self_blended" and not whole:  # a self-blend may change its target everywhere
            assert changed[outside].max() <= 30  # where less than a tenth is blended in
            assert np.median(changed[outside]) == 0
    assert {sample.source for sample in loader.read} == {"alpha"}
    assert {sample.label for sample in loader.read} == {1}


def test_reconstructed_fakes_need_a_reconstructor(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    with pytest.raises(ValueError, match="no reconstructor"):
        _dataset(tiny_samples, tiny_loader, Mixture(reconstructed=1.0))


def test_upscaled_fakes_need_faces_of_the_split(
    tiny_samples: list[Sample], tiny_loader: FaceLoader, upscaled: UpscaledFaces
) -> None:
    with pytest.raises(ValueError, match="upscaled faces, but there are none"):
        _dataset(tiny_samples, tiny_loader, Mixture(upscaled=1.0))
    others = in_split(tiny_samples, "validation")
    with pytest.raises(ValueError, match="upscaled faces, but there are none"):
        PairDataset(
            others, tiny_loader, Mixture(upscaled=1.0), NO_CHANGE, 6, 3, Makers(upscaled=upscaled)
        )


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> GeneratedFaces:
    root = tmp_path_factory.mktemp("generated")
    make_faces(root, samples_of({"train": 2}), workers=1)
    return GeneratedFaces(root)


def test_generated_faces_stand_beside_real_ones_of_the_sources_named(
    tiny_samples: list[Sample], tiny_loader: FaceLoader, generated: GeneratedFaces
) -> None:
    mixture = Mixture(generated=1.0, generated_beside=("beta",), matched_detail=0.5)
    loader = RecordingLoader(tiny_loader)
    data = PairDataset(
        in_split(tiny_samples, "train"), loader, mixture, NO_CHANGE, 6, 3, Makers(None, generated)
    )
    for index in range(6):
        crops, _, masks = data[index]
        assert crops[0].float().std() > 20
        assert (masks[0] == 1).all()
        assert not masks[1].any()
    assert {(sample.source, sample.label) for sample in loader.read} == {("beta", 1)}


def test_generated_faces_need_faces_and_photos(
    tiny_samples: list[Sample], tiny_loader: FaceLoader, generated: GeneratedFaces
) -> None:
    with pytest.raises(ValueError, match="generated faces, but there are none"):
        _dataset(tiny_samples, tiny_loader, Mixture(generated=1.0))
    samples = in_split(tiny_samples, "train")
    mixture = Mixture(generated=1.0, generated_beside=("gamma",))
    with pytest.raises(ValueError, match="real images of one of the sources gamma"):
        PairDataset(samples, tiny_loader, mixture, NO_CHANGE, 6, 3, Makers(None, generated))


def test_freely_framed_faces_keep_pairs_aligned(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    kept = _dataset(tiny_samples, tiny_loader, Mixture({"alpha": 1.0}))
    framed = _dataset(tiny_samples, tiny_loader, Mixture({"alpha": 1.0}, framing=0.2))
    assert torch.equal(kept[0][0], framed[0][0])  # a frame and its fake are cut as ever
    apart = [
        _dataset(tiny_samples, tiny_loader, Mixture({"beta": 1.0}, framing=framing))[0][0]
        for framing in (0.0, 0.2)
    ]
    assert not torch.equal(*apart)
    crops, _, masks = _dataset(tiny_samples, tiny_loader, Mixture(self_blended=1.0, framing=0.2))[0]
    outside = cv2.resize(masks[0].numpy(), (224, 224), interpolation=cv2.INTER_NEAREST) == 0
    outside = cv2.erode(outside.astype(np.uint8), np.ones((17, 17))) == 1
    assert outside.any()
    assert torch.equal(crops[0][outside], crops[1][outside])


def test_of_a_fake_with_its_frame_only_a_part_may_be_left(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    def changed(mixture: Mixture) -> list[float]:
        data = _dataset(tiny_samples, tiny_loader, mixture)
        items = [data[index] for index in range(8)]
        assert all(fake.tolist() == [1.0, 0.0] for _, fake, _ in items)
        return [float(masks[0].mean()) for _, _, masks in items]

    whole = changed(Mixture({"alpha": 1.0}))
    parts = changed(Mixture({"alpha": 1.0}, partial=1.0))
    assert all(0.01 < part <= one + 0.01 for one, part in zip(whole, parts, strict=True))
    assert sum(parts) < 0.9 * sum(whole)
    framed = changed(Mixture({"alpha": 1.0}, aligned_framing=0.2))
    assert framed != pytest.approx(whole, abs=0.01)


def test_both_pictures_of_a_pair_may_be_augmented_by_the_same_draws(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    train = in_split(tiny_samples, "train")

    def distance(mixture: Mixture) -> float:
        data = PairDataset(train, tiny_loader, mixture, AugmentConfig(), 8, seed=3)
        pairs = [data[index][0].float() for index in range(8)]
        return float(np.mean([(fake - real).abs().mean() for fake, real in pairs]))

    same = distance(Mixture(self_blended=1.0, same_augmentation=1.0))
    assert 0 < same < 0.5 * distance(Mixture(self_blended=1.0))


def test_only_pictures_of_different_scenes_are_mixed(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    apart = _dataset(tiny_samples, tiny_loader, Mixture({"beta": 1.0}, mixup=1.0))
    _, fake, masks = apart[0]
    assert 0.5 <= float(fake[0]) < 1
    assert float(fake.sum()) == pytest.approx(1.0)
    assert masks.dtype == torch.float32
    parts = _dataset(tiny_samples, tiny_loader, Mixture({"beta": 1.0}, mixup=1.0, cutmix=1.0))
    shares = [float(parts[index][1][0]) for index in range(4)]
    assert all(0.45 <= share <= 0.95 for share in shares)  # a whole picture has 1
    mixture = Mixture({"alpha": 1.0}, mixup=1.0, cutmix=1.0)
    together = _dataset(tiny_samples, tiny_loader, mixture)
    assert all(together[index][1].tolist() == [1.0, 0.0] for index in range(4))
