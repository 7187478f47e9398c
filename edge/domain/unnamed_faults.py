"""Faults that no degraded mode names, for nobody is left to name them or the agent cannot know.

The second table of DEGRADED.md; what is left then are Will, heartbeat, rules, supervisors and the canary.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.domain.degraded import Consequences

UNNAMED_FAULTS: Mapping[str, Consequences] = {
    "power cut": Consequences(
        fault="the whole machine is off",
        staff="no new page; the scanner shows that sending failed and keeps its images. A broker "
        "elsewhere says offline on the status topic (Will), 23 s later at default "
        "mqtt.keepalive_s; an embedded one is gone too",
        ops="a Prometheus elsewhere: EdgeApplianceDown after a minute; no heartbeat any more",
        lost="nothing that was acknowledged to a scanner and no message: both are on disk before",
        lasts="until it is on again; receiver and agent then take up where they were, without anybody's help",
        urgent=True,
    ),
    "agent dead": Consequences(
        fault="its process ended",
        staff="no new page, nobody else is rung, no hook command or e-mail for a page that waits; "
        "status offline at once (Will); the canary says so by hook command and e-mail, where set "
        "up, within canary.period_s",
        ops="EdgeApplianceDown after a minute, EdgeProofOfLifeMissing after five; the canary's notice "
        "on the broker; `edge check` metrics says that it does not run",
        lost="nothing: images go on being stored, pages wait in ledger and outbox",
        lasts="systemd starts it again after 1 s, `edge up` after 0.5 to 15 s, compose by its restart policy",
        urgent=True,
    ),
    "agent frozen": Consequences(
        fault="its process, or one of the parts that feed its watchdog, stands still",
        staff="as when it is dead; the status says offline 23 s after the whole process froze (default "
        "mqtt.keepalive_s), and not at all while only a part stands still",
        ops="the whole process: as when it is dead, and `edge check` metrics fails; else "
        "EdgeNoHeartbeat, EdgePipelineStuck or EdgeOutboxOld, by what stands still. That nobody "
        "follows the alerts any more only systemd's watchdog finds",
        lost="nothing: as when it is dead",
        lasts="systemd ends it 60 s after the last round of all parts (WatchdogSec) and starts it "
        "again; `edge up` and compose restart only what has ended: there a person has to",
        urgent=True,
    ),
    "receiver dead": Consequences(
        fault="its process ended",
        staff="the scanner shows that sending failed and keeps its images; pages of what came before "
        "still go out",
        ops="EdgeApplianceDown after a minute, EdgeCanaryFailing with part receiver; `edge check` "
        "metrics says that it does not run",
        lost="nothing that was acknowledged; the rest stays on the scanner, which has to send it again",
        lasts="as for the agent: 1 s under systemd, 0.5 to 15 s under `edge up`",
        urgent=True,
    ),
    "receiver frozen": Consequences(
        fault="its process stands still, or cannot accept or store any more",
        staff="the scanner waits until its own timeout and shows that sending failed",
        ops="EdgeApplianceDown if it answers nothing at all, EdgeCanaryFailing with part receiver "
        "within canary.period_s",
        lost="as when it is dead",
        lasts="60 s under systemd (WatchdogSec); else until a person restarts it",
        urgent=True,
    ),
    "canary dead": Consequences(
        fault="`edge canary --watch` ended or stands still, so that nothing tests the way of a page",
        staff="nothing: real pages go out as ever; no hook command or e-mail either, for it is the "
        "canary that would tell",
        ops="edge_proven_page_age_seconds grows; EdgeNoProvenPage, and the mode page_not_proven, after "
        "two periods, half an hour by default",
        lost="nothing, but a fault that only it would have found goes unnoticed",
        lasts="restarted as the agent is; a frozen one under systemd by its watchdog",
        urgent=False,
    ),
    "ledger refused": Consequences(
        fault="ledger.db is damaged, an older copy, of another inbox or of a newer version: the agent "
        "ends at its start",
        staff="no new page; status offline",
        ops="EdgeApplianceDown; the agent's log has the reason and what to do, and it ends with code "
        "78 again and again. `edge up` that is just starting gives up after 45 s and stops the "
        "receiver too",
        lost="nothing that the inbox has: what a restored ledger does not know is analysed and paged "
        "again; what only the damaged one knew, answers for one, is gone",
        lasts="until a person restores it (`edge ledger restore`)",
        urgent=True,
    ),
    "pager cut off": Consequences(
        fault="a pager is out of reach or off while the broker is well",
        staff="this pager shows nothing; the next role is rung after alerting.deliver_s, at once where "
        "the broker has nobody, then come hook command and e-mail, where set up. It gets the "
        "page when it is back",
        ops='edge_alert_escalations_total{reason="no_delivery"} or nobody_listens, '
        "EdgeAlertWithoutSubscriber, EdgeOutboxOld, and EdgePageUnanswered once everybody was rung "
        "in vain. Between pages nothing tells of it: the canary's pager is another one",
        lost="nothing",
        lasts="until it is back; a page is offered again every alerting.offer_s until some pager answers",
        urgent=True,
    ),
    "clock wrong": Consequences(
        fault="the clock was set while we ran, or nobody disciplines it",
        staff="wrong times on pages; set forward, the next role is rung early, set back, nobody waits "
        "longer than the plan says. A clock far off may make certificates invalid: then the "
        "broker is away",
        ops="EdgeClockStepped, EdgeClockNotSynchronised after an hour, clock_synchronised and "
        "clock_drift_s in the heartbeat, `edge check` clock. One that was wrong from the start and "
        "counts as synchronised is noticed by nobody",
        lost="no page; no images either if it is right within a day: so long after a step forward none "
        "are removed by age (edge_clock_sure)",
        lasts="until it is right; what was written with wrong times keeps them",
        urgent=False,
    ),
}
