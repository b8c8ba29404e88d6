"""The runner: what it refuses, what it keeps when a notebook fails, and that equal runs give equal bytes."""

import subprocess
import sys

import nbformat
import pytest

from mgk import notebooks
from mgk.notebooks import NotebookError, default_parameters, for_git, normalise, run_notebook
from mgk.tables.problems import InputError

GIVEN = {"study": "..", "output": "../results/x"}


def write(path, *sources, parameters='study = ".."\noutput = "../results/by_hand/x"'):
    cells = [nbformat.v4.new_markdown_cell("# A notebook"), nbformat.v4.new_code_cell(parameters)]
    cells[1].metadata["tags"] = ["parameters"]
    cells += [nbformat.v4.new_code_cell(s) for s in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture
def place(tmp_path):
    (tmp_path / "results").mkdir()
    return tmp_path


def run(place, notebook, outputs=(), parameters=GIVEN):
    return run_notebook(
        notebook,
        place / "results" / "notebooks" / "a.ipynb",
        parameters,
        folder=place / "results",
        log=place / "results" / "logs" / "rule" / "e.log",
        outputs=outputs,
    )


def test_a_run_gives_the_same_bytes_twice_and_leaves_nothing_beside_the_log(place):
    source = 'from pathlib import Path\nPath(output).write_text("1")\nprint("a")\nprint("b")\nstudy'
    notebook = write(place / "n.ipynb", source)
    parameters = GIVEN | {"output": "../results/out.txt"}
    first = run(place, notebook, [place / "results/out.txt"], parameters).read_bytes()
    again = run(place, notebook, [place / "results/out.txt"], parameters).read_bytes()
    assert first == again
    assert b"papermill" not in first
    assert [p.name for p in (place / "results/logs/rule").iterdir()] == ["e.log"]
    cells = nbformat.read(place / "results/notebooks/a.ipynb", as_version=4).cells
    assert cells[-1].outputs[0].text == "a\nb\n"
    assert cells[-1].outputs[1].data["text/plain"] == "'..'"


def test_a_failed_notebook_stays_with_the_cell_that_failed(place):
    notebook = write(place / "n.ipynb", "x = 1", "1 / 0", "y = 2")
    with pytest.raises(NotebookError, match="cell 4: ZeroDivisionError: division by zero; open results/logs/rule"):
        run(place, notebook)
    kept = nbformat.read(place / "results/logs/rule/e.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in kept.cells if c.cell_type == "code" for o in c.outputs)
    assert not (place / "results/notebooks/a.ipynb").exists()


def test_an_old_result_does_not_pass_for_a_new_one(place):
    out = place / "results" / "out.txt"
    out.write_text("old")
    with pytest.raises(NotebookError, match="without writing out"):
        run(place, write(place / "n.ipynb", "x = 1"), [out])
    assert not (place / "results/notebooks/a.ipynb").exists()


def test_an_empty_output_is_no_output(place):
    notebook = write(place / "n.ipynb", 'open("out.txt", "w").close()')
    with pytest.raises(NotebookError, match="without writing out"):
        run(place, notebook, [place / "results" / "out.txt"])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (GIVEN | {"experimnt": "e"}, "unknown parameter 'experimnt'"),
        ({"study": ".."}, "missing parameter 'output'"),
    ],
)
def test_unknown_and_missing_parameters_are_refused_before_anything_runs(place, parameters, words):
    with pytest.raises(NotebookError, match=words):
        run(place, write(place / "n.ipynb", "1 / 0"), parameters=parameters)
    assert not (place / "results/logs/rule/e.ipynb").exists()


@pytest.mark.parametrize("line", ["study = 1 + 1", "import os", "a = b = 1", "study = open('x')"])
def test_a_parameters_cell_holds_literals_only(place, line):
    with pytest.raises(NotebookError, match="only `name = literal`"):
        default_parameters(write(place / "n.ipynb", parameters=line))


def test_a_kernel_that_dies_is_not_tried_again(place):
    notebook = write(place / "n.ipynb", 'open("tried", "a").write("x")', "import os\nos.kill(os.getpid(), 9)")
    with pytest.raises(NotebookError, match="cell 4: the kernel died"):
        run(place, notebook)
    assert (place / "results" / "tried").read_text() == "x"


def test_a_kernel_that_does_not_start_is_tried_again(place, monkeypatch):
    import papermill

    real, calls = papermill.execute_notebook, []

    def flaky(*arguments, **named):
        calls.append(1)
        if len(calls) < notebooks.KERNEL_TRIES:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return real(*arguments, **named)

    monkeypatch.setattr(papermill, "execute_notebook", flaky)
    run(place, write(place / "n.ipynb", "x = 1"))
    assert len(calls) == notebooks.KERNEL_TRIES


def test_the_kernel_computes_under_the_environment_table(place):
    source = 'import os\nprint(os.environ["PYTHONHASHSEED"], os.environ["OPENBLAS_CORETYPE"], os.environ["TZ"])'
    run(place, write(place / "n.ipynb", source))
    cells = nbformat.read(place / "results/notebooks/a.ipynb", as_version=4).cells
    assert cells[-1].outputs[0].text == "0 Haswell UTC\n"


def test_parallel_kernels_do_not_meet(place):
    source = "import time\ntime.sleep(0.5)\nprint(study)"
    notebook = write(place / "n.ipynb", source)

    script = (
        "import sys; from pathlib import Path; from mgk.notebooks import run_notebook;"
        "r, i = Path('results'), sys.argv[1];"
        "run_notebook(Path('n.ipynb'), r / f'{i}.ipynb', {'study': i, 'output': ''}, folder=r, log=r / f'{i}.log')"
    )
    assert notebook.exists()
    processes = [subprocess.Popen([sys.executable, "-c", script, str(i)], cwd=place) for i in range(4)]
    assert [p.wait() for p in processes] == [0] * 4
    for i in range(4):
        cells = nbformat.read(place / "results" / f"{i}.ipynb", as_version=4).cells
        assert cells[-1].outputs[0].text == f"{i}\n"
    assert sorted(p.suffix for p in (place / "results").iterdir()) == [".ipynb"] * 4 + [".log"] * 4


def test_the_memory_ceiling_ends_a_greedy_notebook(place):
    notebook = write(place / "n.ipynb", "x = bytearray(10**10)")
    script = (
        "from pathlib import Path; from mgk import notebooks as n; n.limit_memory(800); p = Path('.').resolve();"
        f"n.run_notebook(p / 'n.ipynb', p / 'a.ipynb', {GIVEN!r}, folder=p / 'results', log=p / 'results/logs/r/e.log')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=place, capture_output=True, text=True, check=False)
    assert notebook.exists()
    assert "cell 3: MemoryError" in done.stderr


def test_a_picture_is_stored_with_its_words(place):
    source = (
        'from mgk.figures import style\nfig, ax = style.figure()\nstyle.save(fig, "../results/p.svg", "A line.")\nfig'
    )
    first = run(place, write(place / "n.ipynb", source)).read_bytes()
    cells = nbformat.read(place / "results/notebooks/a.ipynb", as_version=4).cells
    output = cells[-1].outputs[-1]
    assert output.data["text/plain"] == "A line."
    assert output.metadata["image/png"]["alt"] == "A line."
    svg = (place / "results/p.svg").read_bytes()
    second = run(place, write(place / "n.ipynb", "import seaborn\n" + source)).read_bytes()
    assert (
        nbformat.reads(second, as_version=4).cells[-1].outputs == nbformat.reads(first, as_version=4).cells[-1].outputs
    )
    assert (place / "results/p.svg").read_bytes() == svg


def test_for_git_drops_the_injected_cell_and_counts_anew():
    injected = nbformat.v4.new_code_cell("study = '..'", execution_count=2, metadata={"tags": ["injected-parameters"]})
    result = nbformat.v4.new_output("execute_result", {"text/plain": "1"}, execution_count=3)
    cells = [nbformat.v4.new_code_cell("a = 1", execution_count=1), injected]
    cells.append(nbformat.v4.new_code_cell("a", execution_count=3, outputs=[result]))
    document = for_git(normalise(nbformat.v4.new_notebook(cells=cells)))
    assert [c.execution_count for c in document.cells] == [1, 2]
    assert document.cells[1].outputs[0].execution_count == 2


def test_for_git_keeps_the_checksum_of_a_picture_in_html_and_not_the_picture():
    def kept(picture):
        html = f'<img src="data:image/svg+xml;base64,{picture}" alt="A line: data: 1">'
        result = nbformat.v4.new_output("display_data", {"text/html": html})
        document = for_git(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[result])]))
        return document.cells[0].outputs[0].data["text/html"]

    assert kept("AAAA") == kept("AAAA") != kept("AAAB")
    assert "AAAA" not in kept("AAAA")
    assert kept("AAAA").endswith('" alt="A line: data: 1">')


def test_a_notebook_is_found_by_number_and_a_wrong_one_named():
    assert notebooks.find_notebook("30") == "magnesium_block"
    assert notebooks.find_notebook("magnesium_block") == "magnesium_block"
    with pytest.raises(InputError, match="30_magnesium_block"):
        notebooks.find_notebook("99")


def test_by_hand_needs_a_study_and_an_experiment_that_asks_for_it(tmp_path, house):
    with pytest.raises(InputError, match="this file is missing"):
        notebooks.run_by_hand("30", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    for wrong in ("nope", "../../x"):
        with pytest.raises(InputError, match="magnesium_block of: romk_block"):
            notebooks.run_by_hand("30", house, wrong)
