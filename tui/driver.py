"""Textual's terminal driver, except that it gives the terminal back without waiting.

Textual's thread that reads keys looks only every 0.1 s whether it is to end, and then once more:
quitting would take 0.2 s.
"""

from __future__ import annotations

import os
import threading
from codecs import getincrementaldecoder
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

__all__ = ["QuickDriver"]

_TICK = 0.1
"""Seconds between two looks whether a lone escape was the key and no sequence's beginning."""


class QuickDriver(LinuxDriver):
    """Reads keys in a thread that is woken when it is to end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.exit_event = self._event = _WakingEvent()

    def run_input_thread(self) -> None:
        """Hand on what the terminal sends until `exit_event` is set."""
        event = self._event
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with DefaultSelector() as selector:
            selector.register(self.fileno, EVENT_READ)
            selector.register(event.pipe, EVENT_READ)
            while not event.is_set():
                ready = {key.fd for key, _ in selector.select(_TICK)}
                if event.pipe in ready:
                    event.drain()
                if self.fileno in ready:
                    data = decode(os.read(self.fileno, 4096))
                    if not data:  # the input has ended
                        selector.unregister(self.fileno)
                        continue
                    for message in parser.feed(data):
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)
        with suppress(ParseError):  # what was begun is not finished
            list(parser.feed(""))

    def close(self) -> None:
        """Release what the driver holds."""
        super().close()
        self._event.close()


class _WakingEvent(threading.Event):
    """An event that is also seen by a selector."""

    def __init__(self) -> None:
        super().__init__()
        self.pipe, self._other_end = os.pipe()

    def set(self) -> None:
        """Set it, and make `pipe` readable."""
        super().set()
        os.write(self._other_end, b"\0")

    def drain(self) -> None:
        """Take what made `pipe` readable."""
        os.read(self.pipe, 16)

    def close(self) -> None:
        """Release the pipe."""
        os.close(self.pipe)
        os.close(self._other_end)
