"""Plates: exports of plate readers as tidy tables, and what a layout says of their wells.

Exports are known by their content and not by their name: BMG MARS (`bmg`), BioTek Gen5 (`gen5`), SoftMax Pro
(`softmax`), Tecan i-control and SparkControl (`tecan`), PerkinElmer EnVision (`envision`), and a plain grid or long
table (`plain`); workbooks are turned into text first (`workbook`). What the readers share, and the vocabulary, is in
`export`; the way from a file to its table in `files`; layouts in `layout`; the plates of a study in `wells`,
their quality in `quality`. What is
made of the values (magnesium, activity) lives elsewhere.
"""

from mgk.plates.export import FLAGS
from mgk.plates.files import check_plate_file, plate_format, read_plate_file
from mgk.plates.layout import ROLES, join_layout, read_layout
from mgk.plates.quality import plate_quality
from mgk.plates.wells import parse_reads, tidy_wells

__all__ = [
    "FLAGS",
    "ROLES",
    "check_plate_file",
    "join_layout",
    "parse_reads",
    "plate_format",
    "plate_quality",
    "read_layout",
    "read_plate_file",
    "tidy_wells",
]
