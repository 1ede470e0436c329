import json
from pathlib import Path

import pytest

from detection.overlay import COLOURS
from ui.cards import card_sections
from ui.colours import legend_svg
from ui.facts import combined_facts, limits_facts, model_facts
from ui.metrics import error_rates, figure_table


def test_serving_versions_come_first_then_the_newest(store: Path) -> None:
    models = [(model.name, model.version, model.serving) for model in model_facts(store)]
    assert models == [
        ("cnn", "1.2", True),
        ("efficientnet", "1.0", True),
        ("cnn", "1.0", False),
    ]


def test_every_accepted_format_has_a_media_type() -> None:
    facts = limits_facts()
    assert len(facts["mime_types"]) == len(facts["formats"]) > 0
    assert all(kind.startswith("image/") for kind in facts["mime_types"])


def test_a_file_that_is_no_object_is_an_error(store: Path) -> None:
    (store / "serving.json").write_text("[]")
    with pytest.raises(TypeError, match="serving"):
        model_facts(store)


def test_figures_of_the_evaluation_come_before_those_of_the_calibration() -> None:
    figure = {"value": 0.9, "low": 0.85, "high": 0.95}
    dfdc = {"fakes": 3, "auc": figure, "real_called_fake": {"value": 0.041, "low": 0, "high": 0.1}}
    split = {"all": {"auc": figure}, "dfdc": dfdc, "sdxl": {"auc": 0.5}}
    table = figure_table({"test": split, "calibration": {"auc": {"dfdc": 0.1}}})
    assert table is not None
    assert table.columns == ["Source", "AUC", "Real called fake"]
    assert table.rows == [
        ["dfdc", "0.900 (0.850 to 0.950)", "4 % (0 to 10)"],
        ["sdxl", "0.500", "not measured"],
    ]
    assert "test split" in table.caption
    other = figure_table({"mine": split, "evaluation": {"split": "mine"}})
    assert other is not None
    assert "mine split" in other.caption


def test_figures_fall_back_to_the_calibration_and_to_none() -> None:
    table = figure_table({"calibration": {"auc": {"dfdc": 0.8}}})
    assert table is not None
    assert table.rows == [["dfdc", "0.800"]]
    assert "validation" in table.caption
    assert figure_table({}) is None
    assert figure_table({"calibration": {}}) is None


def test_error_rates_are_those_of_the_worst_source() -> None:
    sources = {
        "all": {"real_called_fake": 0.9},
        "a": {"real_called_fake": {"value": 0.02, "low": 0.0, "high": 0.1}},
        "b": {"real_called_fake": 0.07},
    }
    bounds = {"error_rates": {"false_fake": 0.5, "false_real": 0.1}}
    found = error_rates({"test": sources, "calibration": bounds})
    assert found == {"false_alarms": 0.07, "misses": 0.1}
    none = {"test": {"a": {"real_called_fake": 0.0}}, "calibration": bounds}
    assert error_rates(none)["false_alarms"] == 0
    assert error_rates({}) == {}


def test_combined_figures_hold_for_the_serving_versions_alone(store: Path) -> None:
    path = store / "cnn" / "1.2" / "metrics.json"
    versions = {"cnn": "1.2", "efficientnet": "1.0"}
    split = {"dfdc": {"auc": 0.9, "real_called_fake": 0.03}}
    path.write_text(json.dumps({"combined": {"versions": versions, "test": split}}))
    found = combined_facts(store)
    assert found is not None
    assert found.figures.rows == [["dfdc", "0.900", "3 %"]]
    assert found.error_rates == {"false_alarms": 0.03}
    (store / "serving.json").write_text(json.dumps({**versions, "cnn": "1.0"}))
    assert combined_facts(store) is None


def test_cards_are_split_and_lose_raw_html() -> None:
    data = "## Data\n\n<b onclick=x>bold</b>\n\n### Deeper\n\n"
    sections = card_sections(f"# T\n\nIntro.\n\n{data}## Empty\n\n## Limits\n\n- one")
    assert [title for title, _ in sections] == ["", "Data", "Limits"]
    html = dict(sections)["Data"]
    assert "<b" not in html
    assert "<h5>Deeper</h5>" in html


def test_tables_of_cards_lose_heads_without_words() -> None:
    bare = "| | |\n|---|---|\n| a | b |\n"
    ((_, html),) = card_sections(bare)
    assert "<thead" not in html
    assert "<td>a</td>" in html
    ((_, html),) = card_sections(bare.replace("| | |", "| x | |", 1))
    assert "<th>x</th>" in html


def test_legend_runs_through_the_overlays_colours() -> None:
    svg = legend_svg()
    first, last = COLOURS[0], COLOURS[-1]
    marks = svg.split("<stop ")[1:]
    assert "rgb({},{},{})".format(*first) in marks[0]
    assert "rgb({},{},{})".format(*last) in marks[-1]
    assert 'offset="0.0000"' in marks[0]
    assert 'offset="1.0000"' in marks[-1]


def test_promoted_versions_are_shown_as_serving(store: Path) -> None:
    shown = model_facts(store, {"cnn": "1.0", "efficientnet": "1.0"})
    assert {(model.name, model.version) for model in shown if model.serving} == {
        ("cnn", "1.0"),
        ("efficientnet", "1.0"),
    }
    path = store / "cnn" / "1.2" / "metrics.json"
    split = {"dfdc": {"auc": 0.9, "real_called_fake": 0.03}}
    versions = {"cnn": "1.2", "efficientnet": "1.0"}
    path.write_text(json.dumps({"combined": {"versions": versions, "test": split}}))
    assert combined_facts(store) is not None
    assert combined_facts(store, {"cnn": "1.0", "efficientnet": "1.0"}) is None
