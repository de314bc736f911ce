"""The expressions in a policy's prose: which clauses they cite, what stands beside them literally, and what is refused.

Only `{{ clause("id").key }}`, `{{ clause("id").cite }}` and a few facts of the document are understood. Everything else
of the template language (statements, filters, arithmetic, calls) is refused here, before anything is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from policies.clause_schemas import key_names
from policies.clauses import Clause

CONTROLLER_FACTS: Final = ("name", "email", "country", "subdivision", "timezone", "address", "dpo")
PLAIN_FACTS: Final = ("title", "policy", "version", "in_force", "language")
HIDDEN_KEYS: Final = frozenset({"silent", "kind"})
PLACEHOLDER: Final = "\ufffc"  # OBJECT REPLACEMENT CHARACTER: something is printed here
_ALLOWED: Final = (
    'Allowed are {{ clause("ID").KEY }}, {{ controller.name }} and {{ ' + " }}, {{ ".join(PLAIN_FACTS) + " }}."
)
# Keys whose words change with the sentence in German: `for_dative`, `within_dative`, `ahead_dative`.
PERIOD_KEYS: Final = ("for", "within", "ahead", "review", "lasts")

PARSER: Final = ImmutableSandboxedEnvironment(autoescape=False, keep_trailing_newline=True)


@dataclass(frozen=True, kw_only=True)
class Citation:
    """One use of a clause in the prose. `line` is that of the file."""

    clause: str
    line: int


@dataclass(frozen=True, kw_only=True)
class ProseProblem:
    """An expression that is refused. `line` is that of the file."""

    line: int
    what: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class ProseReading:
    """What the prose holds: citations, the text with each expression replaced by a placeholder, and problems."""

    citations: tuple[Citation, ...]
    literal: str
    problems: tuple[ProseProblem, ...]


def allowed_keys(clause: Clause) -> tuple[str, ...]:
    """The keys of a clause that prose may print."""
    names = [key for key in key_names(clause.kind) if key not in HIDDEN_KEYS]
    return ("cite", *names, *(f"{key}_dative" for key in names if key in PERIOD_KEYS))


def read_prose(body: str, *, first_line: int, clauses: Mapping[str, Clause]) -> ProseReading:
    """Read the prose of a document whose first line is `first_line` of its file."""
    try:
        literal, statements = _take_literal(body, first_line)
        if statements:
            return ProseReading(citations=(), literal=literal, problems=tuple(statements))
        tree = PARSER.parse(body)
    except (TemplateSyntaxError, RecursionError) as error:
        line = first_line + error.lineno - 1 if isinstance(error, TemplateSyntaxError) else first_line
        problem = ProseProblem(line=line, what=str(error).splitlines()[0], remedy=_ALLOWED)
        return ProseReading(citations=(), literal="", problems=(problem,))
    citations: list[Citation] = []
    problems: list[ProseProblem] = []
    for expression in _expressions(tree):
        line = first_line + expression.lineno - 1
        try:
            if cited := _check(expression, clauses):
                citations.append(Citation(clause=cited, line=line))
        except _RefusedError as refused:
            problems.append(ProseProblem(line=line, what=refused.what, remedy=refused.remedy))
    return ProseReading(citations=tuple(citations), literal=literal, problems=tuple(problems))


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


def _check(node: nodes.Node, clauses: Mapping[str, Clause]) -> str | None:
    """The id of the clause that an expression cites, None for a plain fact. Raises for all else."""
    if isinstance(node, nodes.Name) and node.name in PLAIN_FACTS:
        return None
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "controller":
        if node.attr not in CONTROLLER_FACTS:
            raise _RefusedError(f"controller has no '{node.attr}'", f"It has: {', '.join(CONTROLLER_FACTS)}.")
        return None
    if isinstance(node, nodes.Getattr):
        clause = _called(node.node, clauses)
        if node.attr not in allowed_keys(clause):
            raise _RefusedError(
                f"clause {clause.id} has no key '{node.attr}'", f"It may have: {', '.join(allowed_keys(clause))}."
            )
        return clause.id
    return _called(node, clauses).id


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
