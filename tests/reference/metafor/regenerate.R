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

# --- everything else, in long form: references.csv -------------------------------------------------------------------
# topic: what is computed; case: model, method and test; unit: the study, coefficient or arm that a value belongs to.
suppressMessages(library(clubSandwich))

found_values <- list()

keep <- function(topic, table, measure, case, unit, values) {
  values <- unlist(lapply(values, unname))
  found_values[[length(found_values) + 1]] <<- data.frame(
    topic = topic, table = table, measure = measure, case = case, unit = as.character(unit), name = names(values),
    value = as.numeric(values))
}

keep_rows <- function(topic, table, measure, case, units, frame) {
  for (column in names(frame)) {
    values <- as.numeric(frame[[column]])
    found_values[[length(found_values) + 1]] <<- data.frame(
      topic = topic, table = table, measure = measure, case = case, unit = as.character(units), name = column, value = values)
  }
}

rma_of <- function(yi, vi, method, test = "z", mods = NULL, data = NULL) {
  control <- controls(c(yi), c(vi))
  method <- if (method == "IV") "FE" else method
  if (is.null(mods)) return(suppressWarnings(rma(yi, vi, method = method, test = test, control = control)))
  # With moderators such as a year rounding may keep the scoring steps above the tightest threshold: the next is tried.
  for (looser in c(1, 10, 100, 1000, 1e4)) {
    fit <- try(suppressWarnings(rma(yi, vi, mods = mods, data = data, method = method, test = test, control =
      modifyList(control, list(threshold = control$threshold * looser, maxiter = 10000)))), silent = TRUE)
    if (!inherits(fit, "try-error")) return(fit)
  }
  stop(fit)
}

more <- read.csv(file.path(folder, "more_tables.csv"), stringsAsFactors = FALSE)
moderators <- read.csv(file.path(folder, "moderators.csv"), stringsAsFactors = FALSE)

other_effects <- function(table, measure) {
  if (measure %in% c("PETO", "AS")) {
    rows <- tables[tables$table == table, ]
    return(escalc(measure = measure, ai = events_treatment, n1i = n_treatment, ci = events_control, n2i = n_control,
                  data = rows, to = "only0", drop00 = FALSE))
  }
  rows <- more[more$table == table, ]
  if (measure %in% c("MD", "SMD", "ROM")) {
    return(escalc(measure = measure, m1i = mean_treatment, sd1i = sd_treatment, n1i = n_treatment, m2i = mean_control,
                  sd2i = sd_control, n2i = n_control, data = rows))
  }
  if (measure == "SMCR") {  # metafor divides by the SD of the first mean: control comes first, and the sign is turned
    turned <- escalc(measure = measure, m1i = mean_control, sd1i = sd_control, m2i = mean_treatment,
                     sd2i = sd_treatment, ni = n, ri = correlation, data = rows)
    turned$yi <- -turned$yi
    return(turned)
  }
  if (measure %in% c("MC", "SMCC", "ROMC")) {
    return(escalc(measure = measure, m1i = mean_treatment, sd1i = sd_treatment, m2i = mean_control, sd2i = sd_control,
                  ni = n, ri = correlation, data = rows))
  }
  escalc(measure = measure, xi = events, ni = n, data = rows)
}

binary_tables <- c("bcg", "egger2001", "li2007", "sparse", "two_trials", "one_trial")
others <- list()
for (table in binary_tables) for (measure in c("PETO", "AS")) others[[length(others) + 1]] <- c(table, measure)
for (measure in c("MD", "SMD", "ROM")) others[[length(others) + 1]] <- c("normand1999", measure)
for (measure in c("MC", "SMCC", "SMCR", "ROMC")) others[[length(others) + 1]] <- c("crossover", measure)
for (table in c("pritz1997", "rare")) {
  for (measure in c("PR", "PLO", "PFT", "PAS")) others[[length(others) + 1]] <- c(table, measure)
}
back <- list(PLO = transf.ilogit, PAS = transf.iarcsin)
for (case in others) {
  table <- case[1]
  measure <- case[2]
  found <- other_effects(table, measure)
  keep_rows("effects", table, measure, "", found$study_id, data.frame(yi = c(found$yi), vi = c(found$vi)))
  if (measure == "PFT") {
    proportion <- transf.ipft(c(found$yi), found$n)
    keep_rows("effects", table, measure, "", found$study_id, data.frame(back_transformed_estimate = proportion))
  }
  if (nrow(found) == 1) next
  for (method in c("IV", "DL", "REML", "PM")) for (test in c("z", "knha")) {
    fit <- rma_of(c(found$yi), c(found$vi), method, test)
    values <- list(estimate = c(fit$beta), se = fit$se, ci_low = fit$ci.lb, ci_high = fit$ci.ub, q = fit$QE, i2 = fit$I2)
    if (method != "IV") values$tau2 <- fit$tau2
    if (measure %in% names(back)) values$back_transformed_estimate <- back[[measure]](c(fit$beta))
    if (measure == "PFT") {
      shown <- predict(fit, transf = transf.ipft.hm, targs = list(ni = found$n))
      values <- c(values, back_transformed_estimate = shown$pred, back_transformed_ci_low = shown$ci.lb,
                  back_transformed_ci_high = shown$ci.ub)
    }
    keep("pooled", table, measure, paste(method, test), "", values)
  }
}

for (table in binary_tables) {
  rows <- tables[tables$table == table, ]
  fit <- suppressWarnings(rma.peto(ai = events_treatment, n1i = n_treatment, ci = events_control, n2i = n_control,
                                   data = rows))
  values <- list(estimate = c(fit$beta), se = fit$se, ci_low = fit$ci.lb, ci_high = fit$ci.ub)
  if (fit$k.yi > 1) values <- c(values, q = fit$QE, q_df = fit$k.yi - 1, q_p = fit$QEp, i2 = fit$I2, h2 = fit$H2)
  keep("peto", table, "PETO", "PETO z", "", values)
}

# Meta-regression
models <- list(
  list("bcg", "RR", ~ latitude), list("bcg", "RR", ~ year), list("bcg", "RR", ~ allocation),
  list("bcg", "RR", ~ latitude + year), list("bcg", "RR", ~ latitude + year + allocation), list("li2007", "OR", ~ year),
  list("curtin2002", "GEN", ~ year))
for (model in models) {
  table <- model[[1]]
  found <- effects_of(tables[tables$table == table, ], model[[2]])
  given <- moderators[moderators$table == table, ]
  for (method in c("IV", "DL", "REML", "ML", "PM", "HE", "SJ", "EB")) for (test in c("z", "knha")) {
    fit <- rma_of(c(found$yi), c(found$vi), method, test, model[[3]], given)
    case <- paste(paste(all.vars(model[[3]]), collapse = " + "), method, test, sep = "|")
    values <- list(qm = fit$QM, qm_p = fit$QMp, qm_df = fit$m, qe = fit$QE, qe_df = fit$k - fit$p, qe_p = fit$QEp)
    if (method != "IV") {
      total <- rma_of(c(found$yi), c(found$vi), method)$tau2
      values <- c(values, tau2 = fit$tau2, i2 = fit$I2, h2 = fit$H2, tau2_total = total)
      if (total > 0) values$r2 <- 100 * max(0, (total - fit$tau2) / total)
    }
    keep("regression", table, model[[2]], case, "", values)
    keep_rows("coefficients", table, model[[2]], case, rownames(fit$beta), data.frame(
      estimate = c(fit$beta), se = fit$se, statistic = fit$zval, p = fit$pval, ci_low = fit$ci.lb, ci_high = fit$ci.ub))
  }
}

# Dependent rows
for (case in list(c("curtin2002", "GEN"), c("bcg", "RR"), c("li2007", "OR"))) {
  found <- effects_of(tables[tables$table == case[1], ], case[2])
  data <- data.frame(yi = c(found$yi), vi = c(found$vi), row = seq_along(found$yi),
                     cluster = moderators$cluster[moderators$table == case[1]])
  robust <- function(fit) {
    test <- coef_test(fit, vcov = "CR2", cluster = data$cluster)
    list(estimate = test$beta, se = test$SE, df = test$df, p = test$p_Satt)
  }
  flat <- rma_of(data$yi, data$vi, "REML")
  keep("dependence", case[1], case[2], "independent CR2", "", robust(flat))
  deep <- suppressWarnings(rma.mv(yi, vi, random = ~ 1 | cluster / row, data = data,
                                  control = list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-16)))
  keep("dependence", case[1], case[2], "three_level z", "", list(
    estimate = c(deep$beta), se = deep$se, tau2_between = deep$sigma2[1], tau2_within = deep$sigma2[2],
    log_likelihood = c(logLik(deep))))
  keep("dependence", case[1], case[2], "three_level CR2", "", robust(deep))
  # CR2 at round variances, which both programs are given: no optimiser stands between them
  held <- suppressWarnings(rma.mv(yi, vi, random = ~ 1 | cluster / row, data = data, sigma2 = c(0.5, 0.25)))
  keep("dependence", case[1], case[2], "held CR2", "", robust(held))
}

# Diagnostics
summary_columns <- c(estimate = "estimate", se = "se", ci_low = "ci.lb", ci_high = "ci.ub", q = "Q", q_p = "Qp",
                     i2 = "I2", tau2 = "tau2")
summaries <- function(result, method) {
  frame <- as.data.frame(unclass(result)[summary_columns[if (method == "IV") 1:7 else 1:8]])
  names(frame) <- names(summary_columns)[if (method == "IV") 1:7 else 1:8]
  frame
}
linear <- function(y, x, weights) {
  fit <- lm(y ~ x, weights = weights)
  slope <- coef(summary(fit))[2, ]
  limits <- confint(fit)[1, ]
  list(estimate = slope[[1]], se = slope[[2]], statistic = slope[[3]], p = slope[[4]], df = fit$df.residual,
       limit_estimate = coef(fit)[[1]], limit_ci_low = limits[[1]], limit_ci_high = limits[[2]])
}
diagnosed <- list(c("bcg", "RR"), c("bcg", "OR"), c("li2007", "OR"), c("egger2001", "OR"), c("sparse", "OR"),
                  c("curtin2002", "GEN"), c("huge_spread", "GEN"), c("unequal_errors", "GEN"))
pdf(NULL)
for (case in diagnosed) {
  table <- case[1]
  rows <- tables[tables$table == table, ]
  found <- effects_of(rows, case[2])
  yi <- c(found$yi)
  vi <- c(found$vi)
  for (choice in list(c("IV", "z"), c("REML", "knha"), c("DL", "z"))) {
    fit <- rma_of(yi, vi, choice[1], choice[2])
    label <- paste(choice, collapse = " ")
    keep_rows("leave_one_out", table, case[2], label, rows$study_id, summaries(leave1out(fit), choice[1]))
    steps <- summaries(cumul(fit), choice[1])
    keep_rows("cumulative", table, case[2], label, rows$study_id[-1], steps[-1, ])
  }
  for (method in c("IV", "REML")) {
    fit <- rma_of(yi, vi, method)
    result <- influence(fit)
    frame <- as.data.frame(result$inf)[c("rstudent", "dffits", "cook.d", "cov.r", "tau2.del", "QE.del", "hat", "weight")]
    names(frame) <- c("rstudent", "dffits", "cook_d", "cov_r", "tau2_deleted", "q_deleted", "hat", "weight_percent")
    frame$dfbetas <- as.data.frame(result$dfbs)[[1]]
    frame$influential <- as.numeric(result$is.infl)
    places <- baujat(fit)
    frame$baujat_x <- places$x
    frame$baujat_y <- places$y
    keep_rows("influence", table, case[2], method, rows$study_id, frame)
    for (estimator in c("L0", "R0")) {
      filled <- trimfill(fit, estimator = estimator, control = controls(yi, vi))
      values <- list(n_missing = filled$k0, n_missing_se = filled$se.k0, right = as.numeric(filled$side == "right"),
                     limit_estimate = c(filled$beta), limit_ci_low = filled$ci.lb, limit_ci_high = filled$ci.ub)
      if (estimator == "R0") values$p <- filled$p.k0
      keep("small_study", table, case[2], paste0("trim_fill_", estimator), if (method == "IV") "common" else "random",
           values)
    }
  }
  fit <- rma_of(yi, vi, "REML")
  own <- regtest(fit, model = "lm")
  egger <- linear(yi, sqrt(vi), 1 / vi)
  stopifnot(isTRUE(all.equal(c(own$zval, own$pval), c(egger$statistic, egger$p), tolerance = 1e-10)))
  keep("small_study", table, case[2], "egger_lm", "lm", egger)
  own <- regtest(fit, model = "rma")
  keep("small_study", table, case[2], "egger_rma", "random", list(
    estimate = c(own$fit$beta)[2], se = own$fit$se[2], statistic = own$zval, p = own$pval, limit_estimate = own$est,
    limit_ci_low = own$ci.lb, limit_ci_high = own$ci.ub))
  own <- suppressWarnings(ranktest(fit))
  keep("small_study", table, case[2], "begg", "rank", list(statistic = own$tau, p = own$pval))
  if (case[2] != "OR") next
  # Harbord and Peters are not in metafor: their published regressions by R's lm
  a <- rows$events_treatment
  c <- rows$events_control
  n <- rows$n_treatment + rows$n_control
  events <- a + c
  some <- events > 0 & events < n
  variance <- events * (n - events) * (rows$n_treatment / n) * (rows$n_control / n) / (n - 1)
  score <- (a - events * rows$n_treatment / n) / variance
  rm(c)
  keep("small_study", table, "OR", "harbord", "lm",
       linear(score[some], 1 / sqrt(variance[some]), variance[some]))
  keep("small_study", table, "OR", "peters", "lm",
       linear(yi[some], 1 / n[some], 1 / (1 / events[some] + 1 / (n - events)[some])))
}

# Logit-normal models. UM.RS is a Laplace approximation in metafor; there lme4's own tolerances stop up to 6e-3 short in
# the estimate's error, 1.3e-2 in tau2. No tighter ones are had: at 1e-12 lme4 fails on one table.
tight <- list(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.01, rhoend = 1e-11, maxfun = 100000), tolPwrss = 1e-11)
for (table in c("bcg", "li2007", "egger2001", "sparse")) {
  rows <- tables[tables$table == table, ]
  for (form in c("UM.FS", "UM.RS")) for (method in c("FE", "ML")) {
    fit <- suppressWarnings(rma.glmm(measure = "OR", ai = events_treatment, n1i = n_treatment, ci = events_control,
                                     n2i = n_control, data = rows, model = form, method = method,
                                     nAGQ = if (form == "UM.FS") 25 else 1,
                                     control = if (form == "UM.RS") list(glmerCtrl = tight) else list()))
    values <- list(estimate = c(fit$beta), se = fit$se, tau2 = fit$tau2)
    if (form == "UM.FS" && method == "FE") values <- c(values, lrt = fit$QE.LRT, lrt_p = fit$QEp.LRT)
    if (form == "UM.RS") values$tau2_intercept <- fit$sigma2
    keep("glmm", table, "OR", paste(form, if (method == "FE") "common" else "random"), "", values)
  }
}
for (table in c("pritz1997", "rare")) {
  rows <- more[more$table == table, ]
  for (method in c("FE", "ML")) {
    fit <- suppressWarnings(rma.glmm(measure = "PLO", xi = events, ni = n, data = rows, method = method, nAGQ = 25))
    values <- list(estimate = c(fit$beta), se = fit$se, tau2 = fit$tau2)
    if (method == "FE") values <- c(values, lrt = fit$QE.LRT, lrt_p = fit$QEp.LRT)
    keep("glmm", table, "PLO", paste("logit_normal", if (method == "FE") "common" else "random"), "", values)
  }
}

# Counts: exact and score intervals, and the conditional odds ratio by a tight root (fisher.test's own is loose)
conditional <- function(a, n1, c, n2) {
  x <- max(0, a + c - n2):min(n1, a + c)
  logs <- lchoose(n1, x) + lchoose(n2, a + c - x)
  p <- function(beta) { d <- logs + x * beta; d <- exp(d - max(d)); d / sum(d) }
  root <- function(f) exp(uniroot(f, c(-30, 30), tol = 1e-15, maxiter = 10000)$root)
  list(conditional_or = root(function(b) sum(x * p(b)) - a),
       conditional_or_low = root(function(b) sum(p(b)[x >= a]) - 0.025),
       conditional_or_high = root(function(b) sum(p(b)[x <= a]) - 0.025),
       fisher_p = fisher.test(matrix(c(a, n1 - a, c, n2 - c), 2))$p.value)
}
for (table in c("bcg", "li2007")) {
  rows <- tables[tables$table == table, ]
  for (i in seq_len(nrow(rows))) {
    r <- rows[i, ]
    wilson <- suppressWarnings(prop.test(r$events_treatment, r$n_treatment, correct = FALSE))$conf.int
    exact <- binom.test(r$events_treatment, r$n_treatment)$conf.int
    values <- list(risk_treatment_wilson_low = wilson[1], risk_treatment_wilson_high = wilson[2],
                   risk_treatment_exact_low = exact[1], risk_treatment_exact_high = exact[2])
    cells <- c(r$events_treatment, r$events_control)
    if (all(cells > 0)) {
      values <- c(values, conditional(r$events_treatment, r$n_treatment, r$events_control, r$n_control))
    }
    keep("counts", table, "OR", "", r$study_id, values)
  }
}

written(do.call(rbind, found_values), "references.csv")

# --- bivariate model of the arms' logits: bivariate.csv ---------------------------------------------------------------
logits <- function(rows, arm) {
  found <- escalc(measure = "PLO", xi = rows[[paste0("events_", arm)]], ni = rows[[paste0("n_", arm)]], add = 1 / 2,
                  to = "only0")
  data.frame(yi = c(found$yi), vi = c(found$vi), group = arm, study = rows$study_id)
}
fits <- list()
for (table in c("bcg", "li2007", "egger2001")) for (method in c("ML", "REML")) {
  rows <- tables[tables$table == table, ]
  data <- rbind(logits(rows, "control"), logits(rows, "treatment"))
  fit <- rma.mv(yi, vi, mods = ~ group - 1, random = ~ group | study, struct = "UN", data = data, method = method,
                control = list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-16, maxit = 10000))
  fits[[length(fits) + 1]] <- data.frame(
    table = table, method = method, k = nrow(rows), control_logit = fit$beta[1], treatment_logit = fit$beta[2],
    control_logit_se = fit$se[1], treatment_logit_se = fit$se[2], covariance = vcov(fit)[1, 2],
    tau2_control = fit$tau2[1], tau2_treatment = fit$tau2[2], rho = fit$rho, log_likelihood = c(logLik(fit)))
}
written(do.call(rbind, fits), "bivariate.csv")

# --- designs: shared control groups and cluster trials: designs.csv ----------------------------------------------------
# The covariance of rows with one control group is written out here (Gleser and Olkin 2009), not taken from mgk.
arms <- read.csv(file.path(folder, "design_tables.csv"), stringsAsFactors = FALSE)

control_part <- function(rows, measure) {
  cell <- rows[c("events_treatment", "n_treatment", "events_control", "n_control")]
  zero <- with(cell, events_treatment == 0 | events_control == 0 | events_treatment == n_treatment |
                 events_control == n_control)
  c <- cell$events_control + zero / 2
  n <- cell$n_control + zero
  switch(measure, OR = 1 / c + 1 / (n - c), RR = 1 / c - 1 / n, RD = c * (n - c) / n^3, AS = 1 / (4 * rows$n_control),
         MD = rows$sd_control^2 / rows$n_control, ROM = rows$sd_control^2 / (rows$n_control * rows$mean_control^2),
         SMD = 1 / rows$n_control)
}

covariance <- function(rows, yi, vi, measure) {
  V <- diag(vi)
  part <- control_part(rows, measure)
  for (i in seq_along(vi)) for (j in seq_along(vi)) {
    if (i == j || rows$shared_control[i] == "" || rows$shared_control[i] != rows$shared_control[j]) next
    V[i, j] <- sqrt(part[i] * part[j])
    if (measure == "SMD") {
      together <- rows$shared_control == rows$shared_control[i]
      V[i, j] <- V[i, j] + yi[i] * yi[j] / (2 * (sum(rows$n_treatment[together]) + rows$n_control[i]))
    }
  }
  V
}

design_values <- list()
add_design <- function(table, measure, case, values) {
  values <- unlist(lapply(values, unname))
  design_values[[length(design_values) + 1]] <<- data.frame(
    table = table, measure = measure, case = case, name = names(values), value = as.numeric(values))
}

for (case in list(c("hasselblad1998", "OR"), c("hasselblad1998", "RR"), c("hasselblad1998", "RD"),
                  c("hasselblad1998", "AS"), c("three_arms", "MD"), c("three_arms", "SMD"), c("three_arms", "ROM"))) {
  rows <- arms[arms$table == case[1], ]
  found <- if (case[1] == "three_arms") {
    escalc(measure = case[2], m1i = mean_treatment, sd1i = sd_treatment, n1i = n_treatment, m2i = mean_control,
           sd2i = sd_control, n2i = n_control, data = rows)
  } else {
    escalc(measure = case[2], ai = events_treatment, n1i = n_treatment, ci = events_control, n2i = n_control,
           data = rows, to = "only0", drop00 = FALSE)
  }
  data <- data.frame(yi = c(found$yi), vi = c(found$vi), row = seq_len(nrow(rows)), trial = rows$trial_id)
  V <- covariance(rows, data$yi, data$vi, case[2])
  robust <- function(fit) {
    test <- coef_test(fit, vcov = "CR2", cluster = data$trial)
    list(estimate = test$beta, se = test$SE, df = test$df, p = test$p_Satt)
  }
  flat <- rma.mv(yi, V, data = data)
  add_design(case[1], case[2], "common z", list(estimate = c(flat$beta), se = flat$se, p = flat$pval))
  add_design(case[1], case[2], "common CR2", robust(flat))
  deep <- suppressWarnings(rma.mv(yi, V, random = ~ 1 | trial / row, data = data,
                                  control = list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-16)))
  add_design(case[1], case[2], "three_level z", list(
    estimate = c(deep$beta), se = deep$se, tau2_between = deep$sigma2[1], tau2_within = deep$sigma2[2],
    log_likelihood = c(logLik(deep))))
  add_design(case[1], case[2], "three_level CR2", robust(deep))
}

# Cluster trials by their effective sample size, counts and people divided by the design effect
rows <- arms[arms$table == "cluster_trials", ]
effect <- ifelse(rows$design == "cluster", 1 + (rows$cluster_size - 1) * rows$icc, 1)
for (measure in c("OR", "RR", "RD")) {
  effective <- list(ai = rows$events_treatment / effect, n1i = rows$n_treatment / effect,
                    ci = rows$events_control / effect, n2i = rows$n_control / effect, measure = measure)
  found <- do.call(escalc, effective)
  fit <- rma_of(c(found$yi), c(found$vi), "REML")
  add_design("cluster_trials", measure, "REML z", list(estimate = c(fit$beta), se = fit$se, tau2 = fit$tau2, q = fit$QE))
  fit <- suppressWarnings(do.call(rma.mh, effective))
  add_design("cluster_trials", measure, "MH z", list(estimate = c(fit$beta), se = fit$se))
}
fit <- suppressWarnings(do.call(rma.peto, effective[1:4]))
add_design("cluster_trials", "OR", "PETO z", list(estimate = c(fit$beta), se = fit$se))
written(do.call(rbind, design_values), "designs.csv")
