"""Log lines as JSON objects, one a line: what log collectors want."""

import json
import logging
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

_MOST_BYTES = 1_000_000


def json_line(level: str, logger: str, message: str, **more: str) -> str:
    """One event as a JSON object with `time` (UTC, ISO 8601), `level`, `logger` and `message`."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    event = {"time": moment, "level": level, "logger": logger, "message": message, **more}
    return json.dumps(event, ensure_ascii=False)


class JsonFormatter(logging.Formatter):
    """Makes a JSON object of each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as one line."""
        error = {"error": self.formatException(record.exc_info)} if record.exc_info else {}
        return json_line(record.levelname, record.name, record.getMessage(), **error)


def log_to(file: Path) -> None:
    """Send everything that this process logs to `file`; two files of 1 MB at most."""
    logging.raiseExceptions = False  # a full disk is no reason to end
    handler = RotatingFileHandler(file, maxBytes=_MOST_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
