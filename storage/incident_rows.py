"""Incidents to and from rows of `incidents`."""

import asyncpg

from actors.domain.alarm_rules import Metric, Severity
from actors.domain.alarms import Evidence, Incident
from storage.times import milliseconds, moment, told_moment


def incident_record(incident: Incident) -> dict[str, object]:
    """A row under the names of its columns, but the organization and its slot."""
    evidence = incident.evidence
    return {
        "incident_id": incident.incident_id,
        "rule": incident.rule,
        "metric": str(incident.metric),
        "severity": str(incident.severity),
        "threshold": incident.threshold,
        "call_id": incident.call_id,
        "evidence": {
            "value": evidence.value,
            "since": evidence.since,
            "call_id": evidence.call_id,
            "detail": evidence.detail,
        },
        "opened_at": moment(incident.opened_at),
        "acknowledged_at": told_moment(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by,
        "muted_until": told_moment(incident.muted_until),
        "recovered_at": told_moment(incident.recovered_at),
        "resolved_at": told_moment(incident.resolved_at),
        "resolved_by": incident.resolved_by,
    }


def incident_of(row: asyncpg.Record) -> Incident:
    """What `incident_record` was given, equal in every field."""
    times = ("acknowledged_at", "muted_until", "recovered_at", "resolved_at")
    told = {name: milliseconds(row[name]) if row[name] is not None else None for name in times}
    return Incident(
        incident_id=str(row["incident_id"]),
        rule=row["rule"],
        metric=Metric(row["metric"]),
        severity=Severity(row["severity"]),
        threshold=row["threshold"],
        call_id=row["call_id"],
        evidence=Evidence(**row["evidence"]),
        opened_at=milliseconds(row["opened_at"]),
        acknowledged_by=row["acknowledged_by"],
        resolved_by=row["resolved_by"],
        **told,
    )
