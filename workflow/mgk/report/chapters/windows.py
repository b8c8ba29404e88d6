"""How recordings were measured, in words: what chapters on recordings share."""

from mgk.report.results import Results

# Recordings with windows of their own that are named.
MOST_NAMED = 6


def measured_in_windows(results: Results) -> str:
    """Return the windows, the polarity of the peak and the corrections of an experiment."""
    settings = results.settings
    windows = settings["windows_ms"]
    origin = f"the start of epoch {windows['epoch']}" if "epoch" in windows else "the start of the sweep"
    spans = ", ".join(f"{k} {v[0]:g} to {v[1]:g} ms" for k, v in windows.items() if k != "epoch")
    asked = {k: v for k, v in (settings.get("corrections") or {}).items() if v != "none"}
    done = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in asked.items()) or "none"
    own = list(settings.get("overrides") or {})
    spans += f" (others for {', '.join(own[:MOST_NAMED])}{' ...' if own[MOST_NAMED:] else ''})" if own else ""
    fitted = "; fitted is the peak" if settings.get("fit_window") == "peak" else ""
    return f"windows from {origin}: {spans}; peak {settings.get('polarity', 'absolute')}{fitted}; corrections: {done}"
