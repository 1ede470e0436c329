from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from architectures import build
from architectures.weights import load_weights, save_weights


def test_weights_survive_the_file_in_full_and_in_half_precision(tmp_path: Path) -> None:
    saved, loaded = build("cnn"), build("cnn")
    save_weights(saved, tmp_path / "full.safetensors", half=False)
    load_weights(loaded, tmp_path / "full.safetensors")
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    save_weights(saved, tmp_path / "half.safetensors")
    load_weights(loaded, tmp_path / "half.safetensors")
    for name, value in saved.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name].float(), value.float(), atol=1e-3), name
    assert {value.dtype for value in load_file(tmp_path / "half.safetensors").values()} == {
        torch.float16,
        torch.int64,
    }
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "full.safetensors",
        "half.safetensors",
    ]


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_weights(build("cnn"), tmp_path / "cnn.safetensors")
    with pytest.raises(ValueError, match="does not hold weights of this network"):
        load_weights(build("efficientnet"), tmp_path / "cnn.safetensors")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    torch.save(build("cnn").state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="does not hold weights"):
        load_weights(build("cnn"), tmp_path / "weights.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no weights at .*gone"):
        load_weights(build("cnn"), tmp_path / "gone.safetensors")
