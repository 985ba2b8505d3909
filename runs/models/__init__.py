"""What happened: work orders, runs, states, logs, incidents, mails, and the engine's own rows."""

from runs.models.engine import ConnectionHold, ProjectTurn, WorkerHeartbeat
from runs.models.erasure import Erasure, ErasureState, PersonFind, PersonSearch, SearchState
from runs.models.housekeeping import Housekeeping, SearchPlace, SearchText
from runs.models.incident import Incident, Notification, NotificationState
from runs.models.log import HttpExchange, LogLine
from runs.models.marks import EchoMark, OnceMark
from runs.models.memory import Memory, MemoryValue
from runs.models.run import FAILED_STATES, FINAL_STATES, Run, RunMode, RunState
from runs.models.state import State, StateKind
from runs.models.work_order import Cause, WorkOrder, WorkOrderState

__all__ = [
    "FAILED_STATES",
    "FINAL_STATES",
    "Cause",
    "ConnectionHold",
    "EchoMark",
    "Erasure",
    "ErasureState",
    "Housekeeping",
    "HttpExchange",
    "Incident",
    "LogLine",
    "Memory",
    "MemoryValue",
    "Notification",
    "NotificationState",
    "OnceMark",
    "PersonFind",
    "PersonSearch",
    "ProjectTurn",
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
