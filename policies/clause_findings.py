"""What happened between two readings of one clause, as the names of rules in materiality.yaml; pure comparison, no weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from policies.clauses import (
    AcceptanceClause,
    Action,
    AgeLimitClause,
    Answer,
    ChannelClause,
    Channels,
    Clause,
    CollectsClause,
    CookieClause,
    NeverClause,
    NoticeClause,
    PledgeClause,
    ProcessorClause,
    PurposeClause,
    RecipientClause,
    RetentionClause,
    RetentionException,
    RightClause,
    Role,
    SafeguardClause,
)
from policies.materiality import needed_cookies
from policies.period_order import Order, order_periods
from policies.periods import Period
from policies.word_differences import words_of

# How much goes at the end: the whole row, the row but for totals, the person, a field, a permission.
_STRENGTH: Final = (Action.REVOKE, Action.REDACT, Action.ANONYMISE, Action.AGGREGATE, Action.DELETE)


def sets(old: Sequence[str], new: Sequence[str], *, more: str, less: str) -> Iterator[str]:
    """`more` where something came, `less` where something went."""
    if set(new) - set(old):
        yield more
    if set(old) - set(new):
        yield less


def _wider(old: Sequence[str], new: Sequence[str], *, more: str, less: str) -> Iterator[str]:
    """The same for a list that means everything where it is empty."""
    if bool(old) != bool(new):
        yield more if old else less
    elif old:
        yield from sets(old, new, more=more, less=less)


def lengths(old: Period | None, new: Period | None, *, longer: str, shorter: str, untold: str) -> Iterator[str]:
    """What became of a period; None is no end at all."""
    if old is None or new is None:
        if old != new:
            yield longer if new is None else shorter
        return
    order = order_periods(old, new)
    if order is not Order.SAME:
        yield {Order.LONGER: longer, Order.SHORTER: shorter, Order.UNTOLD: untold}[order]


def compare_same(old: Clause, new: Clause) -> list[str]:
    """What happened to a clause that both documents have; nothing where only bookkeeping differs."""
    if type(old) is not type(new):
        return ["other_kind"]
    return list(_COMPARED[type(old)](old, new))


def _collects(old: CollectsClause, new: CollectsClause) -> Iterator[str]:
    if old.category != new.category:
        yield "new_category"
    if old.source != new.source:
        yield "new_source"
    yield from sets(old.fields, new.fields, more="new_category", less="category_dropped")


def _purpose(old: PurposeClause, new: PurposeClause) -> Iterator[str]:
    yield from sets(old.why, new.why, more="new_purpose", less="purpose_dropped")
    yield from sets(old.of, new.of, more="new_category", less="category_dropped")
    if old.basis != new.basis or not _same_words(old.interest, new.interest):
        yield "basis_changed"


def _retention(old: RetentionClause, new: RetentionClause) -> Iterator[str]:
    """All but `of`: a category that left may be in another clause, so clause_differences looks at the whole document."""
    yield from compare_ends(old, new)
    yield from lengths(old.within, new.within, longer="late_longer", shorter="late_shorter", untold="period_untold")
    yield from _exceptions(old.exceptions, new.exceptions)
    if new.reaches_back and old.reaches_back != new.reaches_back:
        yield "reaches_back"
    if old.then is new.then is Action.AGGREGATE:
        if (old.into, old.by) != (new.into, new.by):
            yield "totals_other"
        if old.k != new.k:
            yield "totals_weaker" if (new.k or 0) < (old.k or 0) else "totals_stronger"


def compare_ends(old: RetentionClause, new: RetentionClause) -> Iterator[str]:
    """When the time is up and what happens then."""
    yield from _clock(old, new)
    if old.then != new.then:
        weaker = _STRENGTH.index(new.then) < _STRENGTH.index(old.then)
        yield "weaker_action" if weaker else "stronger_action"


def _clock(old: RetentionClause, new: RetentionClause) -> Iterator[str]:
    if (old.period is None and old.until is None) or (new.period is None and new.until is None):
        if old.period != new.period or old.until != new.until:
            yield "retention_dropped" if new.period is None and new.until is None else "retention_added"
    elif old.event == new.event:
        if old.until and new.until:
            return
        if old.until or new.until:
            yield "longer" if old.until else "shorter"
            return
        yield from lengths(old.period, new.period, longer="longer", shorter="shorter", untold="period_untold")
    elif old.event is None and new.period and old.period and _not(Order.SHORTER, old.period, new.period):
        yield "longer"  # what an event starts later and lasts as long ends later
    elif new.event is None and new.period and old.period and _not(Order.LONGER, old.period, new.period):
        yield "shorter"
    else:
        yield "other_event"


def _not(order: Order, old: Period, new: Period) -> bool:
    return order_periods(old, new) not in (order, Order.UNTOLD)


def _exceptions(old: Sequence[RetentionException], new: Sequence[RetentionException]) -> Iterator[str]:
    before = {category: one for one in old for category in one.of}
    after = {category: one for one in new for category in one.of}
    yield from sets(tuple(before), tuple(after), more="exception_added", less="exception_dropped")
    for category in before.keys() & after.keys():
        was, now = before[category], after[category]
        if was.basis != now.basis:
            yield "basis_changed"
        yield from lengths(was.period, now.period, longer="longer", shorter="shorter", untold="period_untold")


def _never(old: NeverClause, new: NeverClause) -> Iterator[str]:
    yield from sets(old.of, new.of, more="promise_added", less="promise_weaker")
    yield from sets(old.exceptions, new.exceptions, more="promise_weaker", less="promise_added")
    if old.unless_consent != new.unless_consent:
        yield "promise_weaker" if new.unless_consent else "promise_added"


def _says(old: PledgeClause | SafeguardClause, new: PledgeClause | SafeguardClause) -> Iterator[str]:
    if not _same_words(old.says, new.says):
        yield "promise_reworded"
    if old.review != new.review:
        yield "promise_review"


def _right(old: RightClause, new: RightClause) -> Iterator[str]:
    if old.right != new.right:
        yield from ("right_added", "right_dropped")
    yield from _answer_time(old.within, new.within)
    if old.self_service != new.self_service:
        yield "right_stronger" if new.self_service else "right_weaker"
    if old.firm != new.firm:
        yield "right_stronger" if new.firm else "right_weaker"
    if old.to != new.to:
        yield "right_untold"
    yield from _wider(old.of, new.of, more="right_stronger", less="right_weaker")
    yield from _wider(old.regimes, new.regimes, more="right_stronger", less="right_weaker")
    yield from _exceptions(old.exceptions, new.exceptions)


def _answer_time(old: Period | Answer | None, new: Period | Answer | None) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, Period) and isinstance(new, Period):
        yield from lengths(old, new, longer="right_slower", shorter="right_stronger", untold="right_untold")
    elif new is Answer.AT_ONCE:
        yield "right_stronger"
    elif old is Answer.AT_ONCE:
        yield "right_slower"
    else:
        yield "right_untold"


def _recipient(old: RecipientClause, new: RecipientClause) -> Iterator[str]:
    if old.name.casefold() != new.name.casefold():
        yield "new_recipient"
    if old.role != new.role:
        yield "recipient_less" if new.role is Role.PROCESSOR else "recipient_role"
    yield from sets(old.of, new.of, more="recipient_more", less="recipient_less")
    yield from sets(old.why, new.why, more="recipient_more", less="recipient_less")
    if old.region != new.region:
        yield "region_changed"
    if old.safeguard != new.safeguard:
        yield "safeguard_changed" if old.safeguard else "safeguard_added"


def _cookie(old: CookieClause, new: CookieClause) -> Iterator[str]:
    if old.none != new.none:
        yield "cookie_less" if new.none else "cookie_more"
        return
    more, less = ("cookie_less", "cookie_more") if new.none else ("cookie_more", "cookie_less")
    for name in ("why", "where", "storage"):
        yield from sets(getattr(old, name), getattr(new, name), more=more, less=less)
    if old.party != new.party:
        yield "cookie_more" if new.party == "third" else "cookie_less"
    if old.lasts is None or new.lasts is None:  # the session: over sooner than any period
        if old.lasts != new.lasts:
            yield "cookie_less" if new.lasts is None else "cookie_more"
        return
    yield from lengths(old.lasts, new.lasts, longer="cookie_more", shorter="cookie_less", untold="cookie_more")


def _notice(old: NoticeClause, new: NoticeClause) -> Iterator[str]:
    if old.ahead != new.ahead:
        if old.ahead is None or new.ahead is None:
            yield "notice_weaker" if new.ahead is None else "notice_stronger"
        else:
            worse, better = "notice_weaker", "notice_stronger"
            yield from lengths(old.ahead, new.ahead, longer=better, shorter=worse, untold=worse)
    yield from _ways(old.material, new.material)
    yield from _ways(old.minor, new.minor)


def _ways(old: Channels | None, new: Channels | None) -> Iterator[str]:
    if old == new:
        return
    if old is None or new is None:
        yield "notice_stronger" if old is None else "notice_weaker"
        return
    if old.any_of != new.any_of and len(old.ways) > 1:
        yield "notice_weaker" if new.any_of else "notice_stronger"
    # One more way to choose from may be the only one used: less is promised.
    more, less = (
        ("notice_weaker", "notice_stronger") if new.any_of and old.any_of else ("notice_stronger", "notice_weaker")
    )
    yield from sets(old.ways, new.ways, more=more, less=less)


def _acceptance(old: AcceptanceClause, new: AcceptanceClause) -> Iterator[str]:
    if old.by != new.by:
        yield "accepted_by_use" if new.by == "use" else "accepted_explicitly"


def _processor(old: ProcessorClause, new: ProcessorClause) -> Iterator[str]:
    worse, better = "forwarding_slower", "forwarding_better"
    yield from lengths(old.within, new.within, longer=worse, shorter=better, untold=worse)
    if old.forward_to != new.forward_to:
        yield "channel_changed"


def _channel(old: ChannelClause, new: ChannelClause) -> Iterator[str]:
    for way in ("email", "phone", "post", "url"):
        before, after = getattr(old, way), getattr(new, way)
        if before != after:
            yield "channel_changed" if before and after else "channel_dropped" if before else "channel_added"


def _age(old: AgeLimitClause, new: AgeLimitClause) -> Iterator[str]:
    if (old.minimum, old.alternative) != (new.minimum, new.alternative):
        yield "age_changed"


def added(clause: Clause) -> str:
    """What it means that a clause is new, where nothing in the old document says otherwise."""
    if isinstance(clause, CookieClause):
        if clause.none:
            return "promise_added"
        needed = clause.party == "first" and needed_cookies().issuperset(one.casefold() for one in clause.why)
        return "new_cookie" if needed else "new_tracking"
    if isinstance(clause, RetentionClause) and clause.reaches_back:
        return "reaches_back"
    if isinstance(clause, AcceptanceClause):
        return "accepted_by_use" if clause.by == "use" else "accepted_explicitly"
    return _ADDED[type(clause)]


def removed(clause: Clause) -> str:
    """What it means that a clause is gone, where nothing in the new document stands for it."""
    if isinstance(clause, CookieClause) and clause.none:
        return "promise_dropped"
    if isinstance(clause, AcceptanceClause):
        return "accepted_explicitly" if clause.by == "use" else "accepted_by_use"
    return _REMOVED[type(clause)]


def _same_words(old: str | None, new: str | None) -> bool:
    return words_of(old or "") == words_of(new or "")


_COMPARED: Final[Mapping[type[Clause], Callable[[Any, Any], Iterable[str]]]] = {
    CollectsClause: _collects,
    PurposeClause: _purpose,
    RetentionClause: _retention,
    NeverClause: _never,
    PledgeClause: _says,
    RightClause: _right,
    RecipientClause: _recipient,
    CookieClause: _cookie,
    NoticeClause: _notice,
    AcceptanceClause: _acceptance,
    ProcessorClause: _processor,
    SafeguardClause: _says,
    ChannelClause: _channel,
    AgeLimitClause: _age,
}
_ADDED: Final[Mapping[type[Clause], str]] = {
    CollectsClause: "new_category",
    PurposeClause: "new_purpose",
    RetentionClause: "retention_added",
    NeverClause: "promise_added",
    PledgeClause: "promise_added",
    RightClause: "right_added",
    RecipientClause: "new_recipient",
    NoticeClause: "notice_stronger",
    ProcessorClause: "forwarding_better",
    SafeguardClause: "promise_added",
    ChannelClause: "channel_added",
    AgeLimitClause: "age_changed",
}
_REMOVED: Final[Mapping[type[Clause], str]] = {
    CollectsClause: "category_dropped",
    PurposeClause: "purpose_dropped",
    RetentionClause: "retention_dropped",
    NeverClause: "promise_dropped",
    PledgeClause: "promise_dropped",
    RightClause: "right_dropped",
    RecipientClause: "recipient_dropped",
    CookieClause: "cookie_less",
    NoticeClause: "notice_weaker",
    ProcessorClause: "forwarding_slower",
    SafeguardClause: "promise_dropped",
    ChannelClause: "channel_dropped",
    AgeLimitClause: "age_dropped",
}
