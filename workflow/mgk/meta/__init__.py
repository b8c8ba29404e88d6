"""Clinical tables: effect sizes, heterogeneity and pooling, on published counts and estimates.

`effects` turns rows of a table into an estimate and a variance each, `heterogeneity` estimates the variance
between studies, `pooling` combines them. Figures are in `mgk.figures.clinical`; diagnostics, moderators and the
checking of published claims are not here yet.
"""
