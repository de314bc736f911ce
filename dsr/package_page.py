"""The readable page of a package: one file, nothing fetched, every value escaped; a small script in it adds a search."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from gettext import NullTranslations
from html import escape
from typing import Any, Final

from core.catalogue import catalogue
from core.words import count, records
from dsr.answers import HeldCollection, Letter
from dsr.package_records import READABLE_ROWS, Packed
from dsr.zip_file import plain_bytes

_STYLE: Final = """
:root{color-scheme:light dark;--page:#f6f5f1;--surface:#fff;--line:#e3dfd6;--text:#1d1b18;--muted:#5c574d;--accent:#24479f;--edge:#8b8577}
@media (prefers-color-scheme:dark){:root{--page:#131211;--surface:#1b1a18;--line:#322f2a;--text:#ebe8e1;--muted:#b3ada1;--accent:#9db4f2;--edge:#807a6e}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:1.0625rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main,header{max-width:72rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.5rem}
h1,h2{font-family:Charter,"Iowan Old Style",Georgia,serif;font-weight:600;line-height:1.2;text-wrap:balance}
h1{font-size:2.25rem;margin:0 0 .75rem}
h2{font-size:1.5rem;margin:2.5rem 0 .5rem;scroll-margin-top:5rem}
h2 small{font:inherit;color:var(--muted);font-weight:400}
p,li{max-width:42rem}
ul{padding-left:1.25rem}
a{color:var(--accent)}
code{font-size:.9em}
.muted{color:var(--muted)}
.lede{font-size:1.125rem}
summary{cursor:pointer;color:var(--muted);padding:.5rem 0}
nav ol{list-style:none;padding:0;margin:.5rem 0 0;columns:16rem;column-gap:2rem}
nav li{display:flex;justify-content:space-between;gap:1rem;padding:.375rem 0;border-bottom:1px solid var(--line);break-inside:avoid}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.wrap{overflow-x:auto;background:var(--surface);border:1px solid var(--line);border-radius:10px;margin:.75rem 0;max-height:36rem}
.wrap:focus-visible,summary:focus-visible,input:focus-visible,a:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:collapse;font-size:.875rem;line-height:1.4;min-width:100%}
th,td{padding:.5rem .875rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{position:sticky;top:0;background:var(--surface);color:var(--muted);font-weight:600;white-space:nowrap;box-shadow:0 1px var(--line)}
tbody tr:last-child td{border-bottom:0}
td{max-width:26rem;overflow-wrap:break-word;white-space:pre-wrap}
.records h2{scroll-margin-top:8.5rem}
[hidden]{display:none}
.find{position:sticky;top:0;z-index:2;background:var(--page);padding:.75rem 0;margin:1.5rem 0 0;border-bottom:1px solid var(--line);display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:center}
.find label{font-weight:600}
.find input{font:inherit;color:inherit;background:var(--surface);border:1px solid var(--edge);border-radius:6px;padding:.5rem .75rem;min-height:2.875rem;flex:1 1 16rem;min-width:0}
.find output{flex:1 0 100%;color:var(--muted);font-size:.875rem;min-height:1.4em}
@media (max-width:40rem){h1{font-size:1.75rem}header{padding-top:1.5rem}}
@media print{.find{display:none}.wrap{max-height:none;overflow:visible}body{background:none}}
"""
# Without it the page is whole; with it there is a field above the records that hides the lines without a word.
_SCRIPT: Final = """
(function(){var form=document.getElementById('find'),field=form.querySelector('input'),out=form.querySelector('output'),
rows=[].slice.call(document.querySelectorAll('.records tbody tr')),texts=rows.map(function(r){return r.textContent.toLowerCase()}),wait;
function look(){var words=field.value.toLowerCase().split(/\\s+/).filter(Boolean),shown=0;
rows.forEach(function(r,i){var hit=words.every(function(w){return texts[i].indexOf(w)>=0});r.hidden=!hit;if(hit)shown++});
[].forEach.call(document.querySelectorAll('.records'),function(s){s.hidden=words.length>0&&!s.querySelector('tbody tr:not([hidden])')});
out.textContent=words.length?(shown?form.dataset.some.replace('#',shown).replace('#',rows.length):form.dataset.none):''}
form.hidden=false;field.addEventListener('input',function(){clearTimeout(wait);wait=setTimeout(look,120)});
form.addEventListener('submit',function(e){e.preventDefault();look()})})();
"""
_SCRIPT_HASH: Final = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_SCRIPT_HASH}'; base-uri 'none'; form-action 'none'"


def write_page(letter: Letter, held: Sequence[HeldCollection], packed: Sequence[Packed], key: bytes) -> Iterator[bytes]:
    """The page as a stream: what the letter says, then every collection with its first records."""
    words = catalogue(letter.language)
    titles = {one.collection: one.title for one in held}
    request = words.gettext("request %(ref)s") % {"ref": letter.ref}
    named = words.gettext("The letter is %(file)s.") % {"file": '<a href="letter.pdf">letter.pdf</a>'}
    yield (
        f'<!doctype html><html lang="{letter.language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(letter.title)}, {escape(request)}</title><style>{_STYLE}</style></head><body>"
        f'<header><p class="muted">{escape(letter.controller["name"])}, {escape(request)}</p><h1>{escape(letter.title)}</h1>'
        f'<p class="lede">{escape(letter.page_summary)} {named}</p></header><main>\n'
    ).encode()
    some = [one for one in packed if one.rows]
    yield _contents(some, titles, words).encode()
    yield _nothing_held([titles[one.collection] for one in packed if not one.rows], words).encode()
    for section in letter.sections:
        yield _section(section).encode()
    yield _find(words).encode() if some else b""
    for one in some:
        yield from _records(titles[one.collection], one, key, words)
    yield (f"</main><script>{_SCRIPT}</script></body></html>\n".encode() if some else b"</main></body></html>\n")


def _contents(packed: Sequence[Packed], titles: Mapping[str, str], words: NullTranslations) -> str:
    lines = "".join(
        f'<li><a href="#{escape(one.collection)}">{escape(titles[one.collection])}</a><span class="num">{count(one.rows)}</span></li>'
        for one in packed
    )
    return f"<nav><h2>{escape(words.gettext('What is in it'))}</h2><ol>{lines}</ol></nav>" if lines else ""


def _nothing_held(titles: Sequence[str], words: NullTranslations) -> str:
    """Where we looked and there is no record, folded: it is told once and takes no room."""
    if not titles:
        return ""
    title = words.ngettext("Nothing held in %(num)s place", "Nothing held in %(num)s places", len(titles))
    lines = "".join(f"<li>{escape(one)}</li>" for one in titles)
    return f"<details><summary>{escape(title % {'num': len(titles)})}</summary><ul>{lines}</ul></details>\n"


def _find(words: NullTranslations) -> str:
    label = words.gettext("Find in the records")
    some = words.gettext("# of # lines on this page have it.")
    none = words.gettext("No line on this page has it. The files may: the page shows the first %(number)s of each.")
    none = none % {"number": READABLE_ROWS}
    return (
        f'<form class="find" id="find" role="search" hidden data-some="{escape(some)}" data-none="{escape(none)}">'
        f'<label for="words">{escape(label)}</label>'
        '<input id="words" type="search" autocomplete="off"><output for="words" aria-live="polite"></output></form>\n'
    )


def _section(section: Mapping[str, Any]) -> str:
    parts = [f"<h2>{escape(section['title'])}</h2>"]
    parts += [f"<p>{escape(line)}</p>" for line in section.get("lines", ())]
    if section.get("points"):
        parts.append("<ul>" + "".join(f"<li>{escape(point)}</li>" for point in section["points"]) + "</ul>")
    if table := section.get("table"):
        parts.append(_table(table))
    if section.get("note"):
        parts.append(f'<p class="muted">{escape(section["note"])}</p>')
    return "\n".join(parts)


def _table(table: Mapping[str, Any]) -> str:
    numbers = set(table.get("num", ()))

    def line(cells: Sequence[Any], tag: str) -> str:
        marked = (f'<{tag} class="num">' if place in numbers else f"<{tag}>" for place in range(len(cells)))
        shown = (count(cell) if isinstance(cell, int) else str(cell) for cell in cells)
        return (
            "<tr>"
            + "".join(f"{start}{escape(one)}</{tag}>" for start, one in zip(marked, shown, strict=True))
            + "</tr>"
        )

    body = "".join(line(row, "td") for row in table["rows"])
    return f'<div class="wrap" tabindex="0"><table><thead>{line(table["head"], "th")}</thead><tbody>{body}</tbody></table></div>'


def _records(title: str, packed: Packed, key: bytes, words: NullTranslations) -> Iterator[bytes]:
    number = escape(records(packed.rows, words.info().get("language", "") or "en"))
    yield f'<section class="records"><h2 id="{escape(packed.collection)}">{escape(title)} <small>{number}</small></h2>'.encode()
    if packed.withheld:
        held = words.gettext("Held, and never sent back: %(names)s.") % {"names": ", ".join(packed.withheld)}
        yield f'<p class="muted">{escape(held)}</p>'.encode()
    heads = "".join(f"<th>{escape(name)}</th>" for name in packed.columns)
    label = escape(title, quote=True)
    yield f'<div class="wrap" tabindex="0" role="region" aria-label="{label}"><table><thead><tr>{heads}</tr></thead><tbody>\n'.encode()
    yield from plain_bytes(packed.readable.whole(), key)
    yield b"</tbody></table></div>\n"
    if packed.rows > READABLE_ROWS:
        file = f'<a href="data/{escape(packed.collection)}.csv">data/{escape(packed.collection)}.csv</a>'
        more = words.gettext("%(number)s more are in %(file)s.")
        yield f"<p>{more % {'number': count(packed.rows - READABLE_ROWS), 'file': file}}</p>".encode()
    yield b"</section>\n"
