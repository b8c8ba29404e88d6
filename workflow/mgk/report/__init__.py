"""Showing results as web pages: executed notebooks to self-contained HTML, and safe pieces of HTML for the report."""
