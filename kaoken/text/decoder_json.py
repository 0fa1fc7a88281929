"""Reads the decoder of a `tokenizer.json`: as far as each token's text is known by itself, or by being the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kaoken.errors import UnsupportedModelError
from kaoken.text.json_reader import JsonReader
from kaoken.text.normalizer_json import read_pattern
from kaoken.text.pattern_automaton import compile_pattern
from kaoken.text.pattern_match import find_all
from kaoken.text.pre_tokenizer_json import metaspace_mark, prepend_scheme
from kaoken.text.tokenizer_description import Decoder

_TokenText = Callable[[str, bool], str]

_CONTRACTIONS = {
    **{f" {mark}": mark for mark in ".?!,"},
    " ' ": "'",
    " n't": "n't",
    " 'm": "'m",
    " do not": " don't",
    **{f" {ending}": ending for ending in ("'s", "'ve", "'re")},
}
"""What WordPiece's clean-up replaces, in this order."""


def read_decoder(reader: JsonReader) -> Decoder | None:
    """The decoder; None where it is refused."""
    if reader.document.get("decoder") is None:
        return Decoder(lambda token, first: token if first else f" {token}")
    steps: list[_TokenText] = []
    flags = {"byte_level": False, "byte_fallback": False}
    fused, strip, strip_count = False, "", 0
    refused = len(reader.offenders)
    for step in reader.steps(reader.document.get("decoder"), "decoders"):
        kind = step.get("type")
        try:
            if (
                strip
                or flags["byte_level"]
                or (fused and kind != "Strip")
                or (flags["byte_fallback"] and kind != "Fuse" and not fused)
            ):
                raise UnsupportedModelError(f"the decoder {kind!r} after the others is not supported")
            if kind == "ByteLevel":
                flags["byte_level"] = True
                if steps:
                    raise UnsupportedModelError("a decoder ByteLevel after others is not supported")
            elif kind == "ByteFallback":
                flags["byte_fallback"] = True
            elif kind == "Fuse":
                fused = True
            elif kind == "Strip" and fused:
                strip, strip_count = _strip(step)
            else:
                steps.append(_token_text(step))
        except UnsupportedModelError as error:
            reader.refuse(str(error))

    def text(token: str, first: bool) -> str:
        for apply in steps:
            token = apply(token, first)
        return token

    return Decoder(text, **flags, strip=strip, strip_count=strip_count) if len(reader.offenders) == refused else None


def _strip(step: dict[str, Any]) -> tuple[str, int]:
    """A Strip of the whole text."""
    content, start = step.get("content"), step.get("start")
    if not isinstance(content, str) or len(content) != 1 or not isinstance(start, int) or not 0 <= start <= 1 << 20:
        raise UnsupportedModelError(f"the decoder Strip of {content!r}, {start!r} times, is not supported")
    if step.get("stop"):
        raise UnsupportedModelError("a decoder Strip at the end of the text is not supported")
    return (content, start) if start else ("", 0)


def _token_text(step: dict[str, Any]) -> _TokenText:
    kind = step.get("type")
    match kind:
        case "WordPiece":
            return _word_piece(str(step.get("prefix", "##")), bool(step.get("cleanup", True)))
        case "Metaspace":
            mark, scheme = metaspace_mark(step), prepend_scheme(step)
            return lambda token, first: token.replace(mark, "" if first and scheme != "never" else " ")
        case "Replace":
            pattern, name = read_pattern(step.get("pattern"))
            automaton, content = compile_pattern(pattern, name), str(step.get("content", ""))

            def replace(token: str, _: bool) -> str:
                spans = find_all(automaton, token)
                ends = [0, *(end for _, end in spans)]
                starts = [*(start for start, _ in spans), len(token)]
                return content.join(token[end:start] for end, start in zip(ends, starts, strict=True))

            return replace
        case "Strip":
            end, start, stop = step.get("content"), step.get("start"), step.get("stop")
            if isinstance(end, str) and len(end) == 1 and isinstance(start, int) and isinstance(stop, int):
                return lambda token, _: _stripped(token, end, start, stop)
    raise UnsupportedModelError(f"the decoder {kind!r} is not supported")


def _stripped(token: str, content: str, start: int, stop: int) -> str:
    left = len(token) - len(token.lstrip(content))
    right = len(token) - len(token.rstrip(content))
    begin, end = min(left, max(0, start)), len(token) - min(right, max(0, stop))
    return token[begin : max(begin, end)]


def _word_piece(prefix: str, cleanup: bool) -> _TokenText:
    def text(token: str, first: bool) -> str:
        if not first:
            token = token[len(prefix) :] if token.startswith(prefix) else f" {token}"
        for found, replacement in _CONTRACTIONS.items() if cleanup else ():
            token = token.replace(found, replacement)
        return token

    return text
