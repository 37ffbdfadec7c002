"""Several things at the same time, in threads that Ctrl-C need not wait for."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from queue import Empty, Queue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """Results in the order in which they come; the first error ends it, what has not begun is left.

    The threads of `concurrent.futures` would hold up the end of the program: a download that was
    interrupted would first be finished.
    """
    waiting: Queue[Item] = Queue()
    for item in items:
        waiting.put(item)
    answers: Queue[Future[Result]] = Queue()

    def work() -> None:
        while True:
            try:
                item = waiting.get_nowait()
            except Empty:
                return
            answer: Future[Result] = Future()
            try:
                answer.set_result(function(item))
            except BaseException as error:  # for the caller to see
                answer.set_exception(error)
            answers.put(answer)

    for _ in range(min(threads, len(items))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in items:
            yield answers.get().result()
    finally:
        with waiting.mutex:
            waiting.queue.clear()
