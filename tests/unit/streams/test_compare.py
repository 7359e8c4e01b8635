"""A kept state against one that is rebuilt: equal after any crash, and every change is named."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from streams import state as states
from streams.compare import ABSENT, NAMED_MAX, Comparison, Scope
from streams.migrate import VERSION
from streams.partition import Partition
from streams.rebuild import snapshot_of
from streams.rules import RuleSet
from streams.state import SiteState
from tests.support.cities import City, random_steps
from tests.support.folds import quiet_run, taken_over, troubled_run, value_rule, written
from tests.support.old_state import as_version
from tests.support.street import SITE, Street

RULES = RuleSet.of([value_rule("ozone-high", "air.ozone_ugm3")])


def compared(kept: Partition, rebuilt: Partition, scope: Scope | None = None) -> Comparison:
    found = Comparison()
    for name in sorted(kept.sites.keys() | rebuilt.sites.keys()):
        one, other = kept.sites.get(name), rebuilt.sites.get(name)
        if one is None:
            found.unknown_site(name)
            continue
        theirs = None if other is None else snapshot_of(other, rebuilt)
        found.site(snapshot_of(one, kept), theirs, scope or Scope())
    return found


def busy() -> Street:
    street = Street(RULES)
    for second in range(30):
        street.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=95.0 + second % 12)
        street.says("th-1", "temperature", celsius=float(second))
        street.ticks(1)
    return street


@pytest.mark.parametrize("seed", range(12))
def test_a_state_that_went_through_crashes_and_zombies_is_what_the_log_says(seed):
    log = City().play(random_steps(seed, 130))
    found = compared(troubled_run(log, Random(seed))[0], quiet_run(log)[0])
    assert found.first == []
    assert found.values > 100


@pytest.mark.parametrize(
    "change,device,field",
    [
        (lambda d: setattr(d, "duplicates", 9), "th-1", "duplicates"),
        (lambda d: setattr(d, "kind", "desk"), "th-1", "kind"),
        (lambda d: setattr(d.presence, "state", "stale"), "th-1", "presence, state"),
        (lambda d: d.memory.boots[1].append([90, 91, 0]), "th-1", "boot 1, seqs seen"),
        (lambda d: setattr(d.memory, "evicted", 3), "th-1", "memory, oldest boots forgotten up to"),
        (lambda d: setattr(d.feeds[0], "people", 3), "th-1", "temperature ambient, people"),
        (
            lambda d: d.watches.named["ozone-high"].judged_calm(2**60),
            "ion-1",
            "alert ozone-high, last judged",
        ),
    ],
)
def test_one_value_that_was_changed_is_named(change, device, field):
    kept, rebuilt = busy(), busy()
    snapshot_of(kept.part.sites[SITE], kept.part)
    change(kept.part.sites[SITE].devices[device])
    found = compared(kept.part, rebuilt.part)
    assert [(one.site, one.device, one.field) for one in found.first] == [(SITE, device, field)]


def test_a_windows_cell_is_named_by_its_series_start_and_statistic():
    kept, rebuilt = busy(), busy()
    cells = kept.part.sites[SITE].devices["th-1"].feeds[0].open[0].popitem()
    kept.part.sites[SITE].devices["th-1"].feeds[0].open[0][cells[0]] = cells[1]
    cells[1].cells[2] += 1.0
    (one,) = compared(kept.part, rebuilt.part).first
    assert one.field == "temperature ambient, 10s window of 2026-01-01T00:00:20Z, celsius sum"
    assert one.kept == one.rebuilt + 1.0


def test_a_device_and_a_site_that_one_side_lacks_are_named():
    kept, rebuilt = busy(), busy()
    rebuilt.send(rebuilt.line("th-9", "temperature", site="other", celsius=1.0))
    del rebuilt.part.sites[SITE].devices["th-1"]
    found = compared(kept.part, rebuilt.part)
    named = {(one.site, one.device, one.field): (one.kept, one.rebuilt) for one in found.first}
    assert named[SITE, "th-1", "device"] == ("there", ABSENT)
    assert named["other", "", "site"] == (ABSENT, "there")


def test_of_many_differences_the_first_are_named_and_all_are_counted():
    kept, rebuilt = busy(), Street(RULES)
    rebuilt.says("ion-1", "air", efficiency_pct=1.0)
    found = compared(kept.part, rebuilt.part)
    assert len(found.first) == NAMED_MAX
    assert found.differences > NAMED_MAX


def test_alerts_are_left_out_where_other_rules_made_them():
    kept, rebuilt = busy(), busy()
    kept.part.sites[SITE].devices["ion-1"].watches.named["ozone-high"].judged_calm(2**60)
    assert compared(kept.part, rebuilt.part).differences == 1
    assert compared(kept.part, rebuilt.part, Scope(alerts=False)).differences == 0


def test_of_a_cut_log_only_open_windows_that_began_after_the_cut_are_compared():
    whole, cut = busy(), Street(RULES)
    cut.part.begin(1)
    cut.ms, cut._seqs = 15_000, {"ion-1": 15, "th-1": 15}
    for second in range(15, 30):
        cut.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=95.0 + second % 12)
        cut.says("th-1", "temperature", celsius=float(second))
        cut.ticks(1)
    cut.part.last = whole.part.last
    found = compared(whole.part, cut.part, Scope(since_ms=cut.part.begun_ms))
    assert found.first == []
    assert found.values > 20
    assert compared(whole.part, cut.part).differences > 20
    feed = whole.part.sites[SITE].devices["th-1"].feeds[0]
    feed.open[0][max(feed.open[0])].cells[0] += 1
    found = compared(whole.part, cut.part, Scope(since_ms=cut.part.begun_ms))
    assert [one.field.rpartition(", ")[2] for one in found.first] == ["readings"]


def test_a_device_that_may_be_told_once_more_is_no_difference_and_one_never_told_is():
    kept, rebuilt = busy(), busy()
    for one in (kept, rebuilt):
        one.ticks(60)
    assert compared(kept.part, rebuilt.part).differences == 0
    kept.part.sites[SITE].devices["th-1"].told = None
    assert compared(kept.part, rebuilt.part).differences == 0
    (one,) = compared(rebuilt.part, kept.part).first
    assert (one.device, one.field, one.kept, one.rebuilt) == (
        "th-1", "all of it was told", True, False,
    )  # fmt: skip


def test_since_when_a_device_is_expected_is_not_compared():
    kept = Street(RULES, [(SITE, "ionizer", "ion-7", 60_000)])
    rebuilt = Street(RULES, [(SITE, "ionizer", "ion-7", 60_000), (SITE, "desk", "d-1", None)])
    kept.ms = 5_000
    kept.ticks(5)
    rebuilt.ms = 9_000
    rebuilt.ticks(1)
    kept.part.last = rebuilt.part.last
    found = compared(kept.part, rebuilt.part)
    assert [one for one in found.first if one.device] == []
    assert found.expected_changed == 2


def ozone(street: Street, *values: float) -> None:
    for value in values:
        street.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=value)
        street.ticks(30)


def reset(street: Street, device: str, reading_type: str, **fields: float) -> None:
    street.says(device, reading_type, seq=0, **fields)
    street.ticks(1)


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_migrated_state_that_was_folded_on_is_what_the_log_says(version):
    # version 1 did not know when an alert changed last, so none has by then
    street, quiet = Street(RULES), Street(RULES)
    for one in (street, quiet):
        for _ in range(3):
            one.says("th-1", "temperature", celsius=1.0)
            ozone(one, 80.0)
        reset(one, "ion-1", "air", efficiency_pct=50.0, ozone_ugm3=80.0)
        ozone(one, 80.0)
    street.part, _ = taken_over(as_version(written(street.part), version), RULES)
    found = compared(street.part, quiet.part)
    assert (found.first, found.before_unknown) == ([], 1)
    for one in (street, quiet):
        ozone(one, 150.0, 50.0)
        reset(one, "th-1", "temperature", celsius=1.0)
    found = compared(street.part, quiet.part)
    assert (found.first, found.before_unknown) == ([], 1)
    for one in (street, quiet):
        reset(one, "ion-1", "air", efficiency_pct=50.0, ozone_ugm3=80.0)
        ozone(one, 150.0)
    found = compared(street.part, quiet.part)
    assert (found.first, found.before_unknown) == ([], 0)


def test_names_of_before_a_reset_that_differ_are_named_and_those_that_lack_are_counted():
    kept, rebuilt = busy(), busy()
    for one in (kept, rebuilt):
        reset(one, "th-1", "temperature", celsius=1.0)
    memory = kept.part.sites[SITE].devices["th-1"].memory
    memory.before.boots[1].append([90, 91, 0])
    (one,) = compared(kept.part, rebuilt.part).first
    assert (one.device, one.field) == ("th-1", "before the reset, boot 1, seqs seen")
    memory.before = None
    found = compared(kept.part, rebuilt.part)
    assert (found.first, found.before_unknown) == ([], 1)
    (one,) = {one.field for one in compared(rebuilt.part, busy().part).first if "gene" in one.field}
    assert one == "generation"


def test_a_kept_site_is_compared_in_the_form_in_which_it_is_kept():
    street = busy()
    found = states.load(written(street.part))
    assert found is not None
    (site,) = found.sites
    comparison = Comparison()
    comparison.site(site, snapshot_of(street.part.sites[SITE], street.part), Scope())
    assert comparison.differences == 0
    other = msgspec.structs.replace(site.clock, outage_ms=site.clock.outage_ms + 5)
    comparison.site(
        SiteState(site.name, site.fence, other, site.chunks),
        snapshot_of(street.part.sites[SITE], street.part),
        Scope(),
    )
    assert [one.field for one in comparison.first] == ["clock, outage_ms"]
