"""mgk: reproducible analysis of magnesium-potassium physiology."""
