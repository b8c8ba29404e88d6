"""Any clinical table that the check lets in is pooled by everything there is, or the reason is told.

Two kinds of tests: tables of extremes, through the door of `make check` and then through all that the notebook of a
clinical analysis does; and what must hold of any table whatever its numbers are: the order of studies, the unit, the
place of zero and the names of the arms are choices of the person who fills it.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mgk.meta.bivariate import control_risk_table
from mgk.meta.claims import VERDICTS, check_claims
from mgk.meta.columns import COUNTS, MEANS, PAIRED, PROPORTION
from mgk.meta.dependence import dependent_table
from mgk.meta.diagnostics import cumulative, influence, leave_one_out, small_study
from mgk.meta.effects import MEASURES, check_rows, effect_sizes
from mgk.meta.heterogeneity import ESTIMATORS, log_likelihood
from mgk.meta.plan import Plan, exact_counts
from mgk.meta.pooling import mantel_haenszel, pool, pooled_table, with_weights
from mgk.meta.regression import moderators_table
from mgk.meta.sparse import sparse_table
from mgk.meta.words import methods_paragraph, results_paragraph
from mgk.tables.schema import load_schema, read_input_table

PEOPLE = st.one_of(st.integers(1, 60), st.sampled_from([1, 2, 3, 1000, 10**6, 10**9]))
SHARE = st.one_of(st.sampled_from([0.0, 0.0, 1.0, 1e-9]), st.floats(0, 1))
SPREAD = st.one_of(st.sampled_from([1e-12, 1e-6, 1e-3, 1.0, 1e6, 1e12]), st.floats(0.01, 100))
VALUE = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 1e-12, 1e12, -1e12]), st.floats(-50, 50))
CLUSTER = st.sampled_from(["a", "b", ""])
DESIGN = st.sampled_from(["", "", "parallel", "cluster", "crossover", "paired"])
SHORT_AND_LONG = pytest.mark.parametrize("examples", [25, pytest.param(300, marks=pytest.mark.long)])


def tried(examples: int, *strategies):
    """Try a function on examples at once."""
    return lambda body: settings(max_examples=examples, suppress_health_check=list(HealthCheck))(
        given(*strategies)(body)
    )()


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# --- tables of extremes ---------------------------------------------------------------------------------------------


def _arm(draw, events, people):
    n = draw(PEOPLE)
    return {events: round(draw(SHARE) * n), people: n}


@st.composite
def rows_of(draw, needed):
    """Return the cells of one row of a measure that needs these columns."""
    if needed == COUNTS:
        return _arm(draw, *COUNTS[:2]) | _arm(draw, *COUNTS[2:])
    if needed == PROPORTION:
        return _arm(draw, *PROPORTION)
    if needed in (MEANS, PAIRED):
        kinds = {"mean": VALUE, "sd": SPREAD, "correlation": st.floats(-1, 1)}
        return {name: draw(kinds.get(name.partition("_")[0], PEOPLE)) for name in needed}
    middle, half = draw(VALUE), draw(SPREAD)
    scale = draw(st.sampled_from(["linear", "log"]))
    by_se = {"estimate": middle, "se": half, "scale": scale}
    by_limits = {
        "estimate": middle,
        "ci_low": middle - half,
        "ci_high": middle + half,
        "ci_level": 0.95,
        "scale": scale,
    }
    return draw(st.sampled_from([by_se, by_limits]))


@st.composite
def tables(draw):
    """Return a measure and a table for it, as text: one to six studies, their clusters, a moderator, a design."""
    measure = draw(st.sampled_from(sorted(MEASURES)))
    rows = draw(st.lists(rows_of(MEASURES[measure].needed), min_size=1, max_size=6))
    if draw(st.booleans()):  # studies that are all the same
        rows = rows[:1] * len(rows)
    further = {"trial_id": CLUSTER, "dose": st.sampled_from([1.0, 2.0, 1e9]), "design": DESIGN, "year": st.just(1990)}
    further |= {"icc": st.floats(0, 1), "cluster_size": st.floats(1, 1e6), "shared_control": CLUSTER}
    chosen = draw(st.lists(st.sampled_from(sorted(further)), unique=True))
    control = {c: v for c, v in rows[0].items() if "control" in c}
    for i, row in enumerate(rows):
        row = rows[i] = {"study_id": f"s{i}", "study": "S", "source": "test"} | row
        row |= {name: draw(further[name]) for name in chosen}
        row |= control if row.get("shared_control") else {}
        if row.get("design") != "cluster":
            row |= {name: "" for name in ("icc", "cluster_size") if name in row}
    return measure, pd.DataFrame(rows).to_csv(index=False)


def let_in(place, text, schema, measure=None) -> pd.DataFrame | None:
    """Return a table as a study reads it; None when the check refuses it, with reasons."""
    (place / "table.csv").write_text(text)
    table, problems = read_input_table(place / "table.csv", load_schema(schema), "table.csv")
    assert all(p.row and p.column and p.allowed for p in problems), problems
    refused = [*problems, *(check_rows(table, measure) if measure and not problems else [])]
    return None if refused else table


def everything(measure: str, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return all tables of the notebook of a clinical analysis."""
    there = [c for c in ("dose", "trial_id") if c in table and (table[c].notna() & (table[c] != "")).any()]
    moderators, cluster = (["dose"] if "dose" in there else []), ("trial_id" if "trial_id" in there else "")
    plan = Plan(measure, tuple(moderators), cluster, cluster, "", ())
    effects = with_weights(effect_sizes(table, measure, keep=plan.keep))
    found = {
        "effects": effects,
        "counts": exact_counts(effects),
        "pooled": pooled_table(effects, "x", by=plan.subgroup or None),
        "sparse": sparse_table(effects, "x"),
        "moderators": moderators_table(effects, "x", plan.moderators),
        "dependent": dependent_table(effects, "x", plan.cluster or None),
        "influence": influence(effects, "x"),
        "control_risk": control_risk_table(effects, "x"),
        "small": small_study(effects, "x"),
        "cumulative": cumulative(effects, "x"),
        "leave_one_out": leave_one_out(effects, "x"),
    }
    told = [found[name] for name in ("pooled", "leave_one_out", "small", "moderators", "dependent")]
    for words in (methods_paragraph(plan, effects), results_paragraph(effects, *told)):
        assert "nan" not in words.split(), words
    return found


def assert_sound(found: dict[str, pd.DataFrame]) -> None:
    """Hold tables to what any row of results must be: a number or a reason, and no number that cannot be."""
    for name, frame in found.items():
        if "note" in frame and "estimate" in frame:
            silent = frame["estimate"].isna() & (frame["note"].fillna("") == "")
            assert not (silent & frame.get("limit_estimate", frame["estimate"]).isna()).any(), (name, frame[silent])
        for column in frame.select_dtypes("number"):
            values = frame[column].dropna().to_numpy(float)
            where = f"{name}.{column}: {values}"
            if column in ("p", "q_p", "lrt_p", "qm_p", "qe_p", "fisher_p"):
                assert ((values >= 0) & (values <= 1)).all(), where
            if column == "se" or column.startswith(("tau2", "h2", "q_df", "weight")) or column in ("q", "vi"):
                assert (values >= 0).all(), where
            if column in ("i2", "i2_q"):
                assert ((values >= 0) & (values <= 100 * (1 + 1e-12))).all(), where
            if not column.startswith(("back_transformed", "nnt", "conditional_or")):
                assert np.isfinite(values).all(), where
        for low, middle, high in (("ci_low", "estimate", "ci_high"), ("tau2_ci_low", "", "tau2_ci_high")):
            if {low, high} <= set(frame):
                ends = frame[[low, high]].dropna().to_numpy(float)
                assert (ends[:, 0] <= ends[:, 1]).all(), name
            if {low, middle, high} <= set(frame):
                three = frame[[low, middle, high]].dropna().to_numpy(float)
                assert ((three[:, 0] <= three[:, 1]) & (three[:, 1] <= three[:, 2])).all(), (name, three)
    for column in ("weight_common_percent", "weight_random_percent"):
        assert len(found["effects"]) == 1 or found["effects"][column].sum() == pytest.approx(100)


def pooled_or_refused(place, case) -> None:
    measure, text = case
    table = let_in(place, text, "clinical", measure)
    if table is not None:
        assert_sound(everything(measure, table))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@SHORT_AND_LONG
def test_any_table_is_pooled_or_refused(place, examples):
    @tried(examples, tables())
    def _(case):
        pooled_or_refused(place, case)


# --- what must hold of any table ------------------------------------------------------------------------------------

STUDIES = st.lists(st.tuples(st.floats(-5, 5), st.floats(-3, 1).map(lambda x: 10**x)), min_size=2, max_size=8)
METHODS = ("IV", *ESTIMATORS)
ESTIMATES_OF = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
SQUARES_OF = ("tau2", "tau2_ci_low", "tau2_ci_high")
SHARES_OF = ("i2", "i2_q", "h2", "q", "q_p")


def given_effects(yi, vi):
    rows = pd.DataFrame({"estimate": yi, "se": np.sqrt(vi), "scale": "linear", "study": "S"})
    return effect_sizes(rows.assign(study_id=[f"s{i}" for i in range(len(rows))]), "GEN")


def all_ways(yi, vi) -> pd.DataFrame:
    return pooled_table(given_effects(yi, vi), "x")


def assert_same(found, expected, columns, size):
    """Equal within rounding; of two maxima of one height either may be taken, so that ML and REML may rarely differ."""
    for method in METHODS:
        one, other = (t.loc[t["method"] == method, list(columns)].to_numpy(float) for t in (found, expected))
        same = np.allclose(one, other, rtol=1e-6, atol=1e-6 * size, equal_nan=True)
        assert same or method in ("ML", "REML"), (method, one, other)
        if not same:
            yield method


def assert_as_high(yi, vi, tables, method, unit=1.0):
    """Both estimates of tau2 lie equally high on the likelihood."""
    tau2 = [float(t.loc[t["method"] == method, "tau2"].iloc[0]) for t in tables]
    heights = [log_likelihood(yi, vi, t, restricted=method == "REML") for t in (tau2[0] / unit**2, tau2[1])]
    assert heights[0] == pytest.approx(heights[1], abs=1e-7)


@SHORT_AND_LONG
def test_order_unit_zero_and_sign_are_a_choice(examples):
    """Studies in another order, a unit of another size, a shift of all effects, or arms by each other's name."""

    @tried(examples, STUDIES, st.floats(-1e3, 1e3), st.sampled_from([1e-6, 0.133322, 1.0, 7.50062, 1e6]), st.randoms())
    def _(pairs, zero, unit, random):
        yi, vi = np.array(pairs).T
        plain, size = all_ways(yi, vi), 1 + abs(zero)
        shuffled = np.array(random.sample(pairs, len(pairs))).T
        changed = {
            "order": (all_ways(*shuffled), plain, 1.0),
            "unit": (all_ways(yi * unit, vi * unit**2), plain, unit),
            "zero": (all_ways(yi + zero, vi), plain, 1.0),
            "sign": (all_ways(-yi, vi), plain, 1.0),
        }
        for name, (found, before, by) in changed.items():
            expected = before.copy()
            expected[list(ESTIMATES_OF)] *= by
            expected[list(SQUARES_OF)] *= by**2
            if name == "zero":
                expected[list(ESTIMATES_OF)] += zero
            if name == "sign":
                signs = dict(zip(ESTIMATES_OF, ("estimate", "ci_high", "ci_low", "pi_high", "pi_low"), strict=True))
                expected = expected.assign(**{column: -before[other] for column, other in signs.items()})
            scales = ((ESTIMATES_OF, by * size), (SQUARES_OF, by**2 * size), (SHARES_OF, 1.0))
            other = {m for columns, of in scales for m in assert_same(found, expected, columns, of)}
            for method in other:
                assert_as_high(yi, vi, (found, before), method, by)


@SHORT_AND_LONG
def test_studies_that_agree_give_what_they_agree_on(examples):
    @tried(examples, st.floats(-1e6, 1e6), st.lists(st.floats(-6, 6).map(lambda x: 10**x), min_size=2, max_size=8))
    def _(value, vi):
        for row in all_ways(np.full(len(vi), value), vi).itertuples():
            assert row.estimate == pytest.approx(value, rel=1e-9, abs=1e-9)
            assert row.tau2 == pytest.approx(0, abs=1e-9 * (1 + value**2)) or np.isnan(row.tau2)
            assert row.ci_low <= row.estimate <= row.ci_high


@SHORT_AND_LONG
def test_a_study_that_knows_nothing_changes_nothing(examples):
    """The common effect, and where the likelihood decides also the random one."""

    @tried(examples, STUDIES, st.floats(-5, 5))
    def _(pairs, effect):
        yi, vi = np.array(pairs).T
        more = np.append(yi, effect), np.append(vi, 1e14)
        for method in ("IV", "ML", "REML"):
            one, other = pool(yi, vi, method, "z"), pool(*more, method, "z")
            if method != "IV" and not np.isclose(one.tau2, other.tau2, rtol=1e-3, atol=1e-6):
                assert_as_high(yi, vi, [all_ways(yi, vi), all_ways(*more)], method)
                continue
            assert other.estimate == pytest.approx(one.estimate, rel=1e-3, abs=1e-3 * one.se)
            assert other.se == pytest.approx(one.se, rel=1e-3)


@SHORT_AND_LONG
def test_a_study_split_in_two_weighs_what_it_did(examples):
    """Two halves with the same result are one study: twice the variance each."""

    @tried(examples, STUDIES, st.integers(0, 7))
    def _(pairs, which):
        yi, vi = np.array(pairs).T
        which %= len(yi)
        halves = np.append(yi, yi[which]), np.append(vi, 2 * vi[which])
        halves[1][which] *= 2
        one, other = pool(yi, vi, "IV", "z"), pool(*halves, "IV", "z")
        assert (other.estimate, other.se, other.q) == pytest.approx((one.estimate, one.se, one.q), rel=1e-9, abs=1e-9)


TRIALS = st.lists(
    st.tuples(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1)).map(
        lambda t: (round(t[0] * t[2]), t[0], round(t[1] * t[3]), t[1])
    ),
    min_size=1,
    max_size=6,
)


def trials(rows):
    frame = pd.DataFrame(rows, columns=list(COUNTS))
    return frame.assign(study_id=[f"s{i}" for i in range(len(rows))], study="S")


@SHORT_AND_LONG
def test_arms_by_each_others_name_turn_the_sign(examples):
    """The estimate changes its sign, its interval is mirrored; what tells of spread stays."""

    @tried(examples, TRIALS, st.sampled_from(["OR", "RR", "RD", "PETO", "AS"]))
    def _(rows, measure):
        turned = [(c, n2, a, n1) for a, n1, c, n2 in rows]
        one, other = (pooled_table(effect_sizes(trials(r), measure), "x") for r in (rows, turned))
        signs = {
            "estimate": "estimate",
            "ci_low": "ci_high",
            "ci_high": "ci_low",
            "pi_low": "pi_high",
            "pi_high": "pi_low",
        }
        for method in dict.fromkeys(one["method"]):
            mine, theirs = (t[t["method"] == method] for t in (one, other))
            same = np.allclose(mine["tau2"], theirs["tau2"], rtol=1e-6, atol=1e-9, equal_nan=True)
            assert same or method in ("ML", "REML")
            if same:
                for column, mirror in signs.items():
                    np.testing.assert_allclose(mine[column], -theirs[mirror], rtol=1e-6, atol=1e-8, err_msg=method)
                np.testing.assert_allclose(mine[["se", "q"]], theirs[["se", "q"]], rtol=1e-6, atol=1e-8)


@SHORT_AND_LONG
def test_half_a_trial_twice_is_the_trial(examples):
    """Mantel and Haenszel's sums do not know how many reports a trial has."""

    @tried(examples, TRIALS, st.sampled_from(["OR", "RR", "RD"]))
    def _(rows, measure):
        whole = [tuple(2 * n for n in row) for row in rows]
        one, other = (mantel_haenszel(effect_sizes(trials(r), measure)) for r in (whole, [*rows, *rows]))
        assert other.estimate == pytest.approx(one.estimate, rel=1e-9, abs=1e-12, nan_ok=True)
        if measure != "RD":  # Sato's variance has a term that does not grow with the counts
            assert other.se == pytest.approx(one.se, rel=1e-9, nan_ok=True)


# --- claims ---------------------------------------------------------------------------------------------------------

PRINTED = st.sampled_from(
    ["0", "1", "0.25", "-0.4", "1.00", "99.9", "1e", "100", "0.0001", "123456789", ".5", "7.", "1000000000000", "−3.2"]
)
P_PRINTED = st.sampled_from(["0", "1", "<0.0001", "0.05", "p = .013", "> 0.9", "5e-8", "≤0.01", "2"])


@st.composite
def claims(draw):
    """Return the text of a table of one claim, each cell printed or not."""
    properties = load_schema("claims")["properties"]
    row = {"claim_id": "k", "statement": "s", "source": "test"}
    sizes = st.one_of(st.integers(0, 60), st.sampled_from([0, 1, 500, 100_000, 10**9]))
    for name, of in properties.items():
        if name in row or draw(st.booleans()):
            continue
        if of["type"] == "integer":
            row[name] = draw(sizes)
        elif name == "p_value":
            row[name] = draw(P_PRINTED)
        elif "enum" in of:
            row[name] = draw(st.sampled_from(of["enum"]))
        elif "pattern" in of:
            row[name] = draw(PRINTED)
        elif of["type"] == "number":
            row[name] = draw(st.sampled_from([0.5, 0.9, 0.95, 0.9999, 1.0, -1.0]))
        else:
            row[name] = draw(st.sampled_from(["%", "mM", "uM", "citrate", "oxide"]))
    return pd.DataFrame([row]).to_csv(index=False)


def checked_or_refused(place, text) -> None:
    table = let_in(place, text, "claims")
    if table is not None:
        found = check_claims(table)
        assert set(found.claims["verdict"]) | set(found.checks["verdict"]) <= set(VERDICTS)
        assert found.claims["reason"].ne("").all()
        assert not found.checks["reason"].str.contains(r"\bnan\b", regex=True).any(), list(found.checks["reason"])


@SHORT_AND_LONG
def test_any_claim_gets_a_verdict_with_its_reason_or_is_refused(place, examples):
    @tried(examples, claims())
    def _(text):
        checked_or_refused(place, text)
