"""A file appears whole or not at all."""

from contextlib import suppress

from mgk.whole_files import whole_file, write_whole


def test_what_was_written_takes_its_place_in_one_step(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as beside:
        beside.write_text("half")
        assert not path.exists()
        beside.write_text("whole")
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_failure_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path):
    path = write_whole(tmp_path / "a.txt", "before\n")
    with suppress(ZeroDivisionError), whole_file(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_kill_left_beside_it_is_written_over(tmp_path):
    (tmp_path / ".a.txt.part").write_text("left by a kill, and longer than what comes")
    path = write_whole(tmp_path / "a.txt", "whole")
    assert path.read_text() == "whole"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
