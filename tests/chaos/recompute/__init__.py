"""What the telemetry topic must have come to, computed a second time.

From the topic's records and the rule files alone, by the plainest means: group, sort, sum, one
device and one rule at a time. Nothing is shared with the product's code; the tables are written
out from the contract.
"""

from tests.chaos.recompute.alerts import Change, Owner
from tests.chaos.recompute.differing import Found, differences
from tests.chaos.recompute.life import DeviceFacts
from tests.chaos.recompute.moments import LogRecord, Moment
from tests.chaos.recompute.results import found_in
from tests.chaos.recompute.sums import Flow, Window
from tests.chaos.recompute.whole import Counts, Recomputed, recompute

__all__ = [
    "Change",
    "Counts",
    "DeviceFacts",
    "Flow",
    "Found",
    "LogRecord",
    "Moment",
    "Owner",
    "Recomputed",
    "Window",
    "differences",
    "found_in",
    "recompute",
]
