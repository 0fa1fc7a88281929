<%
    M, c = m.upper, f"::{m.name}"
%>// ${m.name}.hpp: ${m.title} for C++17, a thin layer over ${m.name}.h.
// Made by Kaoken ${m.version} from ${m.source}. Header only; link the C library.
//
// A Model owns its memory, may be moved and not copied, and serves one thread at a time; different ones may be used from
// different threads at once. Every function throws Error, with the status in words, where the C function does not return OK.
#ifndef ${M}_HPP
#define ${M}_HPP

#include "${m.name}.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kaoken::${m.name} {

using Status = ${c}_status;
using Sizes = ${c}_sizes;         // the largest sizes a model is made for; 0: the default
% if m.embedding:
using EmbedOptions = ${c}_embed_options; // how vectors of tokens become one; empty: as the checkpoint says
% endif
using Arguments = ${c}_arguments; // sizes, inputs and outputs of a call in the caller's memory

${m.fixed("error.hpp")}

// The sizes and inputs of a call, tensors dense and row-major.
struct Inputs {
% for d in m.interface.dims:
    std::int64_t ${d.name} = ${d.lower}; // ${d.lower} to ${d.upper}
% endfor
% for v in m.interface.inputs:
    std::vector<${k.cpp_type(v)}> ${v.c_name}; // ${v.shape_text}
% endfor
};

struct Outputs {
% for v in m.interface.outputs:
    std::vector<${k.cpp_type(v)}> ${v.c_name}; // ${v.shape_text}
% endfor
% for f in m.interface.found:
    std::int64_t ${f.name} = 0; // found by the call, at most ${str(f.upper)}
% endfor
};
% if m.interface.feed:

<%
g = m.generation

def listed(ids):
    return "{" + ", ".join(map(str, ids)) + "}"
%>\
// How texts are continued and where they end; ${m.name}.h tells what each of them means.
struct GenerateOptions {
% for name, value in g.numbers():
    ${"double" if "." in value else "std::int64_t"} ${name} = ${value};
% endfor
    std::int64_t num_return_sequences = 1;
    ${c}_early_stopping early_stopping = ${M}_EARLY_STOPPING_${g.early_stopping};
    std::uint64_t seed = 0;
    std::vector<std::int64_t> stop_ids = ${listed(g.stop_ids)};
    std::vector<std::int64_t> suppress_ids = ${listed(g.suppress_ids)};
    std::vector<std::int64_t> begin_suppress_ids = ${listed(g.begin_suppress_ids)};
    std::vector<std::vector<std::int64_t>> bad_words = {${", ".join(map(listed, g.bad_words))}};
    std::vector<std::string> stop_strings; // need a tokenizer, and no beams
    bool keep_special = false;
};

using GenerateResult = ${c}_generate_result;

// A text of generate_batch: the ids after the prompt, why there are no more, and its score in a beam search.
struct Generated {
    std::vector<std::int64_t> ids;
    GenerateResult result;
};

// Receives each token's id (-1: only text that was held back is left) and its new text; true stops.
using OnToken = std::function<bool(std::int64_t id, std::string_view text)>;
% endif

class Model {
public:
% if m.embedded:
    // The weights that are linked into the program.
    explicit Model(const Sizes &sizes = Sizes()) : handle_(create(nullptr, sizes)) {}

% endif
    // Maps the weights file.
    explicit Model(const std::string &weights_path, const Sizes &sizes = Sizes()) : handle_(create(weights_path.c_str(), sizes)) {}
    explicit Model(const char *weights_path, const Sizes &sizes = Sizes()) : handle_(create(weights_path, sizes)) {}

${m.fixed("handle.hpp")}

    // Computes into the caller's memory, nothing is copied.
    void run(const Arguments &arguments) { check(${c}_run(get(), &arguments)); }

    // The same with vectors. std::invalid_argument names an input whose length does not fit the sizes.
    Outputs run(const Inputs &in)
    {
        Outputs out;
        Arguments arguments{};
% for d in m.interface.dims:
        in_bounds(in.${d.name}, ${d.lower}, ${d.upper});
        arguments.${d.name} = in.${d.name};
% endfor
% for v in m.interface.inputs:
        arguments.${v.c_name} = data(in.${v.c_name}, ${k.count(v, "in.")}, "${v.c_name}");
% endfor
% for v in m.interface.outputs:
        out.${v.c_name}.resize(static_cast<std::size_t>(${k.count(v, "in.")}));
        arguments.${v.c_name} = out.${v.c_name}.data();
% endfor
% for f in m.interface.found:
        arguments.${f.name} = &out.${f.name};
% endfor
        run(arguments);
% for v in m.interface.outputs:
% if k.count(v) != k.found_count(v, "a->", "a->"):
        out.${v.c_name}.resize(static_cast<std::size_t>(${k.found_count(v, "in.", "out.")}));
% endif
% endfor
        return out;
    }
% if m.interface.encode:

    // Encodes an input for the decoder, tensors dense and row-major, and forgets what was fed. See ${m.name}_encode.
% if m.interface.optional_masks:
    // An empty mask lets everything through.
% endif
    void encode(${", ".join(f"std::int64_t {d.name}" for d in m.interface.encode_dims)}, ${", ".join("const std::vector<%s> &%s" % (k.cpp_type(v), v.c_name) for v in m.interface.encoder_inputs)})
    {
% for d in m.interface.encode_dims:
        in_bounds(${d.name}, ${max(1, d.lower)}, ${d.upper});
% endfor
        check(${c}_encode(get(), ${", ".join(d.name for d in m.interface.encode_dims)}${"".join((", %s.empty() ? nullptr : " % v.c_name if v in m.interface.optional_masks else ", ") + 'data(%s, %s, "%s")' % (v.c_name, k.count(v, ""), v.c_name) for v in m.interface.encoder_inputs)}${", nullptr" * len(m.interface.encoder_outputs)}));
    }
% endif
% if m.interface.feed:

    static constexpr std::int64_t most_rows = ${next(s.upper for s in m.interface.sizes if s.name == "batch")}; // that a model may be made with

${m.fixed("feed.hpp")}
% endif
% if m.embedding:

${m.fixed("embed.hpp")}
% if m.tokenizer:

${m.fixed("embed_text.hpp")}
% endif
% endif
% if m.tokenizer:

${m.fixed("text.hpp")}
% endif
% if k.text:

% if m.interface.encode:
    // Has the decoder answer a text that the encoder reads.
    std::string answer(std::string_view input, const GenerateOptions &options = GenerateOptions(), const OnToken &on_token = OnToken())
    {
        std::string text;
        const std::vector<std::int64_t> ids = tokenize(input);
        encode(${"1, " if m.interface.batch else ""}static_cast<std::int64_t>(ids.size()), ids, {});
        generate({}, options, [&](std::int64_t id, std::string_view piece) {
% else:
    // Continues a text and returns what is new.
    std::string complete(std::string_view prompt, const GenerateOptions &options = GenerateOptions(), const OnToken &on_token = OnToken())
    {
        std::string text;
        generate(tokenize(prompt), options, [&](std::int64_t id, std::string_view piece) {
% endif
            text += piece;
            return on_token && on_token(id, piece);
        });
        return text;
    }
% endif

private:
${m.fixed("private.hpp")}
% if m.interface.feed:

${m.fixed("generate.hpp")}
% endif

    std::unique_ptr<${c}, Destroy> handle_;
};

} // namespace kaoken::${m.name}

#endif
