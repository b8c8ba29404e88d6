"""A file appears whole or not at all."""

from contextlib import suppress

from disks import disk_without_power, needs_disk

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


@needs_disk
def test_after_a_power_cut_a_file_is_there_with_all_its_bytes(tmp_path):
    with disk_without_power(tmp_path, size_mb=20) as (disk, cut):
        for i in range(5):
            write_whole(disk / f"{i}.txt", "whole" * 1000)
        cut(lambda: None)
        found = {p.name: p.read_text() for p in disk.glob("*.txt")}
    assert len(found) >= 4  # the name of the last one may not have reached the disk
    assert set(found.values()) == {"whole" * 1000}
