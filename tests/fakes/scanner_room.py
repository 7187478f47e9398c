"""An agent with a journal, a ledger and a model in memory: what arrives is said in one line each.

Blood is a bright first pixel: the fake model answers 0.95 for such a centre slice and 0.05 otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

import numpy as np

from edge.agent import Agent
from edge.analysis import DecodedSlices
from edge.domain.announcement import Announcement, Standing
from edge.domain.arrival import (
    AnnouncementReceived,
    AssociationAborted,
    AssociationOpened,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
    StoredInstance,
)
from edge.domain.frame import Frames, frame_name
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID
from edge.domain.outcome import Outcome
from edge.domain.queueing import Claim, Priority
from edge.domain.scanner import Scanners
from edge.domain.series import SliceHeader, UnusableInstance
from edge.errors import RefuseModel, ShedLoad
from edge.imaging.volume import Content, Slice
from edge.intake import take
from edge.models.contract import ClinicalModel
from edge.models.slab_segmentation import MASK, PROBABILITY, SLAB_HU
from edge.mqtt.drafts import AlertMessages
from edge.ports import InferRequest, InferResult
from edge.reconstructions import Reconstructions
from edge.settings import CompletenessSettings, Settings
from edge.surroundings import Reading, Surroundings
from edge.telemetry.events import Happening
from tests.builders import header
from tests.fakes.clock import FakeClock
from tests.fakes.ledger import FakeJournal, FakeLedger
from tests.fakes.virtual_time import VirtualTimeLoop

MODEL = ClinicalModel.model_validate(
    {
        "model": {
            "name": "bright_pixel",
            "version": "1",
            "title": "t",
            "licence": "Apache-2.0",
            "kind": "slab_segmentation",
            "onnx_sha256": "0" * 64,
            "intended_use": "tests",
            "training_data": "none",
            "limits": ["all"],
        },
        "scope": {
            "modalities": ["CT"],
            "body_parts": ["HEAD"],
            "orientation": "axial",
            "contrast": False,
            "max_tilt_deg": 30,
            "slice_thickness_mm": [0.5, 8],
            "min_age_years": 18,
            "min_coverage_mm": 100,
            "max_top_area_ratio": 0.3,
        },
        "tensors": {"slab_depth": 3, "max_batch": 1, "mask_threshold": 0.5},
        "findings": [
            {
                "key": "bleed",
                "code": "1386000",
                "scheme": "SCT",
                "meaning": "Intracranial hemorrhage",
                "urgency": "critical",
                "page": {"probability": 0.8, "min_contiguous_slices": 2, "min_volume_ml": 0.1},
                "worklist": {"probability": 0.4, "min_contiguous_slices": 1, "min_volume_ml": 0.0},
            }
        ],
    }
)
KEY = b"k" * 32
SCANNERS = Scanners({"CT_ER_1": "scanner-1"})


class BrightPixel:
    """ports.InferenceQueue and ports.PixelSource over slices that a test scripted."""

    def __init__(self) -> None:
        self.slices: dict[SopInstanceUID, Content] = {}
        self.asked: list[tuple[str, Priority]] = []
        self.error: Exception | None = None
        self.refused: set[int] = set()
        self.out_of_reach: set[SopInstanceUID] = set()
        self.slow_s: dict[SopInstanceUID, float] = {}
        self.reads: Counter[SopInstanceUID] = Counter()
        self.open = asyncio.Event()
        self.open.set()

    def read(self, instance: StoredInstance) -> Content:
        uid = instance.sop_instance_uid
        name = uid if instance.frame is None else frame_name(uid, instance.frame)
        if {uid, name} & self.out_of_reach:
            raise ShedLoad("EIO")
        if uid in self.slow_s:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualTimeLoop)
            loop.takes(self.slow_s[uid])
        self.reads[uid] += 1
        return self.slices[name]

    async def infer(self, request: InferRequest, claim: Claim) -> InferResult:
        await self.open.wait()
        if self.error is not None:
            raise self.error
        slab = request.inputs[SLAB_HU]
        bright = slab[0, slab.shape[1] // 2, 0, 0] > 0
        if len(self.asked) in self.refused:
            self.asked.append(("refused", claim.priority))
            raise RefuseModel("poison")
        self.asked.append((str(bright), claim.priority))
        rows, columns = slab.shape[2:]
        mask = np.zeros((1, 1, rows, columns), np.uint8)
        mask[:, :, :8, :8] = 255 if bright else 0
        said = np.array([[0.95 if bright else 0.05]], np.float32)
        return InferResult({PROBABILITY: said, MASK: mask}, degraded=False)


class ScannerRoom:
    """Scripted arrivals on one side, outcomes and messages on the other."""

    def __init__(
        self,
        *,
        quiet_s: float = 0.05,
        deadline_s: float = 30.0,
        images_in_acquisition: bool = True,
        scanners: Scanners = SCANNERS,
    ) -> None:
        self._scanners = scanners
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.ledger = FakeLedger(clock=self.clock)
        self.model = BrightPixel()
        self.happenings: list[Happening] = []
        self._arrived = asyncio.Event()
        self._scanned = asyncio.Event()
        self._enqueued = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(self._enqueued.set)
        self.ledger.on_enqueued(self._wake)
        self._timers = CompletenessSettings(
            quiet_s=quiet_s,
            quiet_factor=1.0,
            deadline_s=deadline_s,
            images_in_acquisition=images_in_acquisition,
        )
        self._task: asyncio.Task[None] | None = None

    # -- what a scanner does -------------------------------------------------------------------

    def opens(self, association: str, calling: str = "CT_ER_1") -> None:
        self.journal.append(AssociationOpened(*self._stamp(association), calling, "EDGE", "127.0.0.1"))

    def sends(
        self, association: str, *headers: SliceHeader | UnusableInstance, blood: Iterable[int] = ()
    ) -> None:
        """`blood` names positions within `headers`; a SOP Instance UID sent before is a duplicate."""
        bright = set(blood)
        for i, one in enumerate(headers):
            known = one.sop_instance_uid in self.model.slices
            if isinstance(one, SliceHeader):
                hu = np.full((one.rows, one.columns), 100 if i in bright else -100, np.int16)
                self.model.slices.setdefault(one.sop_instance_uid, Slice(one, hu))
            else:
                self.model.slices.setdefault(one.sop_instance_uid, one)
            stored = StoredInstance(one.sop_instance_uid, "ct", "1.2.840.10008.1.2.1", "p", "0" * 64, 1)
            kind = DuplicateReceived if known else InstanceStored
            self.journal.append(kind(*self._stamp(association), stored))

    def sends_other_bytes(self, association: str, *headers: SliceHeader) -> None:
        """What the receiver refuses: the first of each SOP Instance UID is still the one kept."""
        for one in headers:
            kept = StoredInstance(one.sop_instance_uid, "ct", "1.2.840.10008.1.2.1", "p", "0" * 64, 1)
            self.journal.append(ConflictReceived(*self._stamp(association), kept, "1" * 64))

    def sends_frames(
        self, association: str, instance: str, *headers: SliceHeader, blood: Iterable[int] = ()
    ) -> None:
        """One multi-frame instance; `blood` names positions within `headers`."""
        bright, uid = set(blood), SopInstanceUID(instance)
        known = uid in self.model.slices
        self.model.slices[uid] = Frames(len(headers))
        for i, one in enumerate(headers):
            frame = replace(one, sop_instance_uid=frame_name(uid, i + 1), number_of_frames=len(headers))
            hu = np.full((one.rows, one.columns), 100 if i in bright else -100, np.int16)
            self.model.slices[frame.sop_instance_uid] = Slice(frame, hu)
        stored = StoredInstance(uid, "enhanced ct", "1.2.840.10008.1.2.1", "p", "0" * 64, 1)
        kind = DuplicateReceived if known else InstanceStored
        self.journal.append(kind(*self._stamp(association), stored))

    def releases(self, association: str) -> None:
        self.journal.append(AssociationReleased(*self._stamp(association)))

    def aborts(self, association: str) -> None:
        self.journal.append(AssociationAborted(*self._stamp(association), "test"))

    def says(self, standing: Standing, *named: SliceHeader, uid: str = "4.5.6") -> None:
        """A procedure step or an availability notification, on an association that carries no image."""
        series: dict[SeriesInstanceUID, set[SopInstanceUID]] = {}
        for one in named:
            series.setdefault(one.series_instance_uid, set()).add(one.sop_instance_uid)
        frozen = {name: frozenset(instances) for name, instances in series.items()}
        announcement = Announcement(uid, standing, frozen)
        self.journal.append(AnnouncementReceived(*self._stamp("mpps"), announcement))

    # -- the agent -----------------------------------------------------------------------------

    def starts(self) -> None:
        settings = Settings()
        around = Surroundings(
            model=MODEL,
            pixels=self.model,
            inference=self.model,
            ledger=self.ledger,
            messages=AlertMessages(settings),
            clock=self.clock,
            emit=self._hear,
            timers=self._timers,
            deadline_s=1.0,
            decoded=DecodedSlices(10**6),
            reading=Reading(),
            reconstructions=Reconstructions(self.ledger),
        )
        self.agent = Agent(around, self.journal, KEY, self._scanners)
        known = self.agent.recovery
        taken = take(self.journal, around, self._wait, known.concluded, lambda: None, known.begin)
        self._task = asyncio.create_task(self.agent.run(taken))

    async def dies(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def until_outcomes(self, count: int) -> list[Outcome]:
        """The first `count` outcomes, in the order of the ledger; fails the test after half a minute."""
        await self._until(lambda: len(self.ledger.outcomes) >= count)
        return [outcome for outcome, _ in self.ledger.outcomes.values()]

    async def until_pages(self, count: int) -> None:
        await self._until(lambda: len(self.pages) >= count)

    async def until_heard(self, kind: type[Happening]) -> None:
        """Until the agent has emitted one of `kind`; it does so after it has written."""
        await self._until(lambda: any(isinstance(h, kind) for h in self.happenings))

    async def until_read(self) -> None:
        """Until the agent has read the journal to its present end."""
        async with asyncio.timeout(30):
            for _ in range(2):
                self._scanned.clear()
                self._arrived.set()
                await self._scanned.wait()

    async def _until(self, met: Callable[[], bool]) -> None:
        self._arrived.set()
        async with asyncio.timeout(30):
            while not met():
                self._enqueued.clear()
                await self._enqueued.wait()

    @property
    def pages(self) -> list[tuple[str, str]]:
        """(status, alert id) of every alert that went into the outbox, in order."""
        bodies = [json.loads(m.message.payload) for m in self.ledger.messages.values()]
        return [(b["status"], b["alert_id"]) for b in bodies if b["kind"] == "alert"]

    @property
    def results(self) -> list[str]:
        bodies = [json.loads(m.message.payload) for m in self.ledger.messages.values()]
        return [b["outcome"] for b in bodies if b["kind"] == "result"]

    def _hear(self, happening: Happening) -> None:
        self.happenings.append(happening)
        self._wake()

    async def _wait(self, timeout_s: float) -> None:
        self._scanned.set()
        self._arrived.clear()
        # Not wait_for, which in Python 3.11 loses a cancellation that comes together with what it waits for.
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()

    def _stamp(self, association: str) -> tuple[int, AssociationId, float]:
        sequence = len(self.journal.entries) + 1
        return sequence, AssociationId(association), self.clock.utc().timestamp() + sequence / 1000


HEAD = [header(i) for i in range(30)]
