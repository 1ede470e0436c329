import json
from pathlib import Path

import pytest

from detection.faces import FaceFinder
from training.manifest import Sample
from training.regions import find_regions, load_regions, read_image


def test_the_table_holds_what_the_service_would_crop(
    tiny_root: Path, tiny_samples: list[Sample], tiny_regions: Path
) -> None:
    table = load_regions(tiny_regions)
    assert set(table) == {sample.path for sample in tiny_samples}
    path = tiny_samples[0].path
    face = FaceFinder().find(read_image(tiny_root / path))[0]
    assert table[path].region == face.region
    assert len(table[path].landmarks) == 5


def test_an_interrupted_search_goes_on_where_it_stopped(
    tmp_path: Path, tiny_root: Path, tiny_samples: list[Sample], tiny_regions: Path
) -> None:
    lines = tiny_regions.read_text().splitlines()
    table = tmp_path / "regions.jsonl"
    table.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:20])
    find_regions(tiny_root, tiny_samples, table, workers=1)
    assert load_regions(table) == load_regions(tiny_regions)
    kept = [line for line in table.read_text().splitlines() if line.startswith('{"path"')]
    whole = [json.loads(line)["path"] for line in kept if line.endswith("}")]
    assert len(whole) == len(set(whole)) == len(tiny_samples)


def test_a_missing_table_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make regions"):
        load_regions(tmp_path / "none.jsonl")
