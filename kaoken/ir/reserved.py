"""Names that nothing of a model may have in the generated sources."""

from __future__ import annotations

import re

RESERVED = frozenset(
    # C and C++
    "alignas alignof and asm auto bitand bitor bool break case catch char class compl const constexpr continue decltype default "
    "delete do double else enum explicit export extern false float for friend goto if inline int long main mutable namespace new "
    "noexcept not nullptr operator or private protected public register restrict return short signed sizeof static struct switch "
    "template this throw true try typedef typeid typename union unsigned using virtual void volatile while xor "
    # what the templates themselves call their operands
    "t m c w y x".split()
)

FUNCTIONS = frozenset(
    "bad_word_lengths bad_words cache_shapes choose_kernels complete_sizes constants_size "
    "embed_arguments encode feed_rows forward forward_encode forward_feed forward_run generate_bytes generate_feed "
    "generate_position generate_reorder id_limit lay_out longest_text measured model_hash note_step open_handle open_tables "
    "open_weights piece pool runtime_options state_caches step_cost steps stop text_demand text_pair thread_scratch "
    "token_vectors usual_length_1 usual_pooling".split()
)
"""Functions and tables of a model's C file, which its layers share it with."""

_LOCALS = frozenset(
    "k b a p row rows count begin end far rest band band_width band_count first end_column cache capacity weights kernels "
    "threads text_bytes logit_rows sizes handle".split()
)


def is_reserved_dimension(name: str) -> bool:
    """Whether the generated code, where dimensions are parameters and fields, has a name of its own of that spelling."""
    return name in RESERVED or name in _LOCALS or re.fullmatch(r"(i|k|own|index|slot)\d\w*", name) is not None
