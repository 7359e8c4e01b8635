"""Boards drawn from an InfluxDB that holds a small city, by `qala dashboards preview`."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
import pytest_asyncio

from infra.provision.influx import provision_influx
from schemas.connections import InfluxConnection
from sinks.influx import InfluxSink
from tests.support.board_city import DEVICES, BoardCity
from tests.support.stack import QALA

UIDS = ("qala-city", "qala-streets", "qala-alerts", "qala-pipeline")
SITES = {site for site, _, _ in DEVICES}
_SCRIPT = re.compile(r"(<script[^>]*>).*?</script>", re.DOTALL)


class Drawn(NamedTuple):
    """A folder of pages, and what is needed to draw them again."""

    folder: Path
    told: list[dict[str, Any]]
    environ: dict[str, str]
    end_s: int

    def page(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def words(self, name: str) -> str:
        """What a page says, without its scripts and its markup."""
        markup = _SCRIPT.sub(r"\1", self.page(name)).split("</head>")[1]
        return unescape(re.sub(r"<[^>]+>", " ", markup)).replace("\u202f", " ")


def preview(drawn: Drawn, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(QALA), "dashboards", "preview", *options],
        env=drawn.environ,
        cwd=drawn.folder,
        capture_output=True,
        text=True,
        check=False,
    )


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def drawn(
    any_influxdb: InfluxConnection, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Drawn]:
    influx = any_influxdb.model_copy(update={"database": "preview"})
    await provision_influx(influx)
    city = BoardCity(int(time.time()) * 1000)
    sink = InfluxSink(influx, timeout_s=60)
    for policy, rows in city.rows.items():
        for start in range(0, len(rows), 5000):
            assert not (await sink.write(policy, rows[start : start + 5000])).rejected
    await sink.close()
    made = Drawn(
        tmp_path_factory.mktemp("boards"),
        [],
        {
            "QALA_INFLUX_URL": influx.url,
            "QALA_INFLUX_TOKEN": influx.token.get_secret_value(),
            "QALA_INFLUX_DATABASE": "preview",
            "PATH": "/usr/bin:/bin",
        },
        city.end_ms // 1000,
    )
    done = preview(
        made, "--out", ".", "--now", moment(made.end_s), "--range", "3h", "--devices", "4", "--json"
    )
    assert done.returncode == 0, done.stderr
    made.told.extend(json.loads(done.stdout))
    yield made


async def test_each_board_site_and_chosen_device_has_a_page(drawn: Drawn) -> None:
    names = {entry["file"] for entry in drawn.told}
    assert {path.name for path in drawn.folder.glob("*.html")} == names
    assert {f"qala-site.{site}.html" for site in SITES} <= names
    assert len([name for name in names if name.startswith("qala-device.")]) == 4
    assert {"qala-city.html", "qala-ionizers.html", "qala-pipeline.html"} <= names


async def test_devices_without_a_page_are_counted_on_the_page_of_their_site(drawn: Drawn) -> None:
    of_device = {name for name in (e["file"] for e in drawn.told) if "-device." in name}
    assert len({name.split(".")[1] for name in of_device}) == 4
    told = 0
    for site in SITES:
        lacking = sum(
            f"qala-device.{site}.{device}.html" not in of_device
            for at, _, device in DEVICES
            if at == site
        )
        found = re.search(
            r"(\d+) devices? ha(?:s|ve) no page", drawn.words(f"qala-site.{site}.html")
        )
        assert int(found[1] if found else 0) == lacking
        told += lacking
    assert told == len(DEVICES) - 4


async def test_output_says_how_many_devices_have_no_page_and_what_draws_all(drawn: Drawn) -> None:
    only = ("--out", "few", "--board", "qala-device", "--now", moment(drawn.end_s))
    said = f"{len(DEVICES)} devices, pages for 2: `--devices {len(DEVICES)}` draws all"
    few = preview(drawn, *only, "--devices", "2")
    assert said in few.stdout
    as_json = preview(drawn, *only, "--devices", "2", "--json")
    assert (len(json.loads(as_json.stdout)), as_json.stderr.strip()) == (2, said)
    every = preview(drawn, *only, "--devices", f"{len(DEVICES)}")
    assert (every.returncode, "draws all" in every.stdout) == (0, False)


async def test_each_link_of_each_page_leads_to_a_page_that_is_there(drawn: Drawn) -> None:
    for path in drawn.folder.glob("*.html"):
        markup = _SCRIPT.sub(r"\1", path.read_text(encoding="utf-8"))
        links = re.findall(r'href="([^"]+)"', markup)
        assert links
        assert all((drawn.folder / unquote(unescape(link))).is_file() for link in links)
    assert 'href="qala-site.stop-1.html"' in drawn.page("qala-city.html")
    assert 'href="qala-city.html"' in drawn.page("qala-site.stop-1.html")


async def test_no_page_loads_anything(drawn: Drawn) -> None:
    for path in drawn.folder.glob("*.html"):
        markup = _SCRIPT.sub(r"\1", path.read_text(encoding="utf-8"))
        assert "default-src 'none'" in unescape(markup)
        assert not re.search(r"\ssrc=|https?://|@import|url\(", markup)


async def test_pages_show_values_with_their_units_and_ages(drawn: Drawn) -> None:
    city = drawn.words("qala-city.html")
    assert "Worker live: last tick" in city
    assert re.search(r"stop-1 .* \d+ s ago", city)
    assert re.search(r"99\.9\d", drawn.words("qala-ionizers.html"))
    assert "no data in this range" not in drawn.words("qala-thermometers.html")


async def test_a_page_says_how_many_of_its_devices_are_simulated(drawn: Drawn) -> None:
    words = drawn.words("qala-city.html")
    assert f"CONTAINS SIMULATED DATA · 1 of {len(DEVICES)} devices" in words
    assert "is real" not in words


async def test_half_a_minute_after_the_last_tick_every_current_value_is_unknown(
    drawn: Drawn,
) -> None:
    boards = [word for uid in UIDS for word in ("--board", uid)]
    done = preview(drawn, "--out", "later", "--now", moment(drawn.end_s + 30), *boards)
    assert done.returncode == 0, done.stderr
    for path in (drawn.folder / "later").glob("*.html"):
        markup = _SCRIPT.sub(r"\1", path.read_text(encoding="utf-8"))
        assert "UNKNOWN: no tick for 3" in markup
        assert 'class="digits"' not in markup
        assert 'data-lack="no data"' not in markup
        assert markup.count('data-lack="unknown"') >= 1


async def test_rows_after_the_chosen_moment_were_not_there_yet(drawn: Drawn) -> None:
    done = preview(
        drawn, "--out", "before", "--now", moment(drawn.end_s - 3600), "--board", "qala-ionizers"
    )
    assert done.returncode == 0, done.stderr
    words = drawn.words("before/qala-ionizers.html")
    assert "Worker live: last tick" in words
    assert re.search(r"last tick (?:now|\d s ago)", words)
    assert words != drawn.words("qala-ionizers.html")


async def test_an_unknown_board_is_refused_with_the_names_of_those_that_are(drawn: Drawn) -> None:
    done = preview(drawn, "--board", "qala-moon")
    assert done.returncode == 2
    assert "there is no board 'qala-moon'; there are qala-alerts, " in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_an_absent_database_is_one_line_that_says_what_to_do(drawn: Drawn) -> None:
    done = preview(drawn._replace(environ=drawn.environ | {"QALA_INFLUX_DATABASE": "nothere"}))
    assert done.returncode == 1
    assert "there is no database 'nothere' at http://" in done.stderr
    assert "check QALA_INFLUX_DATABASE, or run `qala provision`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 200


async def test_a_site_without_a_page_is_an_error_that_names_it(drawn: Drawn) -> None:
    done = preview(drawn, "--site", "none-*", "--board", "qala-site")
    assert done.returncode == 1
    assert "no site is like 'none-*'; there are " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = preview(drawn, "--site", "none-*", "--board", "qala-site", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    done = preview(drawn, "--devices", "0", "--board", "qala-device")
    assert done.returncode == 1
    assert "nothing to draw" in done.stderr


async def test_an_absent_influxdb_is_one_line_that_says_what_to_do(drawn: Drawn) -> None:
    away = drawn._replace(environ=drawn.environ | {"QALA_INFLUX_URL": "http://127.0.0.1:9"})
    done = preview(away)
    assert done.returncode == 1
    assert "InfluxDB at http://127.0.0.1:9 cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
