from collections import defaultdict
from pathlib import Path

import pytest
from PIL import Image

from training.manifest import FAKE, REAL, Sample, in_split, load_samples, spaced


def test_the_manifest_is_read_row_by_row(tiny_root: Path) -> None:
    samples = load_samples(tiny_root)
    assert len(samples) == 72
    fakes = [sample for sample in samples if sample.label == FAKE]
    assert len(fakes) == 36
    assert {sample.kind for sample in fakes} == {"tint"}
    paths = {sample.path for sample in samples if sample.label == REAL}
    assert all(sample.pair in paths for sample in fakes if sample.source == "alpha")


def test_folders_work_without_a_manifest(tmp_path: Path) -> None:
    for name in ("Train/Fake/a.jpg", "Train/Real/b.jpg", "Validation/Real/sub/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "Train/Real/notes.txt").write_text("not a picture")
    samples = load_samples(tmp_path)
    assert [(s.path, s.split, s.label) for s in samples] == [
        ("Train/Fake/a.jpg", "train", FAKE),
        ("Train/Real/b.jpg", "train", REAL),
        ("Validation/Real/sub/c.png", "validation", REAL),
    ]


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"manifest.csv, or folders"):
        load_samples(tmp_path)


def test_a_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "path,split,label\na.jpg,train,Fake\nb.jpg,holiday,Real\n"
    )
    with pytest.raises(ValueError, match="line 3"):
        load_samples(tmp_path)


@pytest.mark.dataset
def test_no_person_and_no_group_crosses_splits(data_root: Path) -> None:
    samples = load_samples(data_root)
    splits_of: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        if sample.identity:
            splits_of[f"identity {sample.identity}"].add(sample.split)
        if sample.group:
            splits_of[f"group {sample.group}"].add(sample.split)
    assert len(splits_of) > 1000
    assert {name for name, splits in splits_of.items() if len(splits) > 1} == set()
    split_of = {sample.path: sample.split for sample in samples}
    assert all(split_of[s.pair] == s.split for s in samples if s.pair)
    assert {len(in_split(samples, split)) > 0 for split in ("train", "validation", "test")} == {
        True
    }


def test_few_of_many_samples_are_spaced_over_sources_and_labels() -> None:
    samples = [
        Sample(f"{source}/{label}/{number:02d}.jpg", "train", label, source, "")
        for source in ("beta", "alpha")
        for label in (FAKE, REAL)
        for number in range(20)
    ]
    few = spaced(samples, 8)
    assert [(sample.source, sample.label) for sample in few] == [
        (source, label) for source in ("alpha", "beta") for label in (FAKE, REAL) for _ in range(2)
    ]
    assert len(spaced(samples, 100)) == len(samples)
