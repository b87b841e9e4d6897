"""The form of log lines: text, or JSON with `VOGATE_LOG_FORMAT=json`; each names the job that it is about."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

_JOB = re.compile(r"\b[a-z2-7]{26}\b")


class JobFilter(logging.Filter):
    """Gives each record `.job`: what the message names, or empty."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(record, "job", ""):
            found = _JOB.search(record.getMessage())
            record.job = found[0] if found else ""
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, process, message, job and traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if getattr(record, "job", ""):
            line["job"] = record.job  # type: ignore[attr-defined]
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
