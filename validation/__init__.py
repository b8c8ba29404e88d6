"""What the methods do to data of known truth: many simulated studies, bias and coverage. `make validate` runs it."""
