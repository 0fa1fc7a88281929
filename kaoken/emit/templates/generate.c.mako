<%
g = m.generation
M, c = m.upper, m.name
lists = [("stop", g.stop_ids), ("suppress", g.suppress_ids), ("begin_suppress", g.begin_suppress_ids)]
%>
${c}_generate_options ${c}_generate_defaults(void)
{
% for name, ids in lists:
% if ids:
    static const int64_t ${name}_ids[${len(ids)}] = {${", ".join(map(str, ids))}};
% endif
% endfor
% for n, word in enumerate(g.bad_words):
    static const int64_t bad_word_${n}[${len(word)}] = {${", ".join(map(str, word))}};
% endfor
% if g.bad_words:
    static const int64_t *const bad_words[${len(g.bad_words)}] = {${", ".join(f"bad_word_{n}" for n in range(len(g.bad_words)))}};
    static const size_t bad_word_lengths[${len(g.bad_words)}] = {${", ".join(str(len(w)) for w in g.bad_words)}};
% endif
    ${c}_generate_options o;
    memset(&o, 0, sizeof o);
    o.max_new_tokens = ${g.max_new_tokens};
    o.max_length = ${g.max_length};
    o.num_beams = ${g.num_beams};
    o.num_return_sequences = 1;
    o.length_penalty = ${repr(g.length_penalty)};
    o.early_stopping = ${M}_EARLY_STOPPING_${g.early_stopping};
    o.temperature = ${repr(g.temperature)};
    o.top_k = ${g.top_k};
    o.top_p = ${repr(g.top_p)};
    o.min_p = ${repr(g.min_p)};
    o.repetition_penalty = ${repr(g.repetition_penalty)};
    o.no_repeat_ngram_size = ${g.no_repeat_ngram_size};
    o.min_length = ${g.min_length};
    o.min_new_tokens = ${g.min_new_tokens};
    o.forced_bos_id = ${g.forced_bos_id};
    o.forced_eos_id = ${g.forced_eos_id};
    o.decoder_start_id = ${g.decoder_start_id};
% for name, ids in lists:
% if ids:
    o.${name}_ids = ${name}_ids;
    o.${name}_id_count = ${len(ids)};
% endif
% endfor
% if g.bad_words:
    o.bad_words = bad_words;
    o.bad_word_lengths = bad_word_lengths;
    o.bad_word_count = ${len(g.bad_words)};
% endif
    return o;
}

