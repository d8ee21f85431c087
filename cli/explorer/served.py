"""The page as a server on this machine: what is moved goes in, what it leads to comes out.

A move is answered at once; proofs and tables follow from a process of their own as soon as the
fingers rest, then the picture, and where the answer would change a little later still.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.pool import Pool
from typing import Any, TypeVar

import uvicorn
from htmltools import Tag, TagList
from shiny import App, Inputs, Outputs, Session, reactive, render

from cli.explorer import answers, controls, markup
from cli.explorer.explored import Explored
from cli.explorer.guard import Guard
from market.casefile.faults import BadCase
from mechanism.casefile.policy_case import PolicyCase

REST = 0.1
"""Seconds without a move after which tables are worked out."""
LONGER = 1.0
"""Seconds after which it is looked for where the answer would change."""
GONE = 2.0
"""Seconds without a page after which the server ends; a page that is loaded anew is back sooner."""
WORKING = "The tables are being worked out; below are the last ones."
DRAWING = "The picture is being drawn; below is the last one."
LAST = "The tables below are of the last market that there was."
FAULT = "The tables could not be worked out, by a fault of the program; the terminal says more."
LOOKING = "Where the answer changes is being looked for."
OF_STANDARD = (
    "Types are private: where the answer changes is marked for the standard alone."
    " `pigou what-if --vary` follows a number of the market."
)
T = TypeVar("T")
Workers = Callable[..., Future[Any]]
"""Calls a function with its arguments in a process of its own."""


def application(
    source: PolicyCase, path: str, workers: Workers, counted: Callable[[int], None]
) -> App:
    """The page of a case as a Shiny application. `counted` is told of every page that opens (+1)
    and closes (-1)."""
    held = Explored(source, path)
    body = markup.page(source.name, controls.sliders(source), controls.choices(held.loaded))
    before = workers(answers.worked_out, held.loaded.text)

    def server(input: Inputs, output: Outputs, session: Session) -> None:
        counted(+1)
        session.on_ended(lambda: counted(-1))
        _Followed(Explored(source, path), before, session, workers).serve(input)

    return App(body, server)


class _Followed:
    """One page: its moves, and what has been worked out for them so far."""

    def __init__(
        self,
        held: Explored,
        before: Future[answers.Worked],
        session: Session,
        workers: Workers,
    ) -> None:
        self._held, self._session, self._workers = held, session, workers
        self._loaded = before
        self._moves: reactive.Value[int] = reactive.Value(0)
        self._before: reactive.Value[answers.Worked | None] = reactive.Value(None)
        self._found: reactive.Value[answers.Worked | None] = reactive.Value(None)
        self._picture: reactive.Value[str | None] = reactive.Value(None)
        self._running: asyncio.Task[None] | None = None
        self._last: dict[bool | None, Future[answers.Worked]] = {}
        session.on_ended(self._stop)

    def serve(self, input: Inputs) -> None:
        """Take moves, and show what they lead to."""
        held = self._held

        @reactive.effect
        async def _() -> None:
            await self._changed()

        @reactive.effect
        @reactive.event(input.moved)
        async def _() -> None:
            moves, settled = input.moved()["moves"], input.moved()["settled"]
            held.move(moves, settled)
            await self._changed(0.0 if settled else REST)

        @reactive.effect
        @reactive.event(input.undo)
        async def _() -> None:
            held.undo()
            await self._placed()

        @reactive.effect
        @reactive.event(input.reset)
        async def _() -> None:
            held.move({}, True)
            await self._placed()

        @render.ui
        async def answer() -> Tag:
            self._moves()
            return await self._answer(self._before(), self._found())

        @render.ui
        def in_full() -> TagList | None:
            found = self._found()
            return None if found is None else markup.in_full(found.result["recommendation"]["text"])

        @render.ui
        def tables() -> TagList | None:
            found, before = self._found(), self._before()
            if found is None or before is None:
                return None
            shown = answers.tables(found.result, before.result)
            return TagList(*(markup.table(one) for one in shown))

        @render.ui
        def who_gains() -> Tag | None:
            drawn = self._picture()
            return None if drawn is None else markup.figure(drawn)

        @render.download_button(filename="case.yaml")
        def save() -> Iterator[str]:
            yield held.text

        @render.download_button(filename="report.html")
        async def report() -> AsyncIterator[str]:
            yield await asyncio.wrap_future(self._workers(answers.report_of, held.text))

    async def _changed(self, rest: float = 0.0) -> None:
        """Say what the page itself shows of the moves, and begin to work out the rest when the
        fingers have rested so many seconds."""
        self._stop()
        held = self._held
        told = {"text": held.command, "undo": held.can_undo, "moved": bool(held.moves)}
        await self._session.send_custom_message("command", told)
        await self._mark({}, "")
        await self._say(LAST if isinstance(held.case, BadCase) else WORKING)
        with reactive.isolate():
            self._moves.set(self._moves() + 1)
        self._running = asyncio.create_task(self._follow(rest))

    async def _mark(self, marks: dict[str, list[tuple[float, str]]], note: str) -> None:
        """Where the answer changes, and what is to be said of that."""
        await self._session.send_custom_message("marks", {"marks": marks, "note": note})

    async def _say(self, text: str) -> None:
        """Of which case the tables are."""
        await self._session.send_custom_message("state", {"text": text})

    async def _placed(self) -> None:
        """The same where controls have to go where the moves are."""
        await self._session.send_custom_message("place", self._held.moves)
        await self._changed()

    def _stop(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def _follow(self, rest: float) -> None:
        try:
            await asyncio.sleep(rest)
            await self._worked_through(self._held.case)
        except Exception:
            await self._say(FAULT)
            raise

    async def _worked_through(self, case: PolicyCase | BadCase) -> None:
        before = await _of(self._loaded)
        if isinstance(case, BadCase):
            await self._put(self._before, before)
            return
        found = before if case.text == before.text else await self._worked_out(case)
        await self._put(self._before, before)
        await self._put(self._found, found)
        await self._say(DRAWING)
        await self._put(self._picture, await _of(self._workers(answers.picture, found.result)))
        await self._say("")
        note = "" if case.types is None else OF_STANDARD
        await self._mark({}, f"{LOOKING} {note}".strip())
        await asyncio.sleep(LONGER)
        looked = True if case.types is None else None  # of the standard alone
        await self._mark(answers.marks((await self._worked_out(case, looked)).result), note)

    async def _worked_out(self, case: PolicyCase, switches: bool | None = False) -> answers.Worked:
        # one at a time: what was moved on meanwhile is not begun
        if switches in self._last:
            await _of(self._last[switches])
        self._last[switches] = self._workers(answers.worked_out, case.text, switches)
        return await _of(self._last[switches])

    async def _put(self, place: reactive.Value[T | None], value: T | None) -> None:
        async with reactive.lock():
            place.set(value)
            await reactive.flush()

    async def _answer(self, before: answers.Worked | None, found: answers.Worked | None) -> Tag:
        case, moves = self._held.case, self._held.moves
        if isinstance(case, BadCase):
            lines = ["There is no such market.", *(str(fault) for fault in case.faults)]
            return markup.told(lines, moves, refused=True)
        if found is not None and found.text == case.text:
            answer = answers.answer_of(found.result)
        else:  # beside the loop, which meanwhile begins to work out the tables
            answer = await asyncio.to_thread(answers.answer_at_once, case)
        loaded = None if before is None else answers.answer_of(before.result)
        return markup.told(answers.in_words(answer, loaded, case), moves)


async def _of(future: Future[T]) -> T:
    """What comes of it; whoever no longer waits does not stop it."""
    return await asyncio.wrap_future(future)


def _workers(pool: Pool) -> Workers:
    def work(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        # whoever waits for it may be gone, but never stops it
        future.set_running_or_notify_cancel()
        pool.apply_async(
            function,
            arguments,
            callback=future.set_result,
            error_callback=future.set_exception,
        )
        return future

    return work


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A socket on this machine alone, at this port or, for 0, at any that is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        yield taken


def serve(source: PolicyCase, path: str, taken: socket.socket, token: str) -> None:
    """Show the page until it is closed."""
    server: uvicorn.Server
    open_pages = 0

    def counted(more: int) -> None:
        nonlocal open_pages
        open_pages += more
        if not open_pages:
            asyncio.get_running_loop().call_later(GONE, end)

    def end() -> None:
        server.should_exit = server.should_exit or not open_pages

    # spawned, not forked: the server has threads; whatever is being worked out ends with the page
    with get_context("spawn").Pool(2) as pool:
        app = application(source, path, _workers(pool), counted)
        guarded = Guard(app, token, taken.getsockname()[1])
        server = uvicorn.Server(uvicorn.Config(guarded, log_level="error"))
        server.run(sockets=[taken])
