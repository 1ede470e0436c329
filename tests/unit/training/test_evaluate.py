import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.small_evaluation import SmallData
from training.evaluate import main
from training.figures import figures_of
from training.recording import record
from training.tables import COLUMNS, as_markdown, as_text


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", *(str(argument) for argument in arguments)])
    main()


def options(small_data: SmallData, store: Path, out: Path) -> list[object]:
    return [
        *("--data", small_data.root),
        *("--regions", small_data.regions_path),
        *("--store", store),
        *("--out", out),
        *("--split", "validation"),
        *("--workers", 0),
        *("--threads", 1),
    ]


@pytest.fixture(scope="module")
def evaluated(
    small_data: SmallData, small_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a quick evaluation of both models."""
    out: Path = tmp_path_factory.mktemp("evaluation")
    with pytest.MonkeyPatch.context() as patch:
        run(patch, *options(small_data, small_store, out), "--quick")
    return out


@pytest.fixture(scope="module")
def results(evaluated: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (evaluated / "validation-quick.json").read_text(encoding="utf-8")
    )
    return found


def test_every_section_and_subject_is_there(results: dict[str, Any]) -> None:
    assert list(results["figures"]["subjects"]) == ["workflow", "cnn", "efficientnet"]
    assert list(results["robustness"]["subjects"]) == ["workflow", "cnn", "efficientnet"]
    assert list(results["explanations"]["subjects"]) == ["workflow", "cnn", "efficientnet"]
    assert list(results["adversarial"]["subjects"]) == ["cnn", "efficientnet"]
    for section in ("explanations", "adversarial"):
        assert "training.evaluate" in results[section]["command"]
    assert set(results["figures"]["comparison"]) == {"cnn", "efficientnet"}
    decided = results["figures"]["decisions"]
    assert sum(case["images"] for case in decided if case["source"] == "a") == sum(
        results["figures"]["subjects"]["workflow"]["sources"]["a"][what]
        for what in ("fakes", "reals")
    )
    assert len(next(iter(results["robustness"]["subjects"].values()))) == 13


def test_sources_of_real_faces_only_have_a_false_alarm_rate_and_no_auc(
    results: dict[str, Any],
) -> None:
    for subject in results["figures"]["subjects"].values():
        only = subject["sources"]["b"]
        assert only["fakes"] == 0
        assert "auc" not in only
        assert 0 <= only["real_called_fake"]["value"] <= 1
        both = subject["sources"]["a"]
        assert both["auc"]["low"] <= both["auc"]["value"] <= both["auc"]["high"]
        assert subject["kinds"]["blend"] == both


def test_curves_and_reliability_can_be_drawn(results: dict[str, Any]) -> None:
    curve = results["figures"]["subjects"]["cnn"]["curves"]["a"]
    assert curve["fpr"][0] == curve["tpr"][0] == 0
    assert curve["fpr"][-1] == curve["tpr"][-1] == 1
    assert curve["fpr"] == sorted(curve["fpr"])
    bins = results["figures"]["subjects"]["cnn"]["reliability"]
    assert sum(each["share"] for each in bins) == pytest.approx(1, abs=0.01)


def test_the_unchanged_picture_has_the_figures_of_itself(results: dict[str, Any]) -> None:
    entry = results["robustness"]["subjects"]["cnn"]["none"]["a"]
    assert entry["fall"]["value"] == 0


def test_the_report_is_one_file(evaluated: Path) -> None:
    page = (evaluated / "validation-quick.html").read_text(encoding="utf-8")
    assert page.count("<h2") == 7
    assert "as often right as it claims?" in page
    assert "quick check" in page
    assert "http://" not in page
    assert "https://" not in page


def test_it_goes_on_with_what_is_known(
    evaluated: Path,
    small_data: SmallData,
    small_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scores = sorted((evaluated / "scores").iterdir())
    ages = [path.stat().st_mtime_ns for path in scores]
    arguments = options(small_data, small_store, evaluated)
    run(monkeypatch, *arguments, "--quick", "--sections", "figures", "robustness")
    assert sorted((evaluated / "scores").iterdir()) == scores
    assert [path.stat().st_mtime_ns for path in scores] == ages
    kept = json.loads((evaluated / "validation-quick.json").read_text(encoding="utf-8"))
    assert "adversarial" in kept
    printed = capsys.readouterr()
    assert "EfficientNet" in printed.out
    assert "figures" in printed.err


def test_other_weights_start_anew(
    evaluated: Path,
    small_data: SmallData,
    small_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(evaluated, tmp_path / "out")
    arguments = options(small_data, small_store, tmp_path / "out")
    run(monkeypatch, "cnn", *arguments, "--quick", "--sections", "figures")
    found = json.loads((tmp_path / "out" / "validation-quick.json").read_text(encoding="utf-8"))
    assert list(found["figures"]["subjects"]) == ["cnn"]
    assert "robustness" not in found


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--split", "test"], "no images of the split"),
        (["--store", "nowhere"], "serving.json"),
        (["--data", "nowhere"], "no images under nowhere"),
        (["cnn/7.0"], "no version 7.0"),
        (["--quick", "--record"], "not worth recording"),
    ],
)
def test_mistakes_are_explained(
    small_data: SmallData,
    small_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, *options(small_data, small_store, tmp_path), *extra)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_recording_adds_to_the_version_and_its_card(
    results: dict[str, Any], small_store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cnn" / "1.0"
    shutil.copytree(small_store / "cnn" / "1.0", folder)
    record(results, folder)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["calibration"]["images"] == 28  # what was there stays
    assert list(metrics["validation"]) == ["all", "a", "b"]
    assert (
        metrics["validation"]["a"]["auc"]
        == (results["figures"]["subjects"]["cnn"]["sources"]["a"]["auc"])
    )
    assert metrics["combined"]["versions"] == {"cnn": "1.0", "efficientnet": "1.0"}
    assert "examples" not in metrics["explanations"]
    assert "training.evaluate" in metrics["evaluation"]["commands"]["figures"]
    assert metrics["evaluation"]["markdown"] in (folder / "README.md").read_text(encoding="utf-8")


def test_figures_of_other_weights_are_not_recorded(
    results: dict[str, Any], small_store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cnn" / "1.0"
    shutil.copytree(small_store / "cnn" / "1.0", folder)
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**model, "weights_sha256": "0" * 64}))
    with pytest.raises(ValueError, match="not of the weights"):
        record(results, folder)


def test_tables_hold_every_source_and_are_even(results: dict[str, Any]) -> None:
    markdown = as_markdown(results, ["cnn", "workflow"])
    assert "EfficientNet" not in markdown
    assert f"forgeries: {results['explanations']['split']} split" in markdown
    blocks = [block for block in markdown.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 7  # figures, robustness and maps twice, attacks of the model
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1
    text = as_text(results)
    for name in ("Workflow", "CNN", "EfficientNet", "JPEG quality 50", "PGD, 4/255", "Grad-CAM"):
        assert name in text


@pytest.mark.dataset
def test_the_serving_versions_on_the_data_set(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--data", data_root, "--out", tmp_path, "--split", "validation", "--quick"]
    run(monkeypatch, *arguments, "--regions", tmp_path / "regions.jsonl", "--workers", 1)
    found = json.loads((tmp_path / "validation-quick.json").read_text(encoding="utf-8"))
    both = found["figures"]["subjects"]["workflow"]["sources"]
    assert both["dfdc"]["auc"]["value"] > 0.6
    assert set(both) >= {"dfdc", "stylegan1", "lfw", "utkface"}


def test_figure_names_have_headings() -> None:
    assert figures_of.__doc__
    assert all(f"``{name}``" in figures_of.__doc__ for name in COLUMNS)
