"""Tables and configuration: reading, checking against the schemas, writing the same bytes each time."""

from mgk.tables.files import read_table, write_table
from mgk.tables.problems import InputError, Problem

__all__ = ["InputError", "Problem", "read_table", "write_table"]
