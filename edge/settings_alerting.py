"""[alerting]: who is rung for what, and how long each is given."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from edge.domain.escalation import Plan, Step
from edge.domain.finding import Urgency
from edge.domain.paging_rules import PagingRules

_FINDING = r"^[a-z][a-z0-9_]{0,62}$"
_ROLE = r"^[a-z0-9][a-z0-9-]{0,39}$"
_LEVELS = r"^[^+#\x00$/][^+#\x00]*$"


class EscalationStep(BaseModel):
    """One step of a plan: rung 1 + `repeats` times, `wait_s` apart, before the next step rings too."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    role: Annotated[str, Field(pattern=_ROLE)]
    wait_s: Annotated[float, Field(gt=0)] = 60.0
    repeats: Annotated[int, Field(ge=0, le=100)] = 0
    topic: Annotated[str, Field(pattern=_LEVELS)] | None = None


Steps = Annotated[tuple[EscalationStep, ...], Field(min_length=1, max_length=20)]
_STEPS = "tables of role, wait_s, repeats, topic (levels below the appliance's; default role/<role>)"


class AlertingSettings(BaseModel):
    """What becomes of a page that nobody answers."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    critical: Steps = Field(
        default=(
            EscalationStep(role="stroke-team", wait_s=60, repeats=1),
            EscalationStep(role="on-call", wait_s=60),
            EscalationStep(role="all", wait_s=60),
        ),
        description=f"Who is rung for a critical alert, in order: {_STEPS}. The first step is rung on "
        "alert/critical unless it has a topic.",
    )
    urgent: Steps = Field(
        default=(
            EscalationStep(role="stroke-team", wait_s=300, repeats=1),
            EscalationStep(role="on-call", wait_s=300),
        ),
        description="The same for an urgent alert; first on alert/urgent.",
    )
    routine: Steps = Field(
        default=(EscalationStep(role="stroke-team", wait_s=3600),),
        description="The same for a routine alert; first on alert/routine.",
    )
    publish_s: float = Field(
        default=30.0, gt=0, description="Without a PUBACK for this long, the next step is rung."
    )
    deliver_s: float = Field(
        default=30.0, gt=0, description="Without a pager's answer for this long, the next step is rung."
    )
    offer_s: float = Field(
        default=20.0, gt=0, description="A page no pager answered is given to the broker again this often."
    )
    close_s: float = Field(
        default=14400.0, gt=0, description="Whoever acknowledged is reminded after this until it is closed."
    )
    lifetime_s: float = Field(
        default=14400.0,
        gt=0,
        description="A page whose plan was rung in vain expires this long after the broker, or a pager, "
        "had it; one that the broker never takes after three days.",
    )

    budget: int = Field(
        default=20,
        ge=0,
        le=1000,
        description="Alerts of one finding that may ring within an hour; more go to the worklist, and staff "
        "are told. 0: no limit.",
    )
    budgets: dict[Annotated[str, Field(pattern=_FINDING)], Annotated[int, Field(ge=0, le=1000)]] = Field(
        default_factory=dict[str, int],
        description="The same for single findings, by the model's key: { subdural = 10 }.",
    )
    examination_s: float = Field(
        default=3600.0,
        ge=0,
        description="Images of a study acquired later than those that rang by more than this are another "
        "examination: its finding rings again although a human has taken the first.",
    )
    longest_quiet_s: float = Field(
        default=28800.0,
        ge=60,
        le=604800,
        description="Maintenance, a test or a mute may be asked for at most for this long.",
    )

    @property
    def rules(self) -> PagingRules:
        """The budget in the words of the core."""
        return PagingRules(self.budget, self.budgets, timedelta(seconds=self.examination_s))

    def plan(self, urgency: Urgency) -> Plan:
        """The plan of one urgency, every topic named."""
        steps: tuple[EscalationStep, ...] = getattr(self, urgency)
        return Plan(
            steps=tuple(
                Step(
                    s.role,
                    s.topic or (f"role/{s.role}" if n else f"alert/{urgency}"),
                    s.wait_s,
                    s.repeats,
                )
                for n, s in enumerate(steps)
            ),
            publish_s=self.publish_s,
            deliver_s=self.deliver_s,
            close_s=self.close_s,
            lifetime_s=self.lifetime_s,
            offer_s=self.offer_s,
        )

    def topics_of(self, role: str) -> tuple[str, ...]:
        """Where a role is rung, over all urgencies; levels below the appliance's, each once."""
        steps = [s for urgency in Urgency for s in self.plan(urgency).steps]
        return tuple(dict.fromkeys(s.topic for s in steps if s.role == role))

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role of any plan."""
        return tuple(dict.fromkeys(s.role for u in Urgency for s in self.plan(u).steps))
