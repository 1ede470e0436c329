from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from architectures import Detector
from detection.faces import crop_face
from detection.grad_cam import explain_head
from detection.version import ModelVersion

UInt8Array = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def faces(portrait: UInt8Array) -> UInt8Array:
    """Four different crops, uint8 4 x 224 x 224 x 3."""
    regions = [(160, 40, 300, 180), (100, 0, 400, 300), (0, 200, 300, 500), (20, 20, 100, 100)]
    return np.stack([crop_face(portrait, region) for region in regions])


@pytest.fixture(scope="module", params=["cnn", "efficientnet"])
def detector(request: pytest.FixtureRequest, model_store: Path) -> Detector:
    return ModelVersion.load(model_store / request.param / "1.0").detector


def features_of(detector: Detector, faces: UInt8Array) -> torch.Tensor:
    with torch.no_grad():
        features: torch.Tensor = detector.features(detector.preset.to_input(faces))
    return features


def test_map_equals_the_closed_form_class_activation_map(
    detector: Detector, faces: UInt8Array
) -> None:
    """Zhou et al. (CVPR 2016): with pooling and one linear layer, the map of class c is w_c . A."""
    features = features_of(detector, faces)
    logits, maps = explain_head(detector.head, features)
    linear = detector.head[-1]  # type: ignore[index]
    assert isinstance(linear, torch.nn.Linear)
    chosen = linear.weight[logits.argmax(dim=1)]  # N x C
    cells = features.shape[-2] * features.shape[-1]
    expected = torch.einsum("nc,nchw->nhw", chosen, features).numpy() / cells
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    # The map sums up to the logit without its bias: it accounts for the whole prediction.
    bias = linear.bias[logits.argmax(dim=1)]
    unbiased = (logits.max(dim=1).values - bias).numpy()
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), unbiased, rtol=1e-3, atol=1e-5)


def test_logits_are_those_of_the_plain_forward_pass(detector: Detector, faces: UInt8Array) -> None:
    with torch.no_grad():
        plain = detector(detector.preset.to_input(faces))
    logits, _ = explain_head(detector.head, features_of(detector, faces))
    assert torch.allclose(logits, plain, atol=1e-5)


def test_same_map_as_the_library_through_the_whole_network(
    detector: Detector, faces: UInt8Array
) -> None:
    inputs = detector.preset.to_input(faces).requires_grad_()
    logits, maps = explain_head(detector.head, features_of(detector, faces))
    targets = [ClassifierOutputTarget(int(index)) for index in logits.argmax(dim=1)]
    with GradCAM(detector, [detector.features]) as cam:
        cam(input_tensor=inputs, targets=targets)
        whole = cam.get_cam_image(
            inputs,
            detector.features,
            targets,
            cam.activations_and_grads.activations[0].numpy(),
            cam.activations_and_grads.gradients[0].numpy(),
        )
    np.testing.assert_allclose(maps, whole, rtol=1e-3, atol=1e-5 * np.abs(whole).max())


def test_images_of_a_batch_do_not_influence_each_other(
    detector: Detector, faces: UInt8Array
) -> None:
    features = features_of(detector, faces)
    together = explain_head(detector.head, features)
    for index in range(len(faces)):
        alone = explain_head(detector.head, features[index : index + 1])
        assert torch.allclose(alone.logits[0], together.logits[index], atol=1e-5)
        np.testing.assert_allclose(alone.maps[0], together.maps[index], rtol=1e-3, atol=1e-6)


def test_no_gradient_reaches_features_or_parameters(detector: Detector, faces: UInt8Array) -> None:
    features = features_of(detector, faces)
    logits, _ = explain_head(detector.head, features)
    assert not logits.requires_grad
    assert features.grad is None
    assert not features.requires_grad
    assert all(parameter.grad is None for parameter in detector.parameters())
    assert not any(module._forward_hooks for module in detector.modules())


def test_works_where_gradients_are_switched_off(detector: Detector, faces: UInt8Array) -> None:
    features = features_of(detector, faces)
    with torch.no_grad():
        logits, maps = explain_head(detector.head, features)
    assert np.array_equal(maps, explain_head(detector.head, features).maps)
    assert not logits.requires_grad
