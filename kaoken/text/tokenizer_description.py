"""What a tokenizer does, as it was read from `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kaoken.text.normalizer import Step
from kaoken.text.pattern_syntax import Node

BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
TEXT_A, TEXT_B, SPECIAL = 0, 1, 2


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
class Metaspace:
    """A pre-tokenizer stage: `mark` stands for spaces. The tables have it the other way round, to be shorter: they hold
    spaces where the vocabulary has `mark`, and in texts each `mark` becomes a space. prepend: "never"; "always" puts a
    space before each piece that begins with none; "first" only before the piece that begins the text."""

    mark: str
    prepend: str


@dataclass(frozen=True)
class Split:
    """A pre-tokenizer stage: cuts each piece at the matches of a pattern."""

    pattern: Node
    behavior: str
    invert: bool
    name: str


Stage = PrefixSpace | Metaspace | Split


@dataclass(frozen=True)
class Bpe:
    """Byte-pair encoding, of bytes in the byte-level alphabet or of characters.

    merges: left id, right id, id of the result; by rank. byte_fallback: a character without a token becomes the tokens
    <0x00> to <0xFF> of its bytes.
    """

    vocabulary: dict[str, int]
    merges: list[tuple[int, int, int]]
    unknown: int | None
    fuse_unknown: bool
    ignore_merges: bool
    byte_level: bool
    byte_fallback: bool


@dataclass(frozen=True)
class WordPiece:
    """The longest piece of the vocabulary that a word begins with, and again for what follows it, with `prefix`."""

    vocabulary: dict[str, int]
    unknown: int
    prefix: str
    most_characters: int


@dataclass(frozen=True)
class Unigram:
    """The pieces of the greatest sum of scores. vocabulary: the last id of pieces that are listed more than once."""

    vocabulary: dict[str, int]
    pieces: list[str]
    scores: list[float]
    unknown: int
    byte_fallback: bool


Model = Bpe | WordPiece | Unigram


@dataclass(frozen=True)
class Decoder:
    """How a token becomes text: `text(token, first)`, first being whether it is the first of all.

    byte_level: tokens are bytes in the byte-level alphabet. byte_fallback: tokens <0x00> to <0xFF> are bytes.
    strip, strip_count: a character that is taken off the beginning of the whole text, so many times at most.
    """

    text: Callable[[str, bool], str]
    byte_level: bool = False
    byte_fallback: bool = False
    strip: str = ""
    strip_count: int = 0


@dataclass(frozen=True)
class Part:
    """A part of a template: TEXT_A, TEXT_B or SPECIAL with an id; and its token type."""

    kind: int
    id: int
    type: int


@dataclass
class Tokenizer:
    """A tokenizer: added tokens are found, the rest is normalized, cut by the stages, encoded by the model, put together.

    single, pair: what encoding one text, and two, puts together. padding: id and type of what fills a row.
    """

    model: Model
    added: list[AddedToken]
    normalizer: list[Step]
    stages: list[Stage]
    decoder: Decoder
    single: list[Part] = field(default_factory=lambda: [Part(TEXT_A, 0, 0)])
    pair: list[Part] = field(default_factory=lambda: [Part(TEXT_A, 0, 0), Part(TEXT_B, 0, 1)])
    padding: tuple[int, int] = (0, 0)


def byte_alphabet() -> list[str]:
    """The character that stands for each byte in a byte-level vocabulary, [256]."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]
