"""The metrics about alerts; see metrics.py for the rules and the rest."""

from __future__ import annotations

from edge.domain.acknowledgement import Answer
from edge.domain.alert import AlertStatus
from edge.domain.lifecycle import Stage
from edge.domain.quiet import QuietKind
from edge.telemetry.instruments import counter, gauge, histogram

_STATUSES = tuple((s.value,) for s in AlertStatus)
_AGENT = frozenset({"agent"})
_QUIET = tuple((k.value,) for k in QuietKind)

# Alerts put into the outbox.
ALERTS_RAISED = counter(
    "edge_alerts_raised_total", "Alerts put into the outbox, by status.", _AGENT, ("status",), _STATUSES
)
# Alerts the broker acknowledged; the difference to the one above is on its way.
ALERTS_PUBLISHED = counter(
    "edge_alerts_published_total",
    "Alerts acknowledged by the broker, by status.",
    _AGENT,
    ("status",),
    _STATUSES,
)
# Findings that rang nobody: the budget of their hour was spent, or somebody asked for quiet.
ALERTS_DEMOTED = counter(
    "edge_alerts_demoted_total",
    "Findings that went to the worklist instead of a pager, by reason.",
    _AGENT,
    ("reason",),
    (("budget",), *_QUIET),
)
# The findings of one kind that rang within the last hour: compare with alerting.budget.
BUDGET_USED = gauge(
    "edge_alert_budget_used_ratio",
    "Alerts that rang within the last hour as a share of their budget, by finding.",
    _AGENT,
    ("finding",),
)
# Alarm on any increase: more positives than anybody can look at, or a model that has gone wrong.
BUDGET_SPENT = counter(
    "edge_alert_budget_spent_total",
    "Times staff were told that the budget of a finding is spent, by finding.",
    _AGENT,
    ("finding",),
)
# Alarm when maintenance or a mute lasts: while above 0 findings are held back.
QUIET_LASTED = gauge(
    "edge_quiet_lasted_seconds", "How long findings have been held back, by kind.", _AGENT, ("kind",), _QUIET
)
QUIET_LEFT = gauge(
    "edge_quiet_left_seconds", "Until the last quiet of the kind ends by itself.", _AGENT, ("kind",), _QUIET
)
# Somebody asked for quiet and a finding came: tell whoever asked.
ALERTS_HELD = gauge("edge_alerts_held", "Findings held back by quiet that no human has taken.", _AGENT)
# How late a page was because of it.
HELD_FOR = histogram(
    "edge_alert_held_seconds",
    "Findings that were held back until they rang, by reason.",
    _AGENT,
    ("reason",),
    _QUIET,
)
# Canaries and drills; they are in no other figure about alerts.
TEST_ALERTS = counter(
    "edge_test_alerts_total", "Alerts flagged as a test, by status.", _AGENT, ("status",), _STATUSES
)
# A page the broker may have lost: no pager has answered it.
ALERTS_OFFERED_AGAIN = counter(
    "edge_alerts_offered_again_total", "Pages given to the broker again under their old key.", _AGENT
)
# delivered comes from pagers, acknowledged and closed from humans.
ANSWERS = counter(
    "edge_answers_total",
    "Answers to pages, repetitions included, by answer.",
    _AGENT,
    ("answer",),
    tuple((a.value,) for a in Answer),
)
# A pager that speaks another dialect, or somebody who should not speak at all.
ANSWERS_REFUSED = counter(
    "edge_answers_refused_total",
    "Answers that say nothing of any page of ours, by reason.",
    _AGENT,
    ("reason",),
)
# The promise behind the promise: how long a page waits for a human.
PAGE_TO_HUMAN = histogram(
    "edge_page_to_human_seconds",
    "An alert raised until a human first answered it.",
    _AGENT,
    ("answer",),
    (("acknowledged",), ("closed",)),
)
# Each is somebody who was rung because somebody else was not reached.
ALERT_ESCALATIONS = counter(
    "edge_alert_escalations_total",
    "Rungs of the escalation plan that were rung, by why.",
    _AGENT,
    ("reason",),
    tuple((r,) for r in ("not_published", "no_delivery", "no_answer", "nobody_listens", "not_closed")),
)
# Each is a finding that no human had taken then; edge_alerts_rung_in_vain says whether one has since.
ALERTS_UNANSWERED = counter(
    "edge_alerts_unanswered_total",
    "Alerts for which everybody was rung in vain, or that expired, by reason.",
    _AGENT,
    ("reason",),
    tuple((r,) for r in ("expired", "not_published", "no_delivery", "no_answer", "nobody_listens")),
)
# Alarm above 0: falls when a human answers, or three days after the page expired.
RUNG_IN_VAIN = gauge(
    "edge_alerts_rung_in_vain",
    "Pages for which everybody was rung, or that expired, and that no human has taken.",
    _AGENT,
)
# PUBACK reason 0x10: the alert reached nobody.
ALERTS_WITHOUT_SUBSCRIBER = counter(
    "edge_alerts_without_subscriber_total",
    "Alerts the broker acknowledged but had no subscriber for.",
    _AGENT,
)
# acknowledged ones wait for their human to close them.
ALERTS_OPEN = gauge(
    "edge_alerts_open",
    "Alerts that no human has closed, by stage.",
    _AGENT,
    ("stage",),
    tuple((s.value,) for s in Stage if s is not Stage.CLOSED),
)
