"""Small studies that are in order, one a kind of input: what the damage starts from."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import tifffile
from plate_texts import (
    absorbance,
    bmg_text,
    gen5_head,
    gen5_matrix,
    gen5_rows,
    gen5_text,
    grid,
    softmax_header,
    softmax_plate,
    softmax_text,
)
from studies import save_config
from tecan_sheets import END, I_CONTROL, label, matrix, workbook
from test_plates_envision import FIRST, SECOND, TAIL
from trace_files import (
    abf1_bytes,
    atf_text,
    csv_text,
    heka_bytes,
    heka_segment,
    heka_stimulus,
    wcp_bytes,
)

from mgk.recordings.protocol import Epoch, Output
from mgk.simulate.abf import Signal, write_abf

KD = {"value": 1.9, "unit": "mM", "source": "test"}
N = 256
CODES = np.random.default_rng(8).integers(-2000, 2000, (1, N))
TWO_SWEEPS = np.concatenate([CODES, CODES[:, ::-1]])
TIME_S = (np.arange(N) * 1e-4).round(7)
VOLTAGE_MV = np.linspace(-80, 0, N).round(3)
STEP = Output("Cmd 0", "mV", -80.0, (Epoch(0, "step", -20.0, 100), Epoch(1, "step", 20.0, 60, level_step=10.0)))
WINDOWS = {"baseline": [0, 5], "steady": [20, 25]}
CURRENT_VOLTAGE = {"recordings": {"experiments": {"e": {"analysis": "current_voltage", "windows_ms": WINDOWS}}}}
WELLS = grid(start=0.123, step=0.0371)
OTHER = grid(start=2.5, step=0.0113)


def csv_of(columns: str, *rows: str) -> str:
    """Return a table as text, its rows with their fields."""
    return "".join(f"{line}\n" for line in (columns, *rows))


def write(folder: Path, config: dict, **files: str | bytes) -> None:
    """Write a study: its config, and files of raw_data by their names (`__` for a dot)."""
    raw = folder / "raw_data"
    raw.mkdir(parents=True, exist_ok=True)
    save_config(folder, {"study": {"title": "hostile", "data": "simulated"}, **config})
    for name, content in files.items():
        path = raw / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


# --- tables -------------------------------------------------------------------------------------------------------


def recordings(folder: Path) -> None:
    """Three recordings of two cells."""
    table = csv_of(
        "recording_id,file,experiment,cell_id,animal_id,condition,ligand,ligand_total_mm,ligand_side,configuration,"
        "temperature_c,voltage_channel,date",
        "r1,r1.csv,e,c1,a1,control,Mg,1.25,internal,inside_out,22.5,voltage_mv,2026-01-31",
        "r2,r2.csv,e,c1,a1,control,Mg,0.3,internal,inside_out,22.5,voltage_mv,2026-01-31",
        "r3,r3.csv,e,c2,a2,high,Mg,0.3,internal,inside_out,22.5,voltage_mv,2026-01-31",
    )
    currents = (CODES[0], CODES[0][::-1], -CODES[0])
    traces = [csv_text({"time_s": TIME_S, "current_pa": c, "voltage_mv": VOLTAGE_MV}) for c in currents]
    files = {f"r{i}__csv": trace for i, trace in enumerate(traces, start=1)}
    write(folder, CURRENT_VOLTAGE, recordings__csv=table, **files)


def segments(folder: Path) -> None:
    """Two segments of a recording."""
    table = csv_of("recording_id,file,experiment,cell_id,animal_id", "r1,r1.abf,e,c1,a1")
    parts = csv_of("recording_id,sweep_first,sweep_last,condition", "r1,0,0,control", "r1,1,1,washout")
    write(folder, CURRENT_VOLTAGE, recordings__csv=table, segments__csv=parts)
    write_abf2(folder / "raw_data" / "r1.abf")


def recipes(folder: Path) -> None:
    """A recording with the recipes of its solutions."""
    table = csv_of(
        "recording_id,file,experiment,cell_id,animal_id,configuration,pipette_solution,bath_solution",
        "r1,r1.abf,e,c1,a1,inside_out,outside,inside",
    )
    solutions = (
        "# Recipes.\n"
        "outside: {ph: 7.4, temperature_c: 22, totals_mm: {K: 100, Na: 5, Cl: 105, HEPES: 10}, inert: [HEPES]}\n"
        "inside: {ph: 7.2, temperature_c: 22, totals_mm: {K: 110, Cl: 102.5, Mg: 1.25, HEPES: 10}, inert: [HEPES]}\n"
    )
    write(folder, CURRENT_VOLTAGE, recordings__csv=table, solutions__yaml=solutions)
    write_abf2(folder / "raw_data" / "r1.abf")


def plates(folder: Path) -> None:
    """Two plates of one run."""
    table = csv_of(
        "plate_id,file,experiment,run_id,reads,temperature_c,date",
        "p1,p1.csv,q,run1,1=340;2=380,37.5,2026-01-31",
        "p2,p1.csv,q,run2,1=340;2=380,37.5,2026-01-31",
    )
    write(folder, {"plates": {"experiments": {"q": {"analysis": "plate_quality"}}}}, plates__csv=table, p1__csv=SMALL)


def layout(folder: Path) -> None:
    """A plate with its layout."""
    table = csv_of(
        "well,role,sample_id,animal_id,condition,replicate,magnesium_total_mm",
        *("A1,background,,,,,", "A2,rmin,,,,,0.0", "A3,rmax,,,,,35.5", "B1,sample,s1,d1,control,1,"),
        *("B2,sample,s2,d2,low,1,", "B3,sample,s2,d2,low,2,"),
    )
    _calibrated(folder, "layout.csv", table)


def layout_toml(folder: Path) -> None:
    """A plate whose layout is a TOML file."""
    wells = (
        '[well.A1]\nrole = "background"\n[well.A2]\nrole = "rmin"\nmagnesium_total_mm = 0.0\n'
        '[well.A3]\nrole = "rmax"\nmagnesium_total_mm = 35.5\n'
        '[block.2x2.B1]\nrole = "sample"\nsample_id = "s3"\nanimal_id = "d3"\ncondition = "control"\n'
    )
    _calibrated(folder, "layout.toml", wells)


def _calibrated(folder: Path, name: str, content: str) -> None:
    settings = {"analysis": "magnesium_calibration", "kd_mm": KD, "rmax_magnesium_mm": 35.5}
    table = csv_of("plate_id,file,experiment,run_id,layout,reads", f"p1,p1.csv,mg,run1,{name},1=340;2=380")
    files = {"plates__csv": table, name.replace(".", "__"): content, "p1__csv": SMALL}
    write(folder, {"plates": {"experiments": {"mg": settings}}}, **files)


def curves(folder: Path) -> None:
    """Two curves of one experiment."""
    points = [f"k{c},e,a{c},control,{x},{y},0.25,3" for c in (1, 2) for x, y in ((0.0, 1.5), (0.5, 0.75), (2.0, 0.25))]
    settings = {"model": "hill", "direction": "falling"}
    settings |= {"x": {"name": "free Mg2+", "unit": "mM"}, "y": {"name": "current", "unit": "pA"}}
    table = csv_of("curve_id,experiment,animal_id,condition,x,y,sd,n", *points)
    write(folder, {"curves": {"experiments": {"e": settings}}}, curves__csv=table)


def trials(folder: Path) -> None:
    """A table of trials with a moderator."""
    table = csv_of(
        "study_id,study,year,outcome,mean_treatment,sd_treatment,n_treatment,mean_control,sd_control,n_control,age,source",
        "t1,First,1990,pressure,-4.5,2.25,1200,1.5,2.5,1210,50.5,a journal",
        "t2,Second,1990,pressure,-3.5,2.25,120,1.25,2.5,121,51.5,a journal",
        "t3,Third,1992,pressure,-2.5,3.25,120,0.5,3.5,121,52.5,a journal",
    )
    analysis = {"table": "trials.csv", "measure": "MD", "unit": "mmHg", "moderators": ["age"]}
    write(folder, {"clinical": {"analyses": {"trials": analysis}}}, trials__csv=table)


def claims(folder: Path) -> None:
    """Published claims."""
    table = csv_of(
        "claim_id,statement,source,measure,estimate,ci_low,ci_high,p_value,events_treatment,n_treatment,events_control,"
        "n_control",
        "k1,Fewer deaths,a review,OR,0.25,0.09,0.69,0.008,12,1150,30,1140",
        "k2,Fewer deaths,a review,RR,0.50,0.20,1.25,0.14,10,100,20,100",
    )
    write(folder, {"clinical": {"claims": "claims.csv"}}, claims__csv=table)


def magnesium_forms(folder: Path) -> None:
    """Salts of magnesium."""
    table = csv_of(
        "salt,formula,hydrate,molar_mass_g_mol,mg_atoms,dose_mg,source",
        "magnesium aspartate,C8H12MgN2O8,0,288.495,1,1500.5,assumed",
        "magnesium aspartate dihydrate,C8H12MgN2O8,2,324.525,1,1500.5,assumed",
    )
    write(folder, {"clinical": {"magnesium_forms": "magnesium_forms.csv"}}, magnesium_forms__csv=table)


def compartments(folder: Path) -> None:
    """Concentrations on both sides of a membrane."""
    table = csv_of(
        "system,solute,side,low_mm,high_mm,source",
        *("neuron,K,inside,140.5,150,assumed", "neuron,K,outside,5,5,assumed"),
        *("neuron,Mg,inside,0.5,1.2,assumed", "neuron,Mg,outside,1,2,assumed"),
    )
    settings = {
        "table": "compartments.csv",
        "temperature_c": {"value": 37, "unit": "C", "source": "assumed"},
        "membrane_mv": {"low": -80, "high": -60, "unit": "mV", "source": "assumed"},
    }
    write(folder, {"equilibria": settings}, compartments__csv=table)


def stacks(folder: Path) -> None:
    """Stacks of a calibration and of two animals, in two files, in one file, as OME-TIFF; a flat field, labels."""
    table = csv_of(
        "stack_id,experiment,role,animal_id,condition,file,file_340,file_380,channels,labels,shading_340,shading_380,"
        "camera_offset_counts,saturation_counts,background_percent,frame_interval_s,temperature_c,date",
        "s0,e,rmin,,,,two_340.tif,two_380.tif,,,,,100,4095,10.5,20,22.5,2026-01-31",
        "s1,e,rmax,,,,two_340.tif,two_380.tif,,labels.tif,flat.tif,flat.tif,100,4095,10.5,20,22.5,2026-01-31",
        "s2,e,sample,a1,control,one.tif,,,340 380,,,,100,4095,10.5,20,22.5,2026-01-31",
        "s3,e,sample,a2,control,one.ome.tif,,,340 380,,,,100,4095,10.5,20,22.5,2026-01-31",
    )
    write(folder, {"stacks": {"experiments": {"e": {"kd_mm": KD, "rmax_magnesium_mm": 35.5}}}}, stacks__csv=table)
    raw = folder / "raw_data"
    counts = np.random.default_rng(4).integers(150, 3000, (2, 4, 12, 16)).astype("uint16")
    options = {"photometric": "minisblack", "metadata": None}
    tifffile.imwrite(raw / "two_340.tif", counts[0], **options)
    tifffile.imwrite(raw / "two_380.tif", counts[1], **options)
    tifffile.imwrite(raw / "one.tif", counts.transpose(1, 0, 2, 3).reshape(8, 12, 16), **options)
    tifffile.imwrite(
        raw / "one.ome.tif", counts.transpose(1, 0, 2, 3), ome=True, photometric="minisblack", metadata={"axes": "TCYX"}
    )
    labels = np.zeros((12, 16), "uint8")
    labels[2:6, 2:8] = 1
    tifffile.imwrite(raw / "labels.tif", labels, **options)
    tifffile.imwrite(raw / "flat.tif", np.full((12, 16), 1000, "uint16"), **options)


# --- one raw file -------------------------------------------------------------------------------------------------


def write_abf2(path: Path) -> None:
    """Write two sweeps with a synch array and a step that grows."""
    write_abf(path, [Signal("I", "pA", 32768.0, TWO_SWEEPS)], [STEP], rate_hz=1e4, comment="simulated")


def _abf2(folder: Path) -> bytes:
    write_abf2(folder / "a.abf")
    return (folder / "a.abf").read_bytes()


def _heka(folder: Path) -> bytes:
    return heka_bytes({"s": [("I", "A", 1, 8, CODES)]}, {"s": [heka_stimulus([heka_segment(N * 1e-4)])]})


def _wcp(folder: Path) -> bytes:
    codes = np.stack([CODES[0], np.rint(VOLTAGE_MV * 100)], axis=-1)[None]
    return wcp_bytes([("I", "uA", 5e6 / 32768), ("V", "V", 5e5 / 32768)], codes)


def _atf(folder: Path) -> bytes:
    return atf_text([("I", "nA", CODES / 1e3), ("V", "mV", VOLTAGE_MV[None])], TIME_S).encode()


def _trace(folder: Path) -> bytes:
    return csv_text({"time_s": TIME_S, "current_pa": CODES[0], "voltage_mv": VOLTAGE_MV}).encode()


# Format: file, channel, voltage channel, what writes it.
RECORDING_FORMATS: dict[str, tuple[str, str, str, Callable[[Path], bytes]]] = {
    "ABF2": ("a.abf", "", "", _abf2),
    "ABF1": ("a.abf", "", "", lambda folder: abf1_bytes(TWO_SWEEPS / 4, units=("pA", "mV"))),
    "ATF": ("a.atf", "I", "V", _atf),
    "WinWCP": ("a.wcp", "0", "1", _wcp),
    "HEKA": ("a.dat", "1/1/1", "", _heka),
    "CSV trace": ("a.csv", "", "voltage_mv", _trace),
}


def recording(folder: Path, form: str) -> None:
    """One recording of a format."""
    name, channel, voltage, make = RECORDING_FORMATS[form]
    write(folder, CURRENT_VOLTAGE)
    raw = folder / "raw_data"
    (raw / name).write_bytes(make(raw))
    columns = "recording_id,file,experiment,cell_id,animal_id,configuration,channel,voltage_channel"
    row = f"r1,{name},e,c1,a1,whole_cell,{channel},{voltage}"
    (raw / "recordings.csv").write_text(csv_of(columns, row))


SHOTS = "time_ms,fluorescence_v_1,fluorescence_v_2,fluorescence_v_3\n" + "".join(
    f"{0.5 * i},{1 - np.exp(-i / 50):.6f},{1.01 - np.exp(-i / 50):.6f},{0.99 - np.exp(-i / 50):.6f}\n"
    for i in range(300)
)


def shots(folder: Path) -> None:
    """One file of shots after mixing."""
    settings = {"analysis": "relaxation", "relaxation": {"dead_time_ms": {"value": 2, "unit": "ms", "source": "test"}}}
    columns = "recording_id,file,experiment,cell_id,animal_id,ligand,ligand_total_mm"
    table = csv_of(columns, "r1,shots.csv,e,c1,a1,Mg,0.5")
    write(folder, {"recordings": {"experiments": {"e": settings}}}, recordings__csv=table, shots__csv=SHOTS)


GEN5 = gen5_text(
    gen5_head(absorbance([340, 380])), gen5_matrix(gen5_rows([("340", WELLS), ("380", OTHER)])), ["", "end"]
)
BMG = bmg_text([("Raw Data (340)", WELLS), ("Raw Data (380)", OTHER)])
SOFTMAX = softmax_text(
    softmax_plate(
        softmax_header("Absorbance", "PlateFormat", "Endpoint", [340, 380]),
        [lambda t, w: WELLS[w], lambda t, w: OTHER[w]],
    )
).encode("utf-16")


def grids(wells: dict[str, str], other: dict[str, str], columns: int, letters: str) -> str:
    """Return two reads of a plate as one types them into a spreadsheet."""
    return "".join(
        f"{name}\n,{','.join(map(str, range(1, columns + 1)))}\n"
        + "".join(f"{r},{','.join(values[f'{r}{c}'] for c in range(1, columns + 1))}\n" for r in letters)
        for name, values in (("340", wells), ("380", other))
    )


GRID = grids(WELLS, OTHER, 12, "ABCDEFGH")
SMALL = grids(WELLS, OTHER, 6, "ABCD")
LONG = "well,value,read,label,wavelength_nm\n" + "".join(
    f"{w},{v},{r},{n},{n}\n" for r, (n, wells) in enumerate([(340, WELLS), (380, OTHER)], 1) for w, v in wells.items()
)


@cache
def tecan() -> bytes:
    """Return a workbook of i-control."""
    rows = [*I_CONTROL, *label("a", wavelength=340), *matrix(lambda w: float(WELLS[w])), *END]
    return workbook([*rows, *label("b", wavelength=380), *matrix(lambda w: float(OTHER[w])), *END])


# Format: file, what is in it.
EXPORT_FORMATS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "BMG MARS": ("plate.csv", BMG.encode),
    "Gen5": ("plate.txt", GEN5.encode),
    "SoftMax Pro": ("plate.txt", lambda: SOFTMAX),
    "Tecan xlsx": ("plate.xlsx", tecan),
    "EnVision": ("plate.csv", lambda: "".join(f"{line}\r\n" for line in [*FIRST, *SECOND, *TAIL]).encode()),
    "plain grid": ("plate.csv", GRID.encode),
    "long table": ("plate.csv", LONG.encode),
}


def export(folder: Path, form: str) -> None:
    """One export of a plate reader."""
    name, make = EXPORT_FORMATS[form]
    table = csv_of("plate_id,file,experiment", f"p1,{name},q")
    write(folder, {"plates": {"experiments": {"q": {"analysis": "plate_quality"}}}}, plates__csv=table)
    (folder / "raw_data" / name).write_bytes(make())


# What holds several files is named by the file that is damaged, what holds one by its format.
SEVERAL = (
    *(recordings, segments, recipes, plates, layout, layout_toml, curves, trials, claims, magnesium_forms),
    *(compartments, stacks, shots),
)
BASES: dict[str, Callable[[Path], None]] = {make.__name__: make for make in SEVERAL}
BASES |= {form: (lambda folder, form=form: recording(folder, form)) for form in RECORDING_FORMATS}
BASES |= {form: (lambda folder, form=form: export(folder, form)) for form in EXPORT_FORMATS}
