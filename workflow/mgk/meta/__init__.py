"""Clinical tables: effect sizes, heterogeneity and pooling, on published counts, means and estimates.

`effects` turns rows of a table into an estimate and a variance each (`columns` and `row_checks` read and check them,
`designs` adds what cluster, cross-over and shared-control designs do), `heterogeneity` estimates the variance between
studies, `pooling` combines them; `diagnostics`, `regression`, `dependence` and `sparse` ask what single studies,
moderators, dependent rows and zero cells do to the result, `bivariate` whether it goes with the control group's risk.
`plan` is what the config asks of a table, `words` says what was done and found. `claims` checks what was printed
(with `twobytwo`), `forms` weighs salts. Figures are in `mgk.figures.clinical`.
"""
