import copy
import json
from pathlib import Path
from typing import Any

import pytest

from training.report import explained, main, summary, write_report


def figure(value: float, spread: float = 0.05) -> dict[str, float]:
    return {"value": value, "low": max(0.0, value - spread), "high": min(1.0, value + spread)}


@pytest.fixture
def results() -> dict[str, Any]:
    names = ("real_called_fake", "fake_called_real", "uncertain")
    both = {"fakes": 50, "reals": 40, "auc": figure(0.9)}
    both |= {name: figure(share) for name, share in zip(names, (0.04, 0.1, 0.2), strict=True)}
    only = {"fakes": 0, "reals": 30, "real_called_fake": figure(0.01), "uncertain": figure(0.3)}
    subject = {
        "all": both,
        "sources": {"films<b>": both, "photos": only},
        "kinds": {},
        "curves": {"films<b>": {"fpr": [0, 0.1, 1], "tpr": [0, 0.8, 1]}},
        "reliability": [{"said": 0.2, "so": 0.25, "share": 0.5}],
    }
    return {
        "split": "test",
        "quick": False,
        "date": "2026-11-23",
        "versions": {"cnn": {"version": "1.0", "weights_sha256": "ab" * 32}},
        "figures": {
            "images": 120,
            "kinds": {"films<b>": ["face swap"], "photos": []},
            "subjects": {"workflow": subject},
            "comparison": {},
            "mistakes": {"real": [], "fake": []},
            "command": "make evaluate",
            "sizes": {"resamples": 500},
        },
    }


def test_the_summary_speaks_of_people_out_of_a_hundred(results: dict[str, Any]) -> None:
    films, photos = summary(results)
    assert "of 100 real faces, 4 (0 to 9) are called fake" in films
    assert "of 100 fakes, 10 (5 to 15) are passed as real" in films
    assert "suspects the right one 90 times of 100" in films
    assert "face swap" in films
    assert "of 100 real faces, 1 (0 to 6) is called fake" in photos
    assert "fakes" not in photos
    assert "real faces only" in photos


def test_sections_that_are_missing_are_left_out_and_names_are_escaped(
    results: dict[str, Any], tmp_path: Path
) -> None:
    write_report(results, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'id="figures"' in page
    assert 'id="attacks"' not in page
    assert "films&lt;b&gt;" in page
    assert "<b>" not in page
    assert "quick check" not in page
    assert page.count("data:image/svg+xml;base64,") == 2


def test_a_report_without_figures_still_renders(results: dict[str, Any], tmp_path: Path) -> None:
    del results["figures"]
    results["adversarial"] = {
        "images": 10,
        "command": "make evaluate",
        "sizes": {"resamples": 500},
        "subjects": {
            "cnn": {
                "images": 10,
                **{
                    name: {"auc": figure(0.5), "balanced_accuracy": figure(0.5)}
                    for name in ("none", "fgsm-1", "pgd-1")
                },
            }
        },
    }
    write_report(results, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "In short" not in page
    assert "FGSM, 1/255" in page


def subject(gain: float, faithful: float, everything: float) -> dict[str, Any]:
    part = {
        "images": 20,
        "grad_cam": {"energy": figure(0.6)},
        "centre": {"energy": figure(0.5)},
        "gain": {"value": gain, "low": gain - 0.05, "high": gain + 0.05},
    }
    entry = {"gain": {"value": faithful, "low": faithful - 0.01, "high": faithful + 0.01}}
    return {
        "localisation": {"shown": part, "called_fake": 0.7, "region": 0.4, "auc": figure(0.6)},
        "faithfulness": {"original": {"deletion": entry, "insertion": entry}},
        "randomisation": {
            "similarity": {"other pictures": {"ssim": 0.3}, "everything": {"ssim": everything}}
        },
    }


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ((0.1, 0.05, 0.2), ["better than that blob", "matters", "no more like"]),
        ((-0.1, -0.05, 0.6), ["worse than that blob", "does not decide", "still more like"]),
        ((0.01, 0.0, 0.2), ["no better and no worse", "not clearly faster", "no more like"]),
    ],
)
def test_the_maps_are_praised_only_where_the_interval_allows(
    numbers: tuple[float, float, float], texts: list[str]
) -> None:
    sentences = explained({"explanations": {"subjects": {"cnn": subject(*numbers)}}})["cnn"]
    assert len(sentences) == len(texts)
    for sentence, text in zip(sentences, texts, strict=True):
        assert text in sentence


def test_maps_that_are_always_the_same_are_called_so() -> None:
    same = subject(0.1, 0.05, 0.2)
    same["randomisation"]["similarity"]["other pictures"]["ssim"] = 0.97
    assert "nearly the same" in explained({"explanations": {"subjects": {"cnn": same}}})["cnn"][-1]
    none = copy.deepcopy(same)
    none["localisation"]["shown"] = {"images": 0}
    assert "no user saw one" in explained({"explanations": {"subjects": {"cnn": none}}})["cnn"][0]


def test_the_command_line_renders_a_file_anew(
    results: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "test.json"
    path.write_text(json.dumps(results), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["report", str(path)])
    main()
    assert (tmp_path / "test.html").is_file()
    assert "test.html" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit):
        main()
    assert "make evaluate" in capsys.readouterr().err
