"""How Hypothesis runs here: without stopwatches, which a busy machine fails."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The first text of a fresh clone takes seconds (Hypothesis writes its tables of characters).
settings.register_profile("qala", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("qala")
