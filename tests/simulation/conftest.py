"""A world switches the process's log off; other tests want to read theirs."""

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    logging.disable(logging.NOTSET)
    structlog.configure(**before)
