"""Exports of i-control and SparkControl as rows of cells, made for the tests, and as workbook or text."""

import io
import re
import zipfile

from openpyxl import Workbook

CLOCK = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

I_CONTROL = [
    ["Application: Tecan i-control", None, None, None, "Tecan i-control , 2.0.10.0"],
    ["Device: infinite 200Pro", None, None, None, "Serial number: 1"],
    [],
    ["Date:", "26.11.2026"],
    ["Time:", "10:00:00"],
    [],
    ["Plate", None, None, None, "Greiner 96 Flat Bottom  [GRE96ft.pdfx]"],
    ["Plate-ID (Stacker)"],
    [],
]
SPARK = [
    ["Method name: Method 1"],
    ["Application: SparkControl", None, None, None, "V3.1 SP1"],
    ["Device: Spark", None, None, None, "Serial number: 1"],
    [],
    ["Date:", None, None, None, "2026-11-26"],
    ["Plate", None, None, None, "[GRE96ft] - Greiner 96 Flat Transparent"],
    ["List of actions in this measurement script:"],
    ["Plate"],
    [None, "Absorbance", None, None, None, None, "Label 1"],
    [],
]
START = [["Start Time:", "26.11.2026 10:00:00"], []]
END = [[], ["End Time:", "26.11.2026 10:05:00"], []]


def label(name, mode="Absorbance", wavelength=600, pair=None, extra=()):
    """The settings of an i-control label."""
    rows = [[f"Label: {name}"], *extra, ["Mode", None, None, None, mode]]
    if pair:
        rows += [["Excitation Wavelength", None, None, None, pair[0], "nm"]]
        rows += [["Emission Wavelength", None, None, None, pair[1], "nm"]]
    elif wavelength:
        rows += [["Measurement Wavelength", None, None, None, wavelength, "nm"]]
    return [*rows, ["Number of Flashes", None, None, None, 25], *START]


def spark_label(name, mode="Absorbance", wavelength=600, **extra):
    rows = [["Mode", None, None, None, mode], ["Name", None, None, None, name]]
    rows += [["Measurement wavelength [nm]", None, None, None, wavelength]] if wavelength else []
    return [*rows, *([key.replace("_", " "), None, None, None, value] for key, value in extra.items()), *START]


def matrix(value, rows="ABCDEFGH", columns=range(1, 13), title=()):
    """`value` is a function of the well."""
    cells = [[r, *(value(f"{r}{c}") for c in columns)] for r in rows]
    return [*([t] for t in title), [None, "Temperature: 22.5 °C"][: 0 if title else 2], ["<>", *columns], *cells, []]


def cycles_along(value, wells, times, unit="s"):
    rows = [
        ["Cycle Nr.", *range(1, len(times) + 1)],
        [f"Time [{unit}]", *times],
        ["Temp. [°C]", *(37.0 for _ in times)],
    ]
    return [*rows, *([w, *(value(w, i) for i in range(len(times)))] for w in wells), []]


def cycles_down(value, wells, times):
    rows = [["Cycle Nr.", "Time [s]", "Temp. [°C]", *wells]]
    return [*rows, *([i + 1, t, 37.0, *(value(w, i) for w in wells)] for i, t in enumerate(times)), []]


def workbook(*sheets, **named):
    """The bytes of a workbook, the same whenever they are made; sheets without a name are Sheet1, Sheet2 ..."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in {**{f"Sheet{i}": rows for i, rows in enumerate(sheets, start=1)}, **named}.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    stream = io.BytesIO()
    book.save(stream)
    return _without_clock(stream)


def _without_clock(stream):
    """The same archive with all times set to one: damage by position would hit another part each day."""
    still = io.BytesIO()
    with zipfile.ZipFile(stream) as archive, zipfile.ZipFile(still, "w") as other:
        for name in archive.namelist():
            content = CLOCK.sub(b"2026-01-31T00:00:00Z", archive.read(name))
            other.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return still.getvalue()


def text(rows, delimiter="\t"):
    """The same rows as i-control and SparkControl write them into a text file."""

    def cell(value):
        field = "" if value is None else str(value)
        return f'"{field}"' if delimiter in field else field

    return "".join(delimiter.join(cell(v) for v in row) + "\r\n" for row in rows)
