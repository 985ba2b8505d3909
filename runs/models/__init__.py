"""What happened: work orders, runs, states, logs, incidents, mails, and the engine's own rows."""

from runs.models.bulk import BulkItem, BulkOperation, BulkState, Deed, ItemState, Outcome
from runs.models.engine import ConnectionHold, ProjectTurn, WorkerHeartbeat
from runs.models.erasure import Erasure, ErasureState, PersonFind, PersonSearch, SearchState
from runs.models.housekeeping import Housekeeping, SearchPlace, SearchText
from runs.models.incident import Incident, Notification, NotificationState
from runs.models.log import HttpExchange, LogLine
from runs.models.marks import EchoMark, OnceMark
from runs.models.memory import Memory, MemoryValue
from runs.models.repeat import RepeatKey
from runs.models.run import FAILED_STATES, FINAL_STATES, Run, RunMode, RunState
from runs.models.state import State, StateKind
from runs.models.work_order import Cause, WorkOrder, WorkOrderState

__all__ = [
    "FAILED_STATES",
    "FINAL_STATES",
    "BulkItem",
    "BulkOperation",
    "BulkState",
    "Cause",
    "ConnectionHold",
    "Deed",
    "EchoMark",
    "Erasure",
    "ErasureState",
    "Housekeeping",
    "HttpExchange",
    "Incident",
    "ItemState",
    "LogLine",
    "Memory",
    "MemoryValue",
    "Notification",
    "NotificationState",
    "OnceMark",
    "Outcome",
    "PersonFind",
    "PersonSearch",
    "ProjectTurn",
    "RepeatKey",
    "Run",
    "RunMode",
    "RunState",
    "SearchPlace",
    "SearchState",
    "SearchText",
    "State",
    "StateKind",
    "WorkOrder",
    "WorkOrderState",
    "WorkerHeartbeat",
]
