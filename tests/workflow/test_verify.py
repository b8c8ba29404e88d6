"""A study that is pinned comes out again, and one constant, one line of a model or one lost pin is found and named."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from studies import house_copy, load_config, save_config, small_study

pytestmark = pytest.mark.workflow


def verify(study, *extra, python=sys.executable):
    command = [str(python), "-m", "mgk.verification", *extra, str(study)]
    return subprocess.run(command, cwd=study.parent, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def pinned(tmp_path_factory):
    """A study of plates alone with pinned references: two experiments with one analysis each."""
    place = tmp_path_factory.mktemp("pinned") / "study"
    study = small_study(place, "plates", experiments=("platelets", "microsomes"))
    config = load_config(study)
    for name, analysis in (("platelets", "magnesium_calibration"), ("microsomes", "atpase_activity")):
        config["plates"]["experiments"][name]["analysis"] = analysis
    save_config(study, config)
    done = verify(study, "--pin")
    assert done.returncode == 0, done.stderr
    assert "pinned" in done.stdout
    assert not (study / "results").exists()
    return study


def replace_once(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file.name}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def record_of(study):
    return json.loads((study / "results/verification/verification.json").read_text(encoding="utf-8"))


def differing(study):
    """Return the upstream files of the estimates that differ, by experiment."""
    found: dict[str, set[str]] = {}
    for number in record_of(study)["numbers"]:
        if number["verdict"] == "differs" and number["statistic"] == "estimate":
            found.setdefault(number["experiment"], set()).update(number["upstream"])
    return found


def test_an_untouched_study_comes_out_again(pinned):
    done = verify(pinned)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified: Magnesium and potassium" in done.stdout
    record = record_of(pinned)
    assert {x["verdict"] for x in (*record["numbers"], *record["files"])} == {"identical"}
    assert len(record["numbers"]) > 20
    assert any(f["name"].endswith(".svg") for f in record["files"])
    assert (pinned / "results/verification/verification.html").stat().st_size > 5000


# A constant of the config, a stability constant, a line of a model.
CHANGES = [
    ("config.yaml", "rmax_magnesium_mm: 35", "rmax_magnesium_mm: 36"),
    (
        "workflow/mgk/solutions/constants/webmaxc.yaml",
        "Mg + ATP,               log_k: 4.143",
        "Mg + ATP, log_k: 4.144",
    ),
    (
        "workflow/mgk/atpase/kinetics.py",
        "vmax * x / (np.exp(ln_k05) + x)",
        "vmax * x / (1.001 * np.exp(ln_k05) + x)",
    ),
]


def test_each_change_is_named_where_a_result_rests_on_it(pinned, tmp_path):
    """The code of the dye's calibration holds the constants of solutions, and not the model of the ATPase."""
    study = shutil.copytree(pinned, tmp_path / "study")
    house, python = house_copy(tmp_path)
    for file, old, new in CHANGES:
        replace_once((study if file == "config.yaml" else house) / file, old, new)
    done = verify(study, python=python)
    assert done.returncode == 1, done.stdout + done.stderr
    config, constants, model = (file for file, _, _ in CHANGES)
    assert differing(study) == {
        "platelets": {config, constants},
        "solutions": {config, constants},
        "microsomes": {config, constants, model},
    }
    lines = [line for line in done.stdout.splitlines() if line.startswith("upstream of ")]
    assert {line.rpartition(": ")[2] for line in lines} == {
        f"{config}, {constants}",
        f"{config}, {model}, {constants}",
    }
    assert any("microsomes, control, K0.5 for free Mg2+" in line and line.endswith(constants) for line in lines)
    fits = next(f for f in record_of(study)["files"] if f["name"] == "results/atpase/microsomes/fits.csv")
    assert fits["verdict"] == "differs"
    # The first cell that differs is any of the fit's numbers: which one, depends on the order of the rows.
    assert re.fullmatch(r"row \d+, (estimate|se|ci_low|ci_high): '.+'; pinned: '.+'", fits["where"])
