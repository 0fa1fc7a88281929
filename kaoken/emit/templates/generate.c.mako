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
% for name, value in g.numbers():
    o.${name} = ${value};
% endfor
    o.num_return_sequences = 1;
    o.early_stopping = ${M}_EARLY_STOPPING_${g.early_stopping};
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

