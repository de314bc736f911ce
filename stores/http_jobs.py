"""Erasures that a vendor carries out in its own time: a job is submitted once, taken on from state to state, and done only
when the vendor says so. A job from an earlier run is taken up again; one that covers more than was asked for is left alone."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from core.errors import KeptError
from stores.contract import StoreBusy
from stores.http_client import HttpClient
from stores.http_paths import Values
from stores.http_recipe import Job, JobState, Move


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A job as the vendor shows it."""

    id: str
    word: str
    covers: frozenset[str]


class Jobs:
    """The jobs of one kind of object."""

    def __init__(self, client: HttpClient, job: Job) -> None:
        self._client = client
        self._job = job

    def erase(self, present: Sequence[str], others: Collection[str] = ()) -> None:
        """Have the vendor erase what is `present`; jobs that an earlier run left over these and `others` (of the same batch,
        no longer readable) are finished first. Raises StoreBusy while the vendor is still at it."""
        asked = frozenset(present) | frozenset(others)
        if not asked:
            return
        known = self._known(asked)
        waited = 0.0
        driven: set[str] = set()
        for seen in known:
            if self._state(seen.word).move not in (Move.DONE, Move.DEAD):
                waited = self._drive(seen, waited, asked)
                driven |= seen.covers
        rest = sorted(set(present) - driven)
        if rest:
            self._drive(self._submit(rest), waited, asked)

    def _known(self, asked: frozenset[str]) -> list[Seen]:
        if self._job.known is None or self._job.covers is None:
            return []
        found = []
        for data in self._client.listed(self._job.known, {}, key=self._job.id):
            covers = frozenset(str(one) for one in self._client.each_at(data, self._job.covers))
            if covers & asked:
                found.append(self._seen(data, covers))
        return found

    def _submit(self, keys: Sequence[str]) -> Seen:
        # Where the vendor lists no jobs, the same keys are the same request, whoever sends it again. Where it does, a job whose
        # answer was lost is found there; a key of its own spares this one the saved answer of an earlier error.
        once = None if self._job.known else hashlib.sha256("\n".join(keys).encode()).hexdigest()
        values: Values = {"keys": tuple(keys), "key": keys[0]}
        return self._seen(self._client.ask(self._job.submit, values, once=once), frozenset(keys))

    def _drive(self, seen: Seen, waited: float, asked: frozenset[str]) -> float:
        """Take a job on until it is done; gives how long was waited in all."""
        covers, tried = seen.covers, False
        while True:
            state = self._state(seen.word)
            if state.move is Move.DONE:
                return waited
            if state.move is Move.DEAD:
                self._stop(seen, "somebody ended it there.", "Run this again for a new one.")
            if state.move is Move.WAIT:
                if waited + self._job.every > self._job.within:
                    self._be_patient(seen)
                self._client.pause(self._job.every)
                waited += self._job.every
                seen = self._look(seen)
                continue
            if not covers <= asked:
                self._stop(seen, "it covers others too, so it was left alone.", "Run or cancel it there.")
            if state.send is None or (state.move is Move.STOP and tried):
                self._stop(seen, self._reasons(seen), state.say)
            tried = tried or state.move is Move.STOP
            seen = self._taken_on(seen, state)

    def _taken_on(self, seen: Seen, state: JobState) -> Seen:
        if state.send is None:
            return seen
        data = self._client.ask(state.send, {"job": seen.id})
        return Seen(id=seen.id, word=str(self._client.at(data, self._job.state)), covers=seen.covers)

    def _look(self, seen: Seen) -> Seen:
        data = self._client.ask(self._job.read, {"job": seen.id})
        return Seen(id=seen.id, word=str(self._client.at(data, self._job.state)), covers=seen.covers)

    def _seen(self, data: Any, covers: frozenset[str]) -> Seen:
        job_id, word = self._client.at(data, self._job.id), self._client.at(data, self._job.state)
        if not isinstance(job_id, str) or not job_id or not isinstance(word, str):
            raise self._client.out_of_date("A job has no id or no state.")
        return Seen(id=job_id, word=word, covers=covers)

    def _state(self, word: str) -> JobState:
        if word not in self._job.states:
            raise self._client.out_of_date(f"A job is in a state that it has no word for ({word[:40]!r}).")
        return self._job.states[word]

    def _reasons(self, seen: Seen) -> str:
        if self._job.why is None:
            return "it stopped."
        data = self._client.ask(self._job.read, {"job": seen.id})
        codes = {str(code) for code in self._client.each_at(data, self._job.why) if code is not None}
        return f"it stopped ({', '.join(sorted(codes))})." if codes else "it stopped."

    def _be_patient(self, seen: Seen) -> NoReturn:
        raise StoreBusy(
            f"The store {self._client.name} is still at the job {seen.id} ({seen.word}): it is not done yet.",
            remedy="Run this again later; the same job is taken up.",
        )

    def _stop(self, seen: Seen, why: str, remedy: str) -> NoReturn:
        raise KeptError(f"The job {seen.id} of the store {self._client.name} is {seen.word}: {why}", remedy=remedy)
