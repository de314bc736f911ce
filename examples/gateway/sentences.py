"""The made-up sentences of the example: prompts, answers, letters to support and comments."""

import random

_CODE_PROMPTS = (
    "Write a function in {language} that {task}.",
    "Why does this {language} code fail when it {task}? It stops with an index error.",
    "Refactor this class, it {task} but nobody can read it.",
    "Add tests for the part that {task}.",
    "Translate this from {language} to a shell script. It {task}.",
    "Review the change below. It {task} and should not block.",
)
_CHAT_PROMPTS = (
    "Summarise the minutes of our meeting about {topic} in three points.",
    "Draft a polite answer to a customer who asks about {topic}.",
    "Explain {topic} to somebody who hears of it for the first time.",
    "What should a checklist for {topic} hold?",
    "Rewrite this paragraph on {topic}, shorter and friendlier.",
    "Compare two ways to go about {topic} in a table.",
    "Give me five titles for an article about {topic}.",
)
_LANGUAGES = ("Python", "Rust", "Go", "TypeScript", "Kotlin", "SQL", "Elixir", "C")
_TASKS = (
    "merges two sorted lists",
    "reads a CSV file with quoted fields",
    "retries a call with growing pauses",
    "renders a calendar as a table",
    "counts words across folders",
    "parses dates in mixed forms",
    "caches the last answers",
    "streams a large upload",
)
_TOPICS = (
    "the new opening hours",
    "moving a warehouse",
    "growing tomatoes on a balcony",
    "a school library",
    "invoices that arrive late",
    "choosing a bicycle",
    "the spring catalogue",
    "onboarding volunteers",
    "saving water in a canteen",
    "a street festival",
)
_ANSWERS = (
    "Here is a version that does it step by step.",
    "The short answer is yes, with one caveat about size.",
    "I would split this into two parts and test each.",
    "Three points stand out, listed below.",
    "The error comes from the last line: the list is empty there.",
    "Below is a draft you can change as you like.",
    "Start with the simplest case and grow from it.",
    "A table says it best, so here is one.",
)
_CLOSINGS = (
    "Tell me if you need it shorter.",
    "Check the numbers before you use it.",
    "It runs in linear time.",
    "I left the names as they were.",
    "Nothing else needs to change.",
    "",
)
_LETTERS = (
    "My invoice shows an old company name. Can you correct it?",
    "Requests have been slow since this morning, is something wrong on your side?",
    "How do I add a second API key for our test system?",
    "I get status 429 although I send only a few requests a minute.",
    "Which models can read long documents?",
    "We are moving to another office, where do I change our details?",
    "Thanks for the quick help last week, everything works again.",
    "The dashboard shows no usage for yesterday although we sent requests.",
    "Can we pay by bank transfer instead of by card?",
    "I lost the token of my API key. Can you show it to me once more?",
)
_STRANGERS_LETTERS = (
    "Do you offer a trial for non-profit organisations?",
    "I would like to know where your servers are before we sign up.",
    "Somebody sent me an invitation to your service. Is it real?",
    "We wrote an article about LLM gateways and have a question on prices.",
    "Do you have open positions in support?",
)
_COMMENTS = (
    "Fast and plain, that is what I need.",
    "The dashboard could show the cost of each request.",
    "I would like more small models.",
    "Switching between models is easy.",
    "Answers were slow last week.",
    "Good documentation.",
)


def invent_prompt(rng: random.Random, kind: str) -> str:
    """What somebody may have asked; `kind` is the trace that the request is from."""
    if kind == "code":
        return rng.choice(_CODE_PROMPTS).format(language=rng.choice(_LANGUAGES), task=rng.choice(_TASKS))
    return rng.choice(_CHAT_PROMPTS).format(topic=rng.choice(_TOPICS))


def invent_answer(rng: random.Random) -> str:
    """What a model may have answered."""
    return f"{rng.choice(_ANSWERS)} {rng.choice(_CLOSINGS)}".rstrip()


def invent_comment(rng: random.Random) -> str:
    """What somebody may have said about the service."""
    return rng.choice(_COMMENTS)


def invent_letter(rng: random.Random, *, from_user: bool) -> str:
    """What somebody may have written to support."""
    return rng.choice(_LETTERS if from_user else _STRANGERS_LETTERS)
