"""Triggers, inboxes, messages, slots, and the clock that rings for them."""

from triggers.models.clock import ClockRing
from triggers.models.inbox import Inbox, InboxAuth, InboxSecret, RateBucket, Refusal, RefusalCount
from triggers.models.message import IdempotencyKey, Message, MessagePayload
from triggers.models.slot import Slot, SlotState
from triggers.models.trigger import (
    CatchUp,
    EveryUnit,
    FlowEvent,
    FlowScope,
    ScheduleKind,
    Trigger,
    TriggerJob,
    TriggerKind,
    TriggerRevision,
)

__all__ = [
    "CatchUp",
    "ClockRing",
    "EveryUnit",
    "FlowEvent",
    "FlowScope",
    "IdempotencyKey",
    "Inbox",
    "InboxAuth",
    "InboxSecret",
    "Message",
    "MessagePayload",
    "RateBucket",
    "Refusal",
    "RefusalCount",
    "ScheduleKind",
    "Slot",
    "SlotState",
    "Trigger",
    "TriggerJob",
    "TriggerKind",
    "TriggerRevision",
]
