"""HTML of what is shown. Every text in it is escaped here, whoever wrote it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from ragkit.explore.engine import matches, moves, snippet
from ragkit.types import Collection

SMALL = "color:var(--jp-ui-font-color2, #555);font-size:90%"
GRADES = {0: "0 not relevant", 1: "1 in part", 2: "2 answers it"}


def escaped(text: object) -> str:
    """Text as text: no tag, no entity, no attribute can come of it."""
    return html.escape(str(text), quote=True)


def marked(text: str, question: str, spaces: bool = False) -> str:
    """The text with the words of the question in <mark>; with `spaces` its own lines are kept."""
    parts, end = [], 0
    for start, stop in matches(text, question):
        parts += [escaped(text[end:start]), f"<mark>{escaped(text[start:stop])}</mark>"]
        end = stop
    whole = "".join([*parts, escaped(text[end:])])
    return whole if spaces else " ".join(whole.split())


def note(text: str) -> str:
    """A line that a screen reader is to say when it changes."""
    return f'<div role="status" aria-live="polite" style="{SMALL}">{escaped(text)}</div>'


def heading(text: str) -> str:
    return f"<b>{escaped(text)}</b>"


def title(collection: Collection, doc_id: str) -> str:
    """One line: the document's title, date and id, as text (for lists, which take no HTML)."""
    name = " ".join(collection.titles.get(doc_id, "").split())[:90]
    date = str(collection.documents.get(doc_id, {}).get("date") or "")
    known = f"{name} ({date})" if date and name else name
    return f"{known} · {doc_id}" if known and known != doc_id else doc_id


def results(
    collection: Collection, question: str, name: str, found: Mapping[str, float], beside: Sequence[str] | None
) -> str:
    """A system's list: titles, dates, status, scores, what moved against `beside`, the words marked."""
    changed = moves(list(found), list(beside)) if beside is not None else {}
    judged = next((collection.qrels.get(q, {}) for q, t in collection.queries.items() if t == question), {})
    items = []
    for doc_id, score in found.items():
        info = collection.documents.get(doc_id, {})
        facts = [doc_id, info.get("date"), info.get("status"), f"score {score:.3f}", changed.get(doc_id)]
        facts += [f"judged {judged[doc_id]}"] if doc_id in judged else []
        text = collection.corpus[doc_id]
        start, end = snippet(text, question)
        gap = "… " if start else ""
        items.append(
            f'<li style="margin:0 0 .6em"><b>{marked(collection.titles.get(doc_id, doc_id), question)}</b>'
            f'<br><span style="{SMALL}">{escaped(" · ".join(str(f) for f in facts if f))}</span>'
            f"<br>{gap}{marked(text[start:end], question)}{' …' if end < len(text) else ''}</li>"
        )
    nothing = "" if items else f'<p style="{SMALL}">nothing found</p>'
    return (
        f'<section aria-label="{escaped(f"results of {name}")}">'
        f'<h4 style="margin:.3em 0">{escaped(name)}</h4>'
        f'<ol style="margin:0;padding-left:1.6em;line-height:1.35">{"".join(items)}</ol>{nothing}</section>'
    )


def terms_table(terms: Mapping[str, float]) -> str:
    """The words of the question, what each adds to BM25's score, and their sum."""
    rows = [(word, f"{weight:.3f}") for word, weight in terms.items()]
    rows.append(("together", f"{sum(terms.values()):.3f}"))
    return table(rows, ["word", "adds"], "BM25: what each word adds")


def nearest(sentence: tuple[str, float] | None) -> str:
    """The encoder's best-matching sentence."""
    if sentence is None:
        return ""
    text, cosine = sentence
    return (
        f"<p>The encoder's nearest sentence (cosine {cosine:.3f}):</p>"
        f"<blockquote>{escaped(' '.join(text.split()))}</blockquote>"
    )


def document(collection: Collection, doc_id: str, question: str) -> str:
    """A whole document as plain text, the words of the question marked."""
    return (
        # with the second attribute no key that is pressed in the text is one of JupyterLab's shortcuts
        '<div tabindex="0" data-lm-suppress-shortcuts="true" role="region" '
        f'aria-label="{escaped(f"text of {title(collection, doc_id)}")}" '
        'style="max-height:22em;overflow:auto;border:1px solid #bbb;padding:.5em 1em">'
        f"<b>{escaped(title(collection, doc_id))}</b>"
        '<div style="white-space:pre-wrap;line-height:1.4">'
        f"{marked(collection.corpus[doc_id], question, True)}</div></div>"
    )


def table(rows: Sequence[Sequence[object]], head: Sequence[str], caption: str = "") -> str:
    """A table of texts and numbers."""
    style = "white-space:nowrap;text-align:left"
    above = f'<caption style="{style}">{escaped(caption)}</caption>' if caption else ""
    heads = "".join(f'<th scope="col">{escaped(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escaped(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table>{above}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def bars(values: Sequence[float], measure: str) -> str:
    """Differences as bars in their order, gains above the line and losses below: SVG, drawn here.

    A click on a bar writes its number, from 1, into the field for a number in the same box of widgets.
    """
    if not values:
        return ""
    width, half, top = 700, 60, max(max(map(abs, values)), 1e-9)
    step = width / len(values)
    drawn = [
        f'<rect x="{n * step:.2f}" width="{max(step * 0.9, 0.5):.2f}" height="{half * abs(d) / top:.2f}" '
        f'y="{half - half * max(d, 0) / top:.2f}" fill="{"#4f8a4c" if d > 0 else "#c8553d"}"/>'
        for n, d in enumerate(values)
    ]
    label = (
        f"{len(values)} differences in {measure}, largest first, from {values[0]:+.3f} to {values[-1]:+.3f}"
    )
    clicked = (
        "const all = this.getBoundingClientRect();"
        "const field = this.closest('.widget-vbox').querySelector('input[type=number]');"
        f"field.value = 1 + Math.floor((event.clientX - all.left) / all.width * {len(values)});"
        "field.dispatchEvent(new Event('change', {bubbles: true}));"
    )
    return (
        f'<svg role="img" aria-label="{escaped(label)}" viewBox="0 0 {width} {2 * half}" width="100%" '
        f'height="{2 * half}" preserveAspectRatio="none" style="cursor:pointer" onclick="{escaped(clicked)}">'
        f"<title>click a bar to open its question</title>{''.join(drawn)}"
        f'<line x1="0" x2="{width}" y1="{half}" y2="{half}" stroke="#777"/></svg>'
        f'<div style="{SMALL}">{escaped(label)}</div>'
    )


def links(files: Sequence[tuple[str, str, object]]) -> str:
    """Executed notebooks to be opened: (what it is, its address, its path); no address, no link."""
    items = [
        f'<li>{escaped(name)}: <a href="{escaped(address)}" target="_blank" rel="noopener">'
        "open its notebook</a></li>"
        if address.startswith("/")
        else f"<li>{escaped(name)}: <code>{escaped(path)}</code></li>"
        for name, address, path in files
    ]
    return f"<ul>{''.join(items)}</ul>" if items else ""
