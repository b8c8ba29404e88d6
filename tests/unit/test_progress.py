"""What a person sees of a run, and what is said at its end."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import small_study

from mgk import run
from mgk.attention import warnings_of
from mgk.progress import Progress, time_left
from mgk.study import Study

SAID = """total                       10
Job 5: solutions: free ions of every recipe
Job 4: plates: read microsomes
Finished jobid: 4 (Rule: read_plates)
1 of 10 steps (10%) done
Job 3: ATPase activity: microsomes
FAILED atpase_activity microsomes: cell 3: ValueError: x; open results/logs/atpase_activity/microsomes.ipynb
Error in rule atpase_activity:
    jobid: 3
2 of 10 steps (20%) done
"""


def test_what_runs_and_how_far_it_is():
    progress = Progress()
    assert progress.shown(0.0, 80) == "  reading the study"
    lines = SAID.splitlines()
    for line in lines[:6]:
        progress.take(line)
    assert progress.shown(9.0, 80) == "  1 of 10  solutions: free ions of every recipe | ATPase activity: microsomes"
    for line in lines[6:]:
        progress.take(line)
    assert progress.shown(9.0, 80) == "  2 of 10  solutions: free ions of every recipe"
    assert not progress.take("Building DAG of jobs...")


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "words"),
    [
        (3, 10, 60, ""),
        (4, 10, 20, "about 30 s"),
        (5, 10, 0.1, "about 5 s"),
        (5, 10, 56, "about 1 min"),
        (10, 40, 200, "about 10 min"),
        (10, 10, 200, ""),
        (0, 0, 5, ""),
    ],
)
def test_how_long_still(done, total, elapsed_s, words):
    assert time_left(done, total, elapsed_s) == words


@given(st.integers(0, 999), st.integers(0, 999), st.floats(0, 1e5), st.integers(20, 200))
def test_a_line_is_never_wider_than_the_terminal(done, total, elapsed_s, width):
    line = Progress(done, total, {"1": "x" * 90, "2": "y" * 90}).shown(elapsed_s, width)
    assert len(line) < width
    assert "\n" not in line


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_one_line_that_is_cleared_at_the_end(monkeypatch, tmp_path):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    lines, failures = run._follow(io.StringIO(SAID), tmp_path)
    assert len(lines) == len(SAID.splitlines())
    assert len(failures) == 1
    text = screen.getvalue()
    assert text.startswith("  reading the study\r")
    assert "1 of 10" in text
    assert text.endswith("\r\033[K")
    assert text.count("\n") == 1, "only what failed stays"


def test_elsewhere_only_what_failed_is_said(monkeypatch, tmp_path):
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    run._follow(io.StringIO(SAID), tmp_path)
    assert said.getvalue().startswith("FAILED atpase_activity microsomes: cell 3")
    assert said.getvalue().count("\n") == 1


def test_all_that_is_worth_a_look_comes_in_one_list(tmp_path, capsys):
    root = small_study(tmp_path / "study", "plates")
    assert warnings_of(Study.open(root)) == []
    results = root / "results"
    (results / "plates").mkdir(parents=True)
    (results / "report").mkdir()
    (results / "plates/quality.csv").write_text("plate_id,verdict\na,pass\nb,warn\nc,exclude\nd,exclude\n")
    (results / "report/key_numbers.csv").write_text("quantity,verdict\na,identified\nb,weak\nc,not_identified\n")
    table = root / "raw_data/plates.csv"
    table.write_text(table.read_text().replace(",platelets,", ",others,"))
    config = root / "config.yaml"
    config.write_text(config.read_text().replace("    platelets:", "    missing:"))
    warnings = warnings_of(Study.open(root))
    assert warnings == [
        "2 of 4 plates excluded, 1 of 4 plates passed with a warning: results/plates/quality.csv",
        "of 3 key numbers 1 not identified, 1 weak: results/report/key_numbers.csv",
        "1 rows of raw_data/plates.csv are not analysed: config.yaml does not name the experiment others",
    ]
    run._say_warnings(warnings)
    assert capsys.readouterr().out.splitlines()[:2] == ["to look at:", f"  - {warnings[0]}"]
    run._say_warnings([])
    assert capsys.readouterr().out == ""


ON_A_CLUSTER = """Error in rule clinical_summary:
    message: SLURM-job '2' failed, SLURM status is: 'OUT_OF_MEMORY'. For further error details see the cluster log.
    jobid: 6
    log: results/logs/clinical_summary/iv.log, /there/slurm_logs/2.log (check log file(s) for error details)
"""


def test_a_job_that_failed_on_a_cluster_says_its_last_words(tmp_path, capsys):
    log = tmp_path / "results/logs/clinical_summary/iv.log"
    log.parent.mkdir(parents=True)
    log.write_text("as usual\nFAILED clinical_summary iv: cell 3: ValueError: x\n", encoding="utf-8")
    _, failures = run._follow(io.StringIO(ON_A_CLUSTER), tmp_path)
    assert failures == ["FAILED clinical_summary iv: cell 3: ValueError: x"]
    assert "cell 3" in capsys.readouterr().err


@pytest.mark.parametrize("there_is_a_log", [True, False])
def test_a_job_that_a_cluster_ended_without_last_words_is_named_with_its_state(tmp_path, there_is_a_log):
    if there_is_a_log:
        log = tmp_path / "results/logs/clinical_summary/iv.log"
        log.parent.mkdir(parents=True)
        log.write_text("as usual\n", encoding="utf-8")
    _, (failure,) = run._follow(io.StringIO(ON_A_CLUSTER), tmp_path)
    assert failure.startswith("FAILED clinical_summary iv: the cluster ended it (OUT_OF_MEMORY)")


ON_THIS_MACHINE = """Error in rule clinical_summary:
    message: None
    jobid: 6
    log: results/logs/clinical_summary/iv.log (check log file(s) for error details)
"""


def test_an_error_on_this_machine_is_told_once_by_its_own_line(tmp_path):
    own = "FAILED clinical_summary iv: cell 3: ValueError: x"
    _, failures = run._follow(io.StringIO(f"{own}\n{ON_THIS_MACHINE}"), tmp_path)
    assert failures == [own]


def test_a_job_that_was_killed_on_this_machine_is_named_though_another_of_its_rule_has_failed(tmp_path):
    own = "FAILED clinical_summary other: cell 3: ValueError: x"
    _, failures = run._follow(io.StringIO(f"{own}\n{ON_THIS_MACHINE}"), tmp_path)
    assert failures[0] == own
    assert failures[1].startswith("FAILED clinical_summary iv: its process was killed, by hand or for want of memory,")
