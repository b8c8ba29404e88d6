"""The chapter on the salts of magnesium."""

from mgk.report.chapters.chapter import Chapter, count_rows, no_key_numbers, table_of_study
from mgk.report.html import Fragment
from mgk.report.origins import results_table
from mgk.report.results import Results

ABOUT = """## Salts of magnesium
Elemental magnesium by mass, and the mass of each salt that reaches the upper level for supplements. Mass alone says
nothing about absorption.
"""
SHOWN = ("salt", "molar_mass_g_mol", "elemental_percent", "salt_mg_at_upper_level", "flag", "source")
LABELS = {"salt": "Salt", "molar_mass_g_mol": "Molar mass (g/mol)", "flag": "Flag", "source": "Source"}
LABELS |= {"elemental_percent": "Elemental Mg (% by mass)", "salt_mg_at_upper_level": "Salt at 350 mg of Mg (mg)"}


def tables(results: Results) -> Fragment:
    """Show elemental magnesium and the mass at the upper level."""
    forms = results.table("magnesium_forms.csv", text=("flag",))
    caption = "Elemental magnesium, and the upper level of 350 mg from supplements"
    return results_table(results, "magnesium_forms.csv", forms[list(SHOWN)], caption, LABELS)


CHAPTER = Chapter(ABOUT, tables, count_rows, no_key_numbers, table_of_study)
