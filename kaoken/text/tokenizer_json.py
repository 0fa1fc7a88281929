"""Reads a Hugging Face `tokenizer.json` into a description of what its byte-level BPE tokenizer does.

The meaning of every field is that of the `tokenizers` package. `truncation` and `padding` belong to batching, not
to text, and are ignored; so is all that only concerns character offsets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaoken.errors import UnsupportedModelError, UsageError
from kaoken.text import unicode16
from kaoken.text.pattern_syntax import Character, Node, literal, parse_pattern

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""How ByteLevel splits text (A. Radford et al., GPT-2, 2019)."""

TOKEN_LIMIT = 1 << 24
"""Ids are below this, so that a damaged file cannot ask for a table of gigabytes."""

STAGE_LIMIT = 8

BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")


@dataclass(frozen=True)
class AddedToken:
    """A token that is looked for in the text before anything else."""

    id: int
    content: str
    single_word: bool
    lstrip: bool
    rstrip: bool
    normalized: bool
    special: bool


@dataclass(frozen=True)
class PrefixSpace:
    """A pre-tokenizer stage: puts a space before each piece that does not begin with one."""


@dataclass(frozen=True)
class Split:
    """A pre-tokenizer stage: cuts each piece at the matches of a pattern."""

    pattern: Node
    behavior: str
    invert: bool
    name: str


@dataclass
class Tokenizer:
    """A byte-level BPE tokenizer.

    vocabulary: the model's tokens in the byte-level alphabet, with their ids.
    merges: left id, right id, id of the result; by rank.
    stages: the pre-tokenizer in order, before the bytes are taken.
    prefix, suffix: ids around the text when special tokens are asked for.
    """

    vocabulary: dict[str, int]
    merges: list[tuple[int, int, int]]
    unknown: int | None
    fuse_unknown: bool
    ignore_merges: bool
    added: list[AddedToken]
    stages: list[PrefixSpace | Split]
    prefix: list[int] = field(default_factory=list)
    suffix: list[int] = field(default_factory=list)


def byte_alphabet() -> list[str]:
    """The character that stands for each byte in a byte-level vocabulary, [256]."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def read_tokenizer(path: Path) -> Tokenizer:
    """Reads `tokenizer.json`.

    Raises UsageError when there is no such file, UnsupportedModelError when it is damaged or does what the tables
    cannot hold; the message lists everything that is unsupported.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); give the path of a tokenizer.json") from error
    except (ValueError, RecursionError) as error:
        raise UnsupportedModelError(f"{path}: not a JSON document ({error})") from error
    reader = _Reader(document)
    tokenizer = reader.read()
    if reader.offenders or tokenizer is None:
        raise UnsupportedModelError(f"{path}: " + "; ".join(reader.offenders))
    return tokenizer


class _Reader:
    """Collects what is unsupported instead of stopping at the first."""

    def __init__(self, document: Any) -> None:
        self.document = document if isinstance(document, dict) else {}
        self.offenders: list[str] = []

    def refuse(self, what: str) -> None:
        self.offenders.append(what)

    def section(self, name: str) -> dict[str, Any]:
        value = self.document.get(name)
        return value if isinstance(value, dict) else {}

    def read(self) -> Tokenizer | None:
        self.normalizer()
        stages = self.pre_tokenizer()
        if self.section("decoder").get("type") != "ByteLevel":
            self.refuse(f"the decoder {self.kind('decoder')} is not supported (only ByteLevel)")
        model = self.section("model")
        if model.get("type", "BPE") != "BPE" or "merges" not in model:
            self.refuse(f"the tokenizer model {self.kind('model')} is not supported (only BPE)")
            return None
        vocabulary = self.vocabulary(model)
        merges = self.merges(model, vocabulary)
        for option in ("continuing_subword_prefix", "end_of_word_suffix"):
            if model.get(option):
                self.refuse(f"the BPE option {option} is not supported (it is {model[option]!r})")
        for option in ("dropout", "byte_fallback"):
            if model.get(option):
                self.refuse(f"the BPE option {option} is not supported")
        unknown_token = model.get("unk_token")
        unknown = vocabulary.get(unknown_token) if isinstance(unknown_token, str) else None
        if unknown_token is not None and unknown is None:
            self.refuse(f"unk_token {unknown_token!r} is not in the vocabulary")
        added = self.added_tokens(vocabulary)
        tokenizer = Tokenizer(
            vocabulary,
            merges,
            unknown,
            bool(model.get("fuse_unk")),
            bool(model.get("ignore_merges")),
            added,
            stages,
        )
        self.post_processor(tokenizer)
        return tokenizer

    def kind(self, name: str) -> str:
        value = self.document.get(name)
        return "null" if value is None else repr(self.section(name).get("type", "without a type"))

    def normalizer(self) -> None:
        for step in self.steps(self.document.get("normalizer"), "normalizers"):
            self.refuse(f"the normalizer {step.get('type')!r} is not supported")

    def steps(self, value: Any, key: str) -> Iterator[dict[str, Any]]:
        """The steps of a normalizer, pre-tokenizer or post-processor, sequences flattened."""
        pending = [value]
        while pending:
            step = pending.pop(0)
            if step is None:
                continue
            if not isinstance(step, dict):
                self.refuse(f"{key} holds {step!r} where an object belongs")
            elif step.get("type") == "Sequence" and isinstance(step.get(key), list):
                pending = [*step[key], *pending]
            else:
                yield step

    def pre_tokenizer(self) -> list[PrefixSpace | Split]:
        stages: list[PrefixSpace | Split] = []
        byte_level = False
        for step in self.steps(self.document.get("pre_tokenizer"), "pretokenizers"):
            kind = step.get("type")
            if byte_level:
                self.refuse(f"the pre-tokenizer {kind!r} after ByteLevel is not supported")
            elif kind == "ByteLevel":
                byte_level = True
                if step.get("add_prefix_space", True):
                    stages.append(PrefixSpace())
                if step.get("use_regex", True):
                    stages.append(Split(parse_pattern(GPT2_PATTERN), "Isolated", False, "ByteLevel's pattern"))
            elif kind == "Digits":
                behavior = "Isolated" if step.get("individual_digits") else "Contiguous"
                stages.append(Split(Character(unicode16.category("N")), behavior, False, "Digits"))
            elif kind == "Split":
                self.split(step, stages)
            else:
                self.refuse(f"the pre-tokenizer {kind!r} is not supported (only ByteLevel, Digits and Split)")
        if not byte_level:
            self.refuse("a tokenizer whose pre-tokenizer has no ByteLevel is not supported")
        if len(stages) > STAGE_LIMIT:
            self.refuse(f"more than {STAGE_LIMIT} pre-tokenizer steps are not supported")
        return stages

    def split(self, step: dict[str, Any], stages: list[PrefixSpace | Split]) -> None:
        pattern = step.get("pattern")
        pattern = pattern if isinstance(pattern, dict) else {}
        behavior = str(step.get("behavior"))
        if behavior not in BEHAVIORS:
            self.refuse(f"the Split behavior {behavior!r} is not supported")
            return
        for kind, parse in (("Regex", parse_pattern), ("String", literal)):
            text = pattern.get(kind)
            if isinstance(text, str) and text:
                try:
                    stages.append(Split(parse(text), behavior, bool(step.get("invert")), f"the pattern {text!r}"))
                except UnsupportedModelError as error:
                    self.refuse(str(error))
                return
        self.refuse(f"the Split pattern {pattern!r} is not supported")

    def is_id(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < TOKEN_LIMIT

    def vocabulary(self, model: dict[str, Any]) -> dict[str, int]:
        vocabulary = model.get("vocab")
        if not isinstance(vocabulary, dict):
            self.refuse("the BPE model has no vocab")
            return {}
        bad = [token for token, token_id in vocabulary.items() if not self.is_id(token_id)]
        if bad:
            self.refuse(f"{len(bad)} ids of vocab are not between 0 and {TOKEN_LIMIT} (the first is {bad[0]!r}'s)")
            return {}
        if len(set(vocabulary.values())) != len(vocabulary):
            self.refuse("two tokens of vocab share an id")
        return vocabulary

    def merges(self, model: dict[str, Any], vocabulary: dict[str, int]) -> list[tuple[int, int, int]]:
        lines = model["merges"] if isinstance(model["merges"], list) else []
        merges = []
        for line in lines:
            if isinstance(line, str):
                if line.startswith("#version"):
                    continue
                pair: Any = line.split(" ")
            else:
                pair = line
            if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
                self.refuse(f"the merge {line!r} is not a pair of tokens")
                break
            left, right = pair
            missing = [token for token in (left, right, left + right) if token not in vocabulary]
            if missing:
                self.refuse(f"the merge {line!r} names {missing[0]!r}, which is not in the vocabulary")
                break
            merges.append((vocabulary[left], vocabulary[right], vocabulary[left + right]))
        return merges

    def added_tokens(self, vocabulary: dict[str, int]) -> list[AddedToken]:
        added: list[AddedToken] = []
        entries = self.document.get("added_tokens") or []
        for entry in entries if isinstance(entries, list) else [entries]:
            content = entry.get("content") if isinstance(entry, dict) else None
            if not isinstance(content, str) or not self.is_id(entry.get("id")):
                self.refuse(f"the added token {entry!r} has no content or no id")
                continue
            if not content:
                continue
            options = {name: bool(entry.get(name)) for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
            token = AddedToken(entry["id"], content, **options)
            # A token of the model keeps its id; a new one gets the next free id, as the tokenizers package does.
            taken = [len(vocabulary), *(other.id + 1 for other in added)]
            expected = vocabulary.get(content, max(taken))
            if token.id != expected:
                self.refuse(f"the added token {content!r} has id {token.id}, where {expected} is next")
            if any(other.content == content for other in added):
                self.refuse(f"the added token {content!r} is listed twice")
            added.append(token)
        return added

    def post_processor(self, tokenizer: Tokenizer) -> None:
        for step in self.steps(self.document.get("post_processor"), "processors"):
            kind = step.get("type")
            if kind == "ByteLevel":
                continue
            if kind == "TemplateProcessing":
                around = self.template(step)
            elif kind in ("RobertaProcessing", "BertProcessing"):
                around = [self.pair_id(step.get("cls"))], [self.pair_id(step.get("sep"))]
            else:
                self.refuse(f"the post-processor {kind!r} is not supported")
                continue
            if tokenizer.prefix or tokenizer.suffix:
                self.refuse("two post-processors that add tokens are not supported")
            tokenizer.prefix, tokenizer.suffix = around

    def pair_id(self, pair: Any) -> int:
        if isinstance(pair, list) and len(pair) == 2 and self.is_id(pair[1]):
            return int(pair[1])
        self.refuse(f"the post-processor names {pair!r} where a token and its id belong")
        return 0

    def template(self, step: dict[str, Any]) -> tuple[list[int], list[int]]:
        before: list[int] = []
        after: list[int] = []
        texts = 0
        pieces = step.get("single")
        special_tokens = step.get("special_tokens")
        for piece in pieces if isinstance(pieces, list) else []:
            if isinstance(piece, dict) and "Sequence" in piece:
                texts += 1
                continue
            name = (piece.get("SpecialToken") or {}).get("id") if isinstance(piece, dict) else None
            token = special_tokens.get(name) if isinstance(special_tokens, dict) else None
            ids = token.get("ids") if isinstance(token, dict) else None
            if not isinstance(ids, list) or not all(self.is_id(token_id) for token_id in ids):
                self.refuse(f"the template's special token {name!r} has no ids")
                continue
            (after if texts else before).extend(ids)
        if texts != 1:
            self.refuse("a template that does not hold the text once is not supported")
        return before, after
