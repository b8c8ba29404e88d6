# Reference values for mgk.meta from the R package metafor: reads tables.csv, writes effects.csv, pooled.csv, versions.csv.
# Run as: Rscript tests/reference/metafor/regenerate.R
# Tolerances are tight, because metafor's defaults leave errors up to 2.5e-5 in tau2.
suppressMessages(library(metafor))

argument <- sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE))
folder <- dirname(normalizePath(argument))
tables <- read.csv(file.path(folder, "tables.csv"), stringsAsFactors = FALSE)

random_methods <- c("DL", "REML", "ML", "PM", "HE", "SJ", "EB")
tests <- c("z", "t", "knha", "adhoc")
level <- 0.95

number <- function(x) ifelse(is.na(x), "", sprintf("%.17g", x))

written <- function(frame, name) {
  frame[] <- lapply(frame, function(column) if (is.numeric(column)) number(column) else column)
  write.csv(frame, file.path(folder, name), row.names = FALSE, quote = FALSE, eol = "\n")
}

effects_of <- function(rows, measure) {
  if (measure == "GEN") return(data.frame(yi = rows$estimate, vi = rows$se^2))
  # escalc's defaults, written out: 1/2 to all cells of a study with a zero cell, double-zero studies kept
  as.data.frame(escalc(measure = measure, ai = events_treatment, n1i = n_treatment, ci = events_control,
                       n2i = n_control, data = rows, add = 1 / 2, to = "only0", drop00 = FALSE))[, c("yi", "vi")]
}

# Fisher scoring stops on an absolute step: it is set in units of the spread of the table.
controls <- function(yi, vi) {
  scale <- max(var(yi), min(vi))
  list(threshold = 1e-14 * scale, tol = 1e-15 * scale, maxiter = 100000, tau2.max = 1e4 * scale)
}

interval <- function(estimate, se, quantile) c(estimate - quantile * se, estimate + quantile * se)

row_of <- function(fit, model, method, test, k) {
  data.frame(model = model, method = method, test = test, k = k, estimate = c(fit$beta), se = fit$se,
             ci_low = fit$ci.lb, ci_high = fit$ci.ub, tau2 = NA, tau2_ci_low = NA, tau2_ci_high = NA,
             i2 = fit$I2, h2 = fit$H2, q = fit$QE, q_df = NA, q_p = fit$QEp,
             pi_z_low = NA, pi_z_high = NA, pi_t1_low = NA, pi_t1_high = NA, pi_t2_low = NA, pi_t2_high = NA)
}

fitted <- function(yi, vi, method, test) {
  k <- length(yi)
  if (method == "IV") {
    row <- row_of(rma(yi, vi, method = "FE", test = test), "common", method, test, k)
    row$q_df <- k - 1
    return(row)
  }
  control <- controls(yi, vi)
  fit <- suppressWarnings(rma(yi, vi, method = method, test = test, control = control))
  row <- row_of(fit, "random", method, test, k)
  row$q_df <- k - 1
  row$tau2 <- fit$tau2
  limits <- suppressWarnings(confint(fit, control = list(tol = control$tol, maxiter = 10000, tau2.max = control$tau2.max)))
  row[c("tau2_ci_low", "tau2_ci_high")] <- limits$random["tau^2", c("ci.lb", "ci.ub")]
  spread <- sqrt(fit$se^2 + fit$tau2)
  row[c("pi_z_low", "pi_z_high")] <- interval(row$estimate, spread, qnorm(1 - (1 - level) / 2))
  row[c("pi_t1_low", "pi_t1_high")] <- interval(row$estimate, spread, qt(1 - (1 - level) / 2, k - 1))
  if (k > 2) {
    row[c("pi_t2_low", "pi_t2_high")] <- interval(row$estimate, spread, qt(1 - (1 - level) / 2, k - 2))
  }
  # the rules above are those of metafor's predict()
  own <- predict(fit)
  expected <- if (test == "z") row$pi_z_low else row$pi_t1_low
  stopifnot(isTRUE(all.equal(own$pi.lb, expected, tolerance = 1e-12)))
  if (k > 2 && test == "t") {
    riley <- predict(fit, pi.type = "riley")
    stopifnot(isTRUE(all.equal(riley$pi.lb, row$pi_t2_low, tolerance = 1e-12)))
  }
  row
}

mantel_haenszel <- function(rows, measure) {
  fit <- suppressWarnings(rma.mh(measure = measure, ai = events_treatment, n1i = n_treatment, ci = events_control,
                                 n2i = n_control, data = rows))
  row <- row_of(fit, "common", "MH", "z", fit$k)
  row$q_df <- fit$k.yi - 1
  row
}

effects <- list()
pooled <- list()
for (table in unique(tables$table)) {
  rows <- tables[tables$table == table, ]
  binary <- !is.na(rows$n_treatment[1])
  for (measure in if (binary) c("OR", "RR", "RD") else "GEN") {
    found <- effects_of(rows, measure)
    yi <- c(found$yi)
    vi <- c(found$vi)
    one <- length(yi) == 1
    reml <- if (one) NA else weights(rma(yi, vi, method = "REML", control = controls(yi, vi)))
    effects[[length(effects) + 1]] <- data.frame(
      table = table, measure = measure, study_id = rows$study_id, yi = yi, vi = vi,
      weight_common_percent = c(weights(rma(yi, vi, method = "FE"))), weight_random_percent = c(reml))
    results <- list()
    for (method in if (one) "IV" else c("IV", random_methods)) {
      for (test in if (one) "z" else tests) results[[length(results) + 1]] <- fitted(yi, vi, method, test)
    }
    if (binary) results[[length(results) + 1]] <- mantel_haenszel(rows, measure)
    pooled[[length(pooled) + 1]] <- cbind(table = table, measure = measure, do.call(rbind, results))
  }
}

# Meta-regression, the shape that heterogeneity.py is made for: BCG, log risk ratio on absolute latitude
bcg <- tables[tables$table == "bcg", ]
stopifnot(identical(as.numeric(bcg$events_treatment), as.numeric(dat.bcg$tpos)))
found <- effects_of(bcg, "RR")
latitude <- rma(found$yi, found$vi, mods = ~ dat.bcg$ablat, method = "REML", control = controls(c(found$yi), c(found$vi)))
written(data.frame(latitude = dat.bcg$ablat), "bcg_latitude.csv")
written(data.frame(coefficient = c("intercept", "latitude"), estimate = c(latitude$beta), se = latitude$se,
                   tau2 = latitude$tau2, q = latitude$QE), "bcg_regression.csv")

written(do.call(rbind, effects), "effects.csv")
written(do.call(rbind, pooled), "pooled.csv")
written(data.frame(what = c("R", "metafor", "metadat"),
                   version = c(as.character(getRversion()), as.character(packageVersion("metafor")),
                               as.character(packageVersion("metadat")))), "versions.csv")
