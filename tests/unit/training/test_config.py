from pathlib import Path

import pytest

from training.config import load_config

CONFIGS = sorted(Path("training/configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_load(path: Path) -> None:
    config = load_config(path)
    assert config.model == path.stem.split("-")[0]
    assert config.steps > config.warmup_steps
    mixture = config.mixture
    blended = mixture.self_blended + mixture.cross_blended
    made = mixture.reconstructed + mixture.generated + mixture.upscaled
    # Only their proportions count, but as shares they are easier to read.
    assert sum(mixture.sources.values()) + blended + made == pytest.approx(1, abs=0.03)


def test_a_misspelt_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('model = "cnn"\nlearning_rat = 1\n')
    with pytest.raises(ValueError, match="unknown setting 'learning_rat'"):
        load_config(path)
    path.write_text('model = "cnn"\n[augmentation]\nbluur = 1\n')
    with pytest.raises(ValueError, match="'bluur'"):
        load_config(path)


def test_an_unknown_model_or_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('model = "vgg"\n')
    with pytest.raises(ValueError, match="unknown model 'vgg'"):
        load_config(path)
    path.write_text("model = \n")
    with pytest.raises(ValueError, match=r"run\.toml"):
        load_config(path)
    with pytest.raises(FileNotFoundError, match="no configuration"):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("written", "read"),
    [("", ()), ('teacher = "a"\n', ("a",)), ('teacher = ["a", "b"]\n', ("a", "b"))],
)
def test_no_one_or_several_teachers_are_read(
    tmp_path: Path, written: str, read: tuple[str, ...]
) -> None:
    path = tmp_path / "run.toml"
    path.write_text('model = "cnn"\n' + written)
    assert load_config(path).teachers == read
