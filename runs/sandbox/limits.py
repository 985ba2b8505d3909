"""What one run may use up. The job's settings choose, the platform sets the maxima."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.language import tracing

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """All limits of one run; a run that exceeds one is ended, except for the log, which is cut."""

    wall_seconds: float = 300.0
    memory_bytes: int = 512 * MEGABYTE  # what the run adds to the zygote's address space
    log_lines: int = 10_000
    log_bytes: int = MEGABYTE
    line_bytes: int = 16_000
    log_flood_bytes: int = 50 * MEGABYTE  # more than that is not a log; the run is killed
    trace_records: int = tracing.EXCHANGES
    trace_bytes: int = tracing.BODIES_BYTES  # of the writes' bodies together, and as much of the reads'
    state_bytes: int = 10 * MEGABYTE
    temp_bytes: int = 64 * MEGABYTE
    temp_files: int = 2_000
    open_files: int = 128
    processes: int = 1_024  # of the jobs' own user id, all runs together; forking is refused anyway

    @property
    def file_bytes(self) -> int:
        """The largest file that a child may write; its result (state and memory) is a file too."""
        return max(self.temp_bytes, 2 * self.state_bytes + 4 * MEGABYTE)
