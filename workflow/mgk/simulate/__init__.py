"""Demonstration data with known truth, in the genuine vendor formats.

`raw_data/truth.yaml` is what is put in. Nothing of the analysis may read it but the report, which shows what was put in
beside what was recovered.
"""
