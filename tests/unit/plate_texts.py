"""Exports as the readers' software writes them, made for the tests: what is in them is in the tests, too."""

ROWS = "ABCDEFGH"


def grid(columns=12, rows=8, start=0.1, step=0.01):
    """Return different numbers for all wells, three decimals, as text."""
    wells = [f"{r}{c}" for r in ROWS[:rows] for c in range(1, columns + 1)]
    return {w: f"{start + step * i:.3f}" for i, w in enumerate(wells)}


def bmg_text(blocks, mode="Absorbance", delimiter=",", columns=12, rows=8):
    """MARS, plate view: `blocks` are (title, wells)."""
    d = delimiter
    lines = [f"User: USER{d}Path: C:\\BMG{d}Test run no.: 1", f"Test name: test{d}Date: 23/11/2026{d}Time: 10:00:00"]
    lines += ["", f"ID1: plate one{d}", mode, ""]
    for title, wells in blocks:
        lines += [title, "", d + d.join(str(c) for c in range(1, columns + 1)) + d]
        lines += [d.join([r, *(wells.get(f"{r}{c}", "") for c in range(1, columns + 1))]) for r in ROWS[:rows]]
        lines += [""]
    return "\r\n".join([*lines, ""])


def bmg_table_text(titles, rows, times=None, mode="Absorbance"):
    """MARS, table view: `rows` are a well and its values."""
    lines = [
        "User: USER,Path: C:\\BMG,Test run no.: 1",
        "Test name: test,Date: 23/11/2026,Time: 10:00:00",
        "",
        mode,
        "",
    ]
    lines.append(",".join(["Well Row", "Well Col", "Content", *titles]))
    if times:
        lines.append(",".join(["", "", "Time", *times]))
    lines += [",".join([well[0], well[1:], "Sample X1", *values]) for well, values in rows.items()]
    return "\n".join([*lines, ""])


def gen5_head(procedure, plate="Plate 1"):
    lines = ["", "", "Software Version\t3.12.08", "", "", "", "Experiment File Path:\tC:\\test.xpt", ""]
    lines += [f"Plate Number\t{plate}", "Date\t11/23/2026", "Time\t10:00:00 AM", "Reader Type:\tSynergy H1"]
    lines += ["Reader Serial Number:\tUnknown", "Reading Type\tSimulation", "", "Procedure Details", ""]
    return [*lines, "Plate Type\t96 WELL PLATE", "Eject plate on completion\t", *procedure, ""]


def absorbance(wavelengths, step=""):
    names = [f"Read\t{step}", "\tAbsorbance Endpoint"] if step else ["Read\tAbsorbance Endpoint"]
    tail = ["\tFull Plate", f"\tWavelengths:  {', '.join(map(str, wavelengths))}", "\tRead Speed: Normal"]
    return [*names, *tail]


def fluorescence(pairs, step="fluor"):
    lines = [f"Read\t{step}", "\tFluorescence Endpoint", "\tFull Plate"]
    for i, (excitation, emission) in enumerate(pairs, start=1):
        lines += [f"\tFilter Set {i}", f"\t    Excitation: {excitation},  Emission: {emission}"]
        lines += ["\t    Optics: Top,  Gain: 100"]
    return [*lines, "\tRead Height: 7 mm"]


def gen5_matrix(rows, title="Results", columns=12):
    """`rows` are (letter, [(label, values)])."""
    lines = [title, "\t" + "\t".join(str(c) for c in range(1, columns + 1))]
    for letter, reads in rows:
        for i, (label, values) in enumerate(reads):
            lines.append("\t".join([letter if i == 0 else "", *values, label]))
    return [*lines, ""]


def gen5_rows(reads, columns=12, rows=8, swap=()):
    """Rows of a matrix of the given (label, wells); plate rows named in `swap` have their reads in reverse."""
    found = []
    for r in ROWS[:rows]:
        lines = [(label, [wells.get(f"{r}{c}", "") for c in range(1, columns + 1)]) for label, wells in reads]
        found.append((r, lines[::-1] if r in swap else lines))
    return found


def gen5_kinetic(label, times, wells):
    """`wells` are a well and its values over time."""
    lines = [label, "", "\t".join(["Time", f"T\N{DEGREE SIGN} {label}", *wells])]
    for i, time in enumerate(times):
        lines.append("\t".join([time, "37.0", *(values[i] for values in wells.values())]))
    return [*lines, "0:00:00", ""]


def gen5_kinetic_along(label, times, wells):
    """A line of times, then a line a well; the last two times were not reached."""
    lines = [label, "", "\t".join(["Time", *times, "0:00:00", "0:00:00", ""])]
    lines += ["\t".join([f"T\N{DEGREE SIGN} {label}", *("37.0" for _ in times), "0.0", "0.0", ""])]
    return [*lines, *("\t".join([well, *values, "", "", ""]) for well, values in wells.items()), ""]


def gen5_kinetic_matrices(label, times, wells, columns=12, rows=8):
    """A matrix for each time; the last was not reached."""
    lines = []
    for i, time in enumerate([*times, "0:00:00"]):
        here = {well: values[i] if i < len(times) else "" for well, values in wells.items()}
        title = [f"{label} - Time  {i + 1} ({time})", f"Time {i + 1} ({time})"]
        matrix = gen5_matrix(gen5_rows([(f"{label} Read#{i + 1}", here)], columns, rows), title[1], columns)
        lines += [title[0], *matrix]
    return lines


def gen5_list_down(reads, computed=()):
    """A line a well, with what the layout says of it and the reads side by side."""
    lines = ["Results", "", "\t".join(["Well ID", "Well", "Conc/Dil", *(n for n, _ in reads), *computed])]
    for well in reads[0][1]:
        lines.append("\t".join(["STD1", well, "2", *(wells[well] for _, wells in reads), *("9" for _ in computed)]))
    return [*lines, ""]


def gen5_list_along(reads, computed=()):
    """A column a well, a line a read."""
    wells = list(reads[0][1])
    lines = ["Results", "", "\t".join(["Well ID", "STD1", *("" for _ in wells[1:])]), "\t".join(["Well", *wells])]
    lines += ["\t".join([name, *values.values()]) for name, values in reads]
    return [*lines, *("\t".join([name, *("9" for _ in wells)]) for name in computed), ""]


def gen5_text(*parts):
    return "\r\n".join(line for part in parts for line in [*part]) + "\r\n"


def softmax_header(mode, form, kind, wavelengths, excitations=(), times=1, name="Plate1"):
    """The first line of a plate block of 96 wells."""
    many = "".join(f"{w} " for w in wavelengths)
    kinetic = [str(times), "600", "90"] if kind == "Kinetic" else [str(times), "", ""]
    if mode == "Fluorescence":
        exciting = "".join(f"{w} " for w in excitations)
        fields = [mode, "FALSE", "Raw", "FALSE", *kinetic, "", "", "", str(len(wavelengths)), many, "1", "12", "96"]
        fields += [exciting, "Automatic", "", "", "", "6", "Medium", "", "", "1", "8"]
    else:
        fields = [mode, "Raw", "FALSE", *kinetic, "", "", "", str(len(wavelengths)), many, "1", "12", "96", "1", "8"]
    return "\t".join(["Plate:", name, "1.3", form, kind, *fields])


def softmax_plate(header, reads, times=("",)):
    """PlateFormat: `reads` are functions of time's index and well."""
    numbers = "\t".join(str(c) for c in range(1, 13))
    lines = [header, "\tTemperature(\N{DEGREE SIGN}C)" + "".join(f"\t{numbers}\t" for _ in reads)]
    for t, time in enumerate(times):
        for i, r in enumerate(ROWS):
            blocks = ["\t".join(read(t, f"{r}{c}") for c in range(1, 13)) for read in reads]
            lines.append("\t".join([time if i == 0 else "", "37" if i == 0 else "", "\t\t".join(blocks)]))
        lines.append("")
    return [*lines, "\t\t" + numbers, *(["\t\t" + "\t".join(["1"] * 12)] * 8), "~End"]


def softmax_times(header, reads, times=("",)):
    """TimeFormat: as `softmax_plate`."""
    wells = [f"{r}{c}" for r in ROWS for c in range(1, 13)]
    lines = [header, "\t".join(["", "Temperature(\N{DEGREE SIGN}C)", *wells])]
    for read in reads:
        lines += ["\t".join([time, "37", *(read(t, w) for w in wells)]) for t, time in enumerate(times)]
        lines.append("")
    return [*lines, "\t".join(["", "", *wells]), "\t".join(["", "", *("1" for _ in wells)]), "~End"]


def softmax_text(*blocks):
    lines = [f"##BLOCKS= {len(blocks)}", *(line for block in blocks for line in block)]
    return "\r\n".join([*lines, "Original Filename: test; Date Last Saved: 11/23/2026 10:00:00 AM", ""])
