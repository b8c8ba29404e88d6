# Reference values of nonlinear least squares for mgk.fitting from base R: writes puromycin.csv (data of R's datasets
# package) and nls.csv (estimates and standard errors of nls; profile limits by brute force).
# Run as: Rscript tests/reference/r/regenerate.R
argument <- sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE))
folder <- dirname(normalizePath(argument))

# Limits of the profile likelihood by brute force: the other parameter minimised at each trial value, the trial value
# moved until the deviance has grown by s^2 times the quantile of F(1, dof).
limits <- function(fit, data) {
  estimate <- coef(fit)
  dof <- df.residual(fit)
  highest <- deviance(fit) * (1 + qf(0.95, 1, dof) / dof)
  deviance_at <- function(vmax, k) sum((data$rate - vmax * data$conc / (k + data$conc))^2)
  held <- list(
    vmax = function(value) optimize(function(k) deviance_at(value, k), estimate["k"] * c(0.1, 10), tol = 1e-13)$objective,
    k = function(value) optimize(function(vmax) deviance_at(vmax, value), estimate["vmax"] * c(0.1, 10), tol = 1e-10)$objective
  )
  sapply(c("vmax", "k"), function(p) {
    excess <- function(value) held[[p]](value) - highest
    c(uniroot(excess, estimate[p] * c(0.3, 1), tol = 1e-13)$root, uniroot(excess, estimate[p] * c(1, 3), tol = 1e-13)$root)
  })
}

# With the analytic gradient nls converges to rounding; with its own differences it stops at about 1e-7.
michaelis_menten <- deriv(~ vmax * conc / (k + conc), c("vmax", "k"), function(vmax, k, conc) NULL)

fitted <- function(state) {
  data <- Puromycin[Puromycin$state == state, ]
  fit <- nls(rate ~ michaelis_menten(vmax, k, conc), data, start = list(vmax = 200, k = 0.05),
             control = nls.control(tol = 1e-7))
  table <- summary(fit, correlation = TRUE)
  bounds <- limits(fit, data)
  data.frame(state = state, parameter = c("vmax", "k"), estimate = table$coefficients[, 1],
             se = table$coefficients[, 2], ci_low = bounds[1, ], ci_high = bounds[2, ],
             correlation = table$correlation[1, 2], rss = deviance(fit), r = as.character(getRversion()))
}

reference <- rbind(fitted("treated"), fitted("untreated"))
numeric <- sapply(reference, is.numeric)
reference[numeric] <- lapply(reference[numeric], function(column) sprintf("%.12g", column))
write.csv(reference, file.path(folder, "nls.csv"), row.names = FALSE, quote = FALSE)
write.csv(Puromycin, file.path(folder, "puromycin.csv"), row.names = FALSE, quote = FALSE)
