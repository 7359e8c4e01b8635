"""The data source that all boards ask: InfluxQL, on InfluxDB 1.8 as on 2.x."""

from __future__ import annotations

from typing import Any, Final

from dashboards.deliver.errors import DeliverError
from dashboards.grafana import DATASOURCE_TYPE, DATASOURCE_UID
from schemas.connections import InfluxConnection

DATASOURCE_NAME: Final = "Qala InfluxDB"
_MAX_SERIES: Final = 10_000
"""A city has more than the 1,000 series that Grafana shows of a query unless told otherwise."""


def datasource(influx: InfluxConnection, token: str) -> dict[str, Any]:
    """The data source in the names of Grafana's HTTP API, which its provisioning shares.

    ``token`` is what stands in the Authorization header: a token of 2.x, ``user:password`` of
    1.8, or in a file the name of a variable that Grafana replaces; none where it is empty. Both
    generations take the header ``Token …`` on ``/query``, and Qala's stages send it, too.

    Raises:
        DeliverError: the certificate authority of the settings can't be read.
    """
    json_data: dict[str, Any] = {
        "dbName": influx.database,
        "httpMode": "POST",
        "maxSeries": _MAX_SERIES,
    }
    secure: dict[str, str] = {}
    if token:
        json_data["httpHeaderName1"] = "Authorization"
        secure["httpHeaderValue1"] = f"Token {token}"
    if influx.ca is not None:
        json_data["tlsAuthWithCACert"] = True
        secure["tlsCACert"] = _authority(influx)
    source = {
        "name": DATASOURCE_NAME,
        "uid": DATASOURCE_UID,
        "type": DATASOURCE_TYPE,
        "access": "proxy",
        "url": influx.url,
        "jsonData": json_data,
    }
    return source | ({"secureJsonData": secure} if secure else {})


def _authority(influx: InfluxConnection) -> str:
    """The PEM text of the authority that signed InfluxDB's certificate; it is no secret."""
    assert influx.ca is not None, "asked for where there is none"  # noqa: S101 - a bug of ours
    try:
        return influx.ca.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise DeliverError(
            f"the certificate authority for InfluxDB, {influx.ca}, cannot be read; name a "
            "readable PEM file in QALA_INFLUX_CA"
        ) from exc
