"""Boards, data source and alert rules on their way to a Grafana: as files, or by its HTTP API."""

from dashboards.deliver.errors import DeliverError, GrafanaError
from dashboards.deliver.files import ProvisioningFile, Written, provisioning_files, write_files
from dashboards.deliver.parcel import FOLDER_TITLE, FOLDER_UID, Parcel
from dashboards.deliver.push import Step, push
from dashboards.deliver.rules import GRAFANA_RULES, GrafanaRule, rule_group

__all__ = [
    "FOLDER_TITLE",
    "FOLDER_UID",
    "GRAFANA_RULES",
    "DeliverError",
    "GrafanaError",
    "GrafanaRule",
    "Parcel",
    "ProvisioningFile",
    "Step",
    "Written",
    "provisioning_files",
    "push",
    "rule_group",
    "write_files",
]
