"""The hash of code follows edits through imports, and neither touches nor places."""

import shutil

import pytest

from mgk import digest as module


@pytest.fixture
def package(tmp_path, monkeypatch, house):
    """A copy of a small package of the same name, and a script that uses it."""
    root = tmp_path / "mgk"
    (root / "inner").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "low.py").write_text("VALUE = 1\n")
    (root / "other.py").write_text("OTHER = 1\n")
    (root / "inner" / "__init__.py").write_text("")
    (root / "inner" / "high.py").write_text("from mgk.low import VALUE\n")
    (root / "inner" / "constants.yaml").write_text("k: 1\n")
    (tmp_path / "script.py").write_text("from mgk.inner import high\n")
    monkeypatch.setattr(module, "PACKAGE", root)
    return tmp_path


def fresh(folder):
    for cached in (module.imported_modules, module.data_files, module._hash_files, module.content):
        cached.cache_clear()
    return module.digest(folder / "script.py")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("mgk/low.py", "VALUE = 2\n"),
        ("mgk/inner/constants.yaml", "k: 2\n"),
        ("script.py", "x = 1\nfrom mgk.inner import high\n"),
    ],
)
def test_an_edit_anywhere_below_changes_the_hash(package, file, text):
    before = fresh(package)
    (package / file).write_text(text)
    assert fresh(package) != before


def test_touching_or_editing_elsewhere_does_not(package):
    before = fresh(package)
    (package / "mgk" / "low.py").touch()
    (package / "mgk" / "other.py").write_text("OTHER = 2\n")
    assert fresh(package) == before


def test_another_clone_has_the_same_hash(house, tmp_path):
    source = house / "workflow" / "mgk" / "batches.py"
    clone = tmp_path / "batches.py"
    shutil.copy(source, clone)
    assert module.digest(source) == module.digest(source)
    assert module.content(source) == module.content(clone)


def test_outputs_of_a_notebook_do_not_count(tmp_path):
    import nbformat

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")])
    nbformat.write(book, tmp_path / "a.ipynb")
    book.cells[0].outputs = [nbformat.v4.new_output("stream", text="1")]
    book.cells[0].execution_count = 3
    (tmp_path / "b").mkdir()
    nbformat.write(book, tmp_path / "b" / "a.ipynb")
    assert module.digest(tmp_path / "a.ipynb") == module.digest(tmp_path / "b" / "a.ipynb")
    book.cells[0].source = "x = 2"
    nbformat.write(book, tmp_path / "b" / "c.ipynb")
    assert module.content(tmp_path / "b" / "c.ipynb") != module.content(tmp_path / "a.ipynb")
