"""The checker of claims: the facts of the project's notes, made-up rows for each check, and what must never happen."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgk.meta import twobytwo
from mgk.meta.claims import VERDICTS, check_claims
from mgk.meta.claims.against_counts import describe_counts
from mgk.meta.claims.check import check_claim
from mgk.meta.claims.printed import counts_that_print, read_number, read_p, sizes_that_print
from mgk.meta.claims.reconstruction import reconstruct
from mgk.meta.claims.verdicts import CONSISTENT, IMPOSSIBLE, INCONSISTENT, ROUNDING, UNVERIFIABLE, overall
from mgk.tables.problems import InputError
from mgk.tables.schema import load_schema, read_input_table

COX = (12, 15, 3, 17)


def claim(**columns):
    """Return the verdict on one made-up claim, with its findings by check."""
    row = pd.Series({"claim_id": "x", "statement": "s", "source": "t"} | columns)
    findings, tables = check_claim(row)
    return overall([f.verdict for f in findings]), {f.check: f for f in findings}, tables


@pytest.fixture(scope="module")
def demonstration(house):
    table, problems = read_input_table(house / "raw_data/clinical/claims.csv", load_schema("claims"), "claims.csv")
    assert problems == []
    return check_claims(table)


# --- the facts of the notes ------------------------------------------------------------------------------------


def test_the_numbers_of_cox_1991_come_out():
    rd, intervals = twobytwo.risk_difference(*COX)
    assert rd == pytest.approx(0.6235, abs=5e-5)
    np.testing.assert_allclose(intervals["Newcombe"], (0.280, 0.796), atol=5e-4)
    np.testing.assert_allclose(100 * np.array(intervals["Wald"]), (35, 90), atol=0.5)
    assert twobytwo.fisher(*COX) == pytest.approx(0.0010326, abs=5e-8)
    rr, katz = twobytwo.risk_ratio(*COX)
    np.testing.assert_allclose([rr, *katz["Wald (log)"]], (4.533, 1.574, 13.05), rtol=5e-4)
    odds, woolf = twobytwo.odds_ratio(*COX)
    np.testing.assert_allclose([odds, *woolf["Wald (log)"]], (18.667, 3.159, 110.29), rtol=2e-4)
    nnt, limits = twobytwo.number_needed(*COX)
    np.testing.assert_allclose([nnt, *limits["Wald"]], (1.604, 1.117, 2.842), atol=5e-4)
    assert "Fisher p = 0.0010326" in describe_counts(list(COX))


@pytest.mark.parametrize(
    ("percent", "highest", "sizes"),
    [
        ("86.5", 100, [37, 52, 74, 89, 96]),
        ("47.4", 100, [19, 38, 57, 76, 78, 95, 97]),
        ("64.84", 182, [91, 128, 182]),
    ],
)
def test_the_n_that_can_print_a_percentage(percent, highest, sizes):
    assert sizes_that_print(read_number(percent), range(1, highest + 1)) == sizes


EXPECTED = {
    "kmga_infusion": UNVERIFIABLE,
    "kmga_oral_asystoles": INCONSISTENT,
    "kmga_premature_beats": UNVERIFIABLE,
    "fatigue_salt": INCONSISTENT,
    "cox_1991_difference": CONSISTENT,
    "hypomagnesaemia_high": UNVERIFIABLE,
    "hypomagnesaemia_low": UNVERIFIABLE,
    "whang_1984": UNVERIFIABLE,
    "whang_1984_inverted": INCONSISTENT,
    "potassium_cotransport": INCONSISTENT,
    "romk_negative_potentials": INCONSISTENT,
    "serum_magnesium": INCONSISTENT,
    "magica_median": UNVERIFIABLE,
    "chu_2014_first": CONSISTENT,
    "chu_2014_fibrillation": IMPOSSIBLE,
    "shiga_2004": INCONSISTENT,
    "magpie_2002_reduction": CONSISTENT,
    "magpie_2002_nnt": CONSISTENT,
    "limit_2_1992": INCONSISTENT,
    "limit_2_1992_cochrane": INCONSISTENT,
}


@pytest.mark.parametrize(("name", "verdict"), EXPECTED.items())
def test_the_demonstration_gets_the_verdicts_that_the_notes_justify(demonstration, name, verdict):
    row = demonstration.claims.set_index("claim_id").loc[name]
    assert row["verdict"] == verdict, row["reason"]
    assert row["reason"]


def test_each_reason_shows_its_arithmetic(demonstration):
    reason = demonstration.claims.set_index("claim_id")["reason"]
    assert "= 2.484, p = 0.013" in reason["shiga_2004"]
    assert "p = 0.0076" in reason["chu_2014_first"]
    assert "-0.16, is not above 0" in reason["chu_2014_fibrillation"]
    assert "interval by Wald" in reason["cox_1991_difference"]
    assert "Newcombe 27.99 to 79.64" in reason["cox_1991_difference"]
    assert "86.5 % needs n = 37, 52, 74, 89, 96" in reason["kmga_premature_beats"]
    assert "no counts are invented" in reason["kmga_premature_beats"]
    assert "1 to 43 is none of" in reason["limit_2_1992"]
    assert "magnesium sulphate" in reason["fatigue_salt"]
    assert "= 4.1 at" in reason["romk_negative_potentials"]


def test_every_claim_of_the_demonstration_names_what_was_read(demonstration):
    assert (demonstration.claims["source"].str.len() > 10).all()
    assert set(demonstration.claims["verdict"]) <= set(VERDICTS)
    assert len(demonstration.claims) >= 20
    assert set(demonstration.checks["claim_id"]) == set(demonstration.claims["claim_id"])


def test_tables_are_listed_only_where_counts_were_not_printed(demonstration):
    listed = demonstration.tables.groupby("claim_id").size()
    assert listed["kmga_premature_beats"] == 5 * 7
    assert listed["magpie_2002_reduction"] == 44
    assert "cox_1991_difference" not in listed
    magpie = demonstration.tables[demonstration.tables["claim_id"] == "magpie_2002_reduction"]
    assert (magpie["n_treatment"] + magpie["n_control"] == 10110).all()
    assert (magpie["events_treatment"] == 40).all()


# --- each check on made-up rows --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"measure": "OR", "estimate": "0.5", "ci_low": "-0.1", "ci_high": "0.9"}, "not above 0"),
        ({"measure": "RR", "estimate": "-2.0"}, "not above 0"),
        ({"measure": "proportion", "estimate": "104", "unit": "%"}, "outside 0 to 100"),
        ({"measure": "RRR", "estimate": "120", "unit": "%"}, "outside"),
        ({"measure": "RD", "estimate": "1.2"}, "outside -1 to 1"),
        ({"measure": "NNT", "estimate": "0.3"}, "outside 1"),
        ({"measure": "MD", "estimate": "2.0", "ci_low": "3.0", "ci_high": "1.0"}, "above the upper limit"),
        ({"measure": "MD", "estimate": "5.0", "ci_low": "1.0", "ci_high": "3.0"}, "outside its interval"),
        ({"events_treatment": 9, "n_treatment": 8}, "9 events among 8 people"),
        ({"percent_treatment": "101.0", "is_proportion_of_people": "yes"}, "outside 0 to 100"),
    ],
)
def test_what_no_data_can_give_is_impossible(columns, words):
    verdict, findings, _ = claim(**columns)
    assert verdict == IMPOSSIBLE
    assert any(words in f.reason for f in findings.values() if f.verdict == IMPOSSIBLE)


def test_a_limit_of_a_ratio_that_rounds_to_0_is_possible():
    verdict, _, _ = claim(measure="OR", estimate="0.04", ci_low="0.00", ci_high="0.40")
    assert verdict == UNVERIFIABLE


def test_p_against_interval_knows_scale_and_rounding():
    fits = {"measure": "RR", "estimate": "0.52", "ci_low": "0.31", "ci_high": "0.87"}
    assert claim(**fits, p_value="0.013")[0] == CONSISTENT
    assert claim(**fits, p_value="<0.05")[0] == CONSISTENT
    assert claim(**fits, p_value="0.012")[0] == ROUNDING
    assert claim(**fits, p_value="<0.001")[0] == INCONSISTENT
    verdict, findings, _ = claim(measure="MD", estimate="-3.0", ci_low="-5.0", ci_high="-1.0", p_value="0.0033")
    assert verdict == CONSISTENT
    assert "z = estimate / SE = 3 / 1.02" in findings["p from interval"].reason


def test_p_of_a_difference_of_means_may_be_student_s():
    few = {"measure": "MD", "estimate": "2.00", "ci_low": "0.10", "ci_high": "3.90", "p_value": "0.041"}
    assert claim(**few)[0] == INCONSISTENT  # normal: 0.039
    verdict, findings, _ = claim(**few, n_treatment=7, n_control=7)
    assert verdict == CONSISTENT
    assert "t(12) = estimate" in findings["p from interval"].reason


def test_the_interval_of_one_proportion():
    printed = {"measure": "proportion", "estimate": "64.84", "n_treatment": 91, "is_proportion_of_people": "yes"}
    _, findings, _ = claim(**printed, ci_low="54.6", ci_high="73.9")
    assert "Wilson of 59/91" in findings["interval from counts"].reason
    assert findings["interval from counts"].verdict == CONSISTENT
    assert claim(**printed, ci_low="40.0", ci_high="73.9")[0] == INCONSISTENT


def test_the_middle_of_an_interval_is_on_the_scale_of_the_measure():
    assert claim(measure="OR", estimate="2.0", ci_low="1.0", ci_high="4.0")[0] == CONSISTENT
    verdict, findings, _ = claim(measure="OR", estimate="2.50", ci_low="1.00", ci_high="4.00")
    assert verdict == INCONSISTENT
    assert findings["interval"].recomputed == "estimate 2"
    assert claim(measure="MD", estimate="2.50", ci_low="1.00", ci_high="4.00")[0] == CONSISTENT


def test_an_interval_agrees_with_one_usual_method_or_with_none():
    counts = dict(zip(("events_treatment", "n_treatment", "events_control", "n_control"), COX, strict=True))
    newcombe = {"measure": "RD", "estimate": "62", "ci_low": "28", "ci_high": "80", "unit": "%"}
    _, findings, _ = claim(**newcombe, **counts)
    assert findings["interval from counts"].verdict == CONSISTENT
    assert "by Newcombe" in findings["interval from counts"].reason
    _, findings, _ = claim(**newcombe | {"ci_low": "10"}, **counts)
    assert findings["interval from counts"].verdict == INCONSISTENT
    assert "Wald 35.18 to 89.52" in findings["interval from counts"].recomputed


def test_p_against_counts_names_the_tests_that_agree():
    counts = dict(zip(("events_treatment", "n_treatment", "events_control", "n_control"), COX, strict=True))
    _, findings, _ = claim(**counts, p_value="0.0015")
    assert "agrees with chi square, Yates" in findings["p from counts"].reason
    verdict, findings, _ = claim(**counts, p_value="0.20")
    assert verdict == INCONSISTENT
    assert "Fisher 0.001" in findings["p from counts"].recomputed


def test_grim_only_where_the_number_counts_people():
    printed = {"measure": "proportion", "estimate": "47.4", "n_treatment": 20, "denominator_stated": "yes"}
    verdict, findings, _ = claim(**printed, is_proportion_of_people="yes")
    assert verdict == IMPOSSIBLE
    assert "9/20 = 45 %" in findings["GRIM"].reason
    for known in ("no", "unknown"):
        verdict, findings, _ = claim(**printed, is_proportion_of_people=known)
        assert verdict == UNVERIFIABLE
        assert "GRIM does not apply" in findings["GRIM"].reason
    assert claim(**printed | {"n_treatment": 19}, is_proportion_of_people="yes")[0] == CONSISTENT


def test_grim_of_a_mean_of_whole_numbers():
    mean = {"measure": "mean", "estimate": "3.45", "n_treatment": 21}
    assert claim(**mean, whole_numbers="yes")[0] == IMPOSSIBLE
    assert claim(**mean | {"estimate": "3.48"}, whole_numbers="yes")[0] == CONSISTENT
    assert claim(**mean)[0] == UNVERIFIABLE


def test_a_percentage_that_the_counts_do_not_print():
    verdict, findings, _ = claim(
        events_treatment=118, n_treatment=1157, percent_treatment="10.3", is_proportion_of_people="yes"
    )
    assert verdict == INCONSISTENT
    assert findings["GRIM"].recomputed == "10.2 %"


def test_no_table_of_the_printed_total_gives_it():
    printed = {"percent_treatment": "25", "percent_control": "15", "n_total": 40, "is_proportion_of_people": "yes"}
    verdict, findings, tables = claim(**printed, p_value="<0.0001")
    assert verdict == INCONSISTENT
    assert tables.empty
    assert findings["tables"].reason.startswith("0 of ")


def test_reconstruction_lists_exactly_the_tables_that_print_so():
    row = pd.Series(
        {"percent_treatment": "50", "percent_control": "33", "n_total": 9, "is_proportion_of_people": "yes"}
    )
    tables = reconstruct(row)
    expected = {
        (a, n1, c, 9 - n1)
        for n1 in range(1, 9)
        for a in range(n1 + 1)
        for c in range(10 - n1)
        if abs(100 * a / n1 - 50) <= 0.5 and abs(100 * c / (9 - n1) - 33) <= 0.5
    }
    assert {tuple(t) for t in tables.to_numpy().tolist()} == expected == {(3, 6, 1, 3)}


def test_too_many_tables_are_not_tried():
    printed = {"percent_treatment": "47", "percent_control": "86", "n_total": 90000, "is_proportion_of_people": "yes"}
    verdict, findings, tables = claim(**printed, p_value="0.01")
    assert verdict == UNVERIFIABLE
    assert "too many tables" in findings["tables"].reason
    assert tables.empty
    narrow = printed | {"n_total": 200, "n_low": 90, "n_high": 110}
    verdict, _, tables = claim(**narrow, p_value="<0.01")
    assert verdict == CONSISTENT
    assert tables["n_treatment"].between(90, 110).all()


def test_units_a_thousand_apart_are_seen_and_converted():
    serum = {"range_low": "0.7", "range_high": "1.1", "other_low": "0.75", "other_high": "0.95", "other_unit": "mmol/L"}
    verdict, findings, _ = claim(**serum, unit="M")
    assert verdict == INCONSISTENT
    assert findings["unit"].recomputed == "0.0007 to 0.0011 M"
    same = {"range_low": "750", "range_high": "950", "other_low": "0.75", "other_high": "0.95", "other_unit": "mM"}
    assert claim(**same, unit="µM")[0] == CONSISTENT
    assert claim(**same, unit="mg")[0] == UNVERIFIABLE


def test_a_block_is_strongest_where_its_own_z_delta_says():
    block = {"z_delta": 0.6, "blocker_side": "internal", "block_strongest_at": "negative"}
    assert claim(**block)[0] == INCONSISTENT
    assert claim(**block | {"blocker_side": "external"})[0] == CONSISTENT
    assert claim(**block | {"block_strongest_at": "positive"})[0] == CONSISTENT


def test_marks_of_the_reader_are_carried_through():
    verdict, findings, _ = claim(inverted_conditional="yes", inverted_from="P(B given A)", denominator_stated="no")
    assert verdict == INCONSISTENT
    assert findings["conditional"].recomputed == "P(B given A)"
    assert findings["denominator"].verdict == UNVERIFIABLE
    assert claim(salt_stated="Magnesium sulphate", salt_used="magnesium sulphate")[0] == CONSISTENT


def test_nothing_to_hold_on_to_is_unverifiable():
    verdict, findings, _ = claim()
    assert verdict == UNVERIFIABLE
    assert "nothing was printed" in findings["numbers"].reason


# --- printed numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "allowed", "refused"),
    [
        ("<0.05", 0.0499, 0.05),
        (">.05", 0.06, 0.05),
        ("0.013", 0.01251, 0.0136),
        ("≤0.01", 0.01, 0.0101),
        ("1e-4", 9.9e-5, 2e-4),
        ("P < .01", 0.009, 0.01),
    ],
)
def test_a_printed_p_allows_what_prints_so(text, allowed, refused):
    p = read_p(text)
    assert bool(p.allows(allowed))
    assert not bool(p.allows(refused))


@pytest.mark.parametrize("text", ["0,05", "p", "abc", "1.2", "--1", "<"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(InputError):
        read_p(text)


@given(st.integers(1, 400), st.integers(0, 3), st.data())
def test_a_count_prints_as_itself(n, decimals, data):
    k = data.draw(st.integers(0, n))
    printed = read_number(f"{100 * k / n:.{decimals}f}")
    assert k in counts_that_print(printed, n)
    assert n in sizes_that_print(printed, [n])


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_true_counts_are_never_called_inconsistent(n1, n2, data):
    a, c = data.draw(st.integers(1, n1)), data.draw(st.integers(1, n2))
    estimate, intervals = twobytwo.risk_ratio(a, n1, c, n2)
    low, high = intervals["Wald (log)"] if "Wald (log)" in intervals else next(iter(intervals.values()))
    verdict, findings, _ = claim(
        measure="RR",
        estimate=f"{estimate:.3f}",
        ci_low=f"{low:.3f}",
        ci_high=f"{high:.3f}",
        p_value=f"{twobytwo.fisher(a, n1, c, n2):.3f}",
        events_treatment=a,
        n_treatment=n1,
        events_control=c,
        n_control=n2,
        percent_treatment=f"{100 * a / n1:.1f}",
        percent_control=f"{100 * c / n2:.1f}",
        is_proportion_of_people="yes",
    )
    contradicted = {name for name, f in findings.items() if f.verdict in (INCONSISTENT, IMPOSSIBLE)}
    # Fisher's p is not the p of a Wald interval: only that comparison may differ.
    assert contradicted <= {"p from interval"}, verdict


def test_many_tables_at_once_equal_one_at_a_time():
    rng = np.random.default_rng(3)
    n1, n2 = rng.integers(5, 90, (2, 40))
    a, c = rng.integers(1, n1), rng.integers(1, n2)
    for measure in twobytwo.MEASURES.values():
        together, intervals = measure(a, n1, c, n2)
        for i in range(40):
            alone, limits = measure(a[i], n1[i], c[i], n2[i])
            assert alone == pytest.approx(together[i], rel=1e-12)
            for name, pair in limits.items():
                np.testing.assert_allclose(pair, [end[i] for end in intervals[name]], rtol=1e-12)


def test_a_mistyped_column_and_a_bad_value_are_problems_of_the_table(tmp_path):
    path = tmp_path / "claims.csv"
    path.write_text('claim_id,statement,source,estimate,measure\na,s,t,"0,5",OR\na,s,t,0.5,XX\n', encoding="utf-8")
    _, problems = read_input_table(path, load_schema("claims"), "claims.csv")
    assert {(p.row, p.column) for p in problems} == {(2, "estimate"), (3, "claim_id"), (3, "measure")}
