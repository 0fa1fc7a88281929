"""Names that nothing of a model may have in the generated sources."""

from __future__ import annotations

RESERVED = frozenset(
    # C and C++
    "alignas alignof and asm auto bitand bitor bool break case catch char class compl const constexpr continue decltype default "
    "delete do double else enum explicit export extern false float for friend goto if inline int long main mutable namespace new "
    "noexcept not nullptr operator or private protected public register restrict return short signed sizeof static struct switch "
    "template this throw true try typedef typeid typename union unsigned using virtual void volatile while xor "
    # what the templates themselves call their operands
    "t m c w y x".split()
)
