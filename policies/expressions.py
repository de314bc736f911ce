"""The expressions in a policy's prose: which clauses they cite, what stands beside them literally, and what is refused.

Only `{{ clause("id").key }}`, `{{ clause("id").cite }}` and a few facts of the document are understood. Everything else
of the template language (statements, filters, arithmetic, calls) is refused here, before anything is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from policies.clause_schemas import key_names
from policies.clause_words import describe_clause, said_key
from policies.clauses import Clause

CONTROLLER_FACTS: Final = ("name", "email", "country", "subdivision", "timezone", "address", "dpo")
PLAIN_FACTS: Final = ("title", "policy", "version", "in_force", "language")
HIDDEN_KEYS: Final = frozenset({"silent", "kind"})
MAX_EXPRESSIONS: Final = 2_000
MAX_PRINTED: Final = 500_000  # characters that all expressions together print
MAX_LINES: Final = 8_000
MAX_MARKS: Final = {"[": 4_000, "*": 20_000, "_": 20_000}  # what a reader of Markdown has to look for the end of
MAX_PARAGRAPH: Final = 16_000  # characters; what Markdown takes for a paragraph can cost the square of its length
PLACEHOLDER: Final = "\ufffc"  # OBJECT REPLACEMENT CHARACTER: something is printed here
_ALLOWED: Final = (
    'Allowed are {{ clause("ID").KEY }}, {{ controller.name }} and {{ ' + " }}, {{ ".join(PLAIN_FACTS) + " }}."
)
# Keys whose words change with the sentence in German: `for_dative`, `within_dative`, `ahead_dative`.
PERIOD_KEYS: Final = ("for", "within", "ahead", "review", "lasts")

PARSER: Final = ImmutableSandboxedEnvironment(autoescape=False, keep_trailing_newline=True)


@dataclass(frozen=True, kw_only=True)
class Citation:
    """One use of a clause in the prose. `line` is that of the file; `key` what is printed of it, "" for its sentence."""

    clause: str
    line: int
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class ProseProblem:
    """An expression that is refused. `line` is that of the file."""

    line: int
    what: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class ProseReading:
    """What the prose holds: citations, the text with each expression replaced by a placeholder, and problems.

    `facts`: the facts of the document that are printed (`in_force`, `controller.name`), each once.
    """

    citations: tuple[Citation, ...]
    literal: str
    problems: tuple[ProseProblem, ...]
    facts: tuple[str, ...] = ()

    def prints(self, clause_id: str, key: str) -> bool:
        """Whether the prose prints that key of that clause."""
        return any(each.clause == clause_id and each.key == key for each in self.citations)


def allowed_keys(clause: Clause) -> tuple[str, ...]:
    """The keys of a clause that prose may print."""
    names = [key for key in key_names(clause.kind) if key not in HIDDEN_KEYS]
    return ("cite", *names, *(f"{key}_dative" for key in names if key in PERIOD_KEYS))


def read_prose(body: str, *, first_line: int, clauses: Mapping[str, Clause]) -> ProseReading:
    """Read the prose of a document whose first line is `first_line` of its file."""
    if too_much := _measure(body, first_line):
        return ProseReading(citations=(), literal="", problems=(too_much,))
    try:
        literal, statements = _take_literal(body, first_line)
        if statements:
            return ProseReading(citations=(), literal=literal, problems=tuple(statements))
        tree = PARSER.parse(body)
    except TemplateSyntaxError as error:
        what = str(error).splitlines()[0]
        problem = ProseProblem(line=first_line + error.lineno - 1, what=what, remedy=_ALLOWED)
        return ProseReading(citations=(), literal="", problems=(problem,))
    except RecursionError:
        problem = ProseProblem(line=first_line, what="an expression is nested too deeply", remedy=_ALLOWED)
        return ProseReading(citations=(), literal="", problems=(problem,))
    citations: list[Citation] = []
    problems: list[ProseProblem] = []
    facts: dict[str, None] = {}
    printed = 0
    for count, expression in enumerate(_expressions(tree), start=1):
        line = first_line + expression.lineno - 1
        try:
            match _check(expression, clauses):
                case str(fact):
                    facts[fact] = None
                case (cited, key):
                    citations.append(Citation(clause=cited.id, line=line, key=key))
                    printed += _size(cited, key)
        except _RefusedError as refused:
            problems.append(ProseProblem(line=line, what=refused.what, remedy=refused.remedy))
        if count > MAX_EXPRESSIONS or printed > MAX_PRINTED:
            what = (
                f"there are more than {MAX_EXPRESSIONS} expressions, or they print more than {MAX_PRINTED // 1000} kB"
            )
            problems.append(ProseProblem(line=line, what=what, remedy="Say each thing once."))
            break
    return ProseReading(citations=tuple(citations), literal=literal, problems=tuple(problems), facts=tuple(facts))


@lru_cache(maxsize=1000)
def _size(clause: Clause, key: str) -> int:
    return len(said_key(clause, key, "en") if key else describe_clause(clause))


def _measure(body: str, first_line: int) -> ProseProblem | None:
    lines = body.count("\n") + 1
    if lines > MAX_LINES:
        what = f"the prose has {lines} lines"
        return ProseProblem(
            line=first_line + MAX_LINES, what=what, remedy=f"A policy is a few pages: {MAX_LINES} at most."
        )
    for mark, most in MAX_MARKS.items():
        if (found := body.count(mark)) > most:
            what = f"the prose has {found} times the sign {mark}"
            return ProseProblem(line=first_line, what=what, remedy=f"{most} at most.")
    start = 0
    for gap in [*re.finditer(r"\n[ \t]*(?=\n)", body), None]:
        end = gap.start() if gap else len(body)
        if end - start > MAX_PARAGRAPH:
            what = f"a paragraph has {end - start} characters"
            line = first_line + body.count("\n", 0, start) + (1 if start else 0)
            return ProseProblem(line=line, what=what, remedy=f"Divide it: {MAX_PARAGRAPH} at most.")
        start = gap.end() if gap else end
    return None


class _RefusedError(Exception):
    def __init__(self, what: str, remedy: str = _ALLOWED) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


def _take_literal(body: str, first_line: int) -> tuple[str, list[ProseProblem]]:
    pieces: list[str] = []
    problems: list[ProseProblem] = []
    for line, kind, value in PARSER.lex(body):
        if kind == "data":
            pieces.append(value)
            continue
        if kind in ("block_begin", "raw_begin"):
            what = "the prose holds a statement ({% … %})"
            problems.append(ProseProblem(line=first_line + line - 1, what=what, remedy=_ALLOWED))
        # Lines stay where they are, so that a finding in the literal text names the right one.
        pieces.append("\n" * value.count("\n") + (PLACEHOLDER if kind == "variable_end" else ""))
    return "".join(pieces), problems


def _expressions(tree: nodes.Template) -> Iterator[nodes.Node]:
    for statement in tree.body:
        if isinstance(statement, nodes.Output):
            yield from (each for each in statement.nodes if not isinstance(each, nodes.TemplateData))
        else:
            yield statement


def _check(node: nodes.Node, clauses: Mapping[str, Clause]) -> str | tuple[Clause, str]:
    """The clause that an expression cites and the key it prints, or the name of a plain fact. Raises for all else."""
    if isinstance(node, nodes.Name) and node.name in PLAIN_FACTS:
        return str(node.name)
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "controller":
        if node.attr not in CONTROLLER_FACTS:
            raise _RefusedError(f"controller has no '{node.attr}'", f"It has: {', '.join(CONTROLLER_FACTS)}.")
        return f"controller.{node.attr}"
    if isinstance(node, nodes.Getattr):
        clause = _called(node.node, clauses)
        if node.attr not in allowed_keys(clause):
            raise _RefusedError(
                f"clause {clause.id} has no key '{node.attr}'", f"It may have: {', '.join(allowed_keys(clause))}."
            )
        return clause, str(node.attr)
    return _called(node, clauses), ""


def _called(node: nodes.Node, clauses: Mapping[str, Clause]) -> Clause:
    if (
        not isinstance(node, nodes.Call)
        or not isinstance(node.node, nodes.Name)
        or node.node.name != "clause"
        or len(node.args) != 1
        or node.kwargs
        or node.dyn_args
        or node.dyn_kwargs
        or not isinstance(node.args[0], nodes.Const)
    ):
        raise _RefusedError("the prose holds an expression that is not understood")
    found = clauses.get(node.args[0].value) if isinstance(node.args[0].value, str) else None
    if found is None:
        raise _RefusedError(
            f"the prose cites clause '{node.args[0].value}', which the head does not have", "Correct the id."
        )
    return found
