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

class Error : public std::runtime_error {
public:
    explicit Error(Status status) : std::runtime_error(${c}_status_text(status)), status_(status) {}
    Status status() const noexcept { return status_; }

private:
    Status status_;
};

inline void check(Status status)
{
    if (status != ${M}_OK)
        throw Error(status);
}

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
EARLY = f"{M}_EARLY_STOPPING_{g.early_stopping}"

def listed(ids):
    return "{" + ", ".join(map(str, ids)) + "}"
%>\
// How texts are continued and where they end; ${m.name}.h tells what each of them means.
struct GenerateOptions {
    std::int64_t max_new_tokens = ${g.max_new_tokens};
    std::int64_t max_length = ${g.max_length}; // where max_new_tokens is -1
    std::int64_t num_beams = ${g.num_beams};
    std::int64_t num_return_sequences = 1;
    double length_penalty = ${repr(g.length_penalty)};
    ${c}_early_stopping early_stopping = ${EARLY};
    double temperature = ${repr(g.temperature)}; // 0: always the likeliest token
    std::int64_t top_k = ${g.top_k}; // only the k likeliest; 0: all
    double top_p = ${repr(g.top_p)}; // only the likeliest that together reach top_p; 1: all
    double min_p = ${repr(g.min_p)}; // only those above min_p of the best; 0: all
    std::uint64_t seed = 0; // equal seeds give equal texts
    double repetition_penalty = ${repr(g.repetition_penalty)}; // above 1 makes tokens of the context less likely
    std::int64_t no_repeat_ngram_size = ${g.no_repeat_ngram_size};
    std::int64_t min_length = ${g.min_length};
    std::int64_t min_new_tokens = ${g.min_new_tokens};
    std::int64_t forced_bos_id = ${g.forced_bos_id};
    std::int64_t forced_eos_id = ${g.forced_eos_id};
    std::int64_t decoder_start_id = ${g.decoder_start_id};
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

    // In the caller's memory, 64-byte aligned, which must outlive the model; nothing is allocated. See ${m.name}_create_in.
    Model(const void *weights, std::size_t weights_size, void *memory, std::size_t memory_size, const Sizes &sizes = Sizes())
        : handle_(create_in(weights, weights_size, memory, memory_size, sizes))
    {
    }

    static std::size_t arena_size(const Sizes &sizes = Sizes()) { return ${c}_arena_size(&sizes); }
    static std::size_t memory_size(const Sizes &sizes = Sizes()) { return ${c}_memory_size(&sizes); }

    // The C handle; it stays this object's. Null after a move.
    ${c} *get() const noexcept { return handle_.get(); }
    std::string level() const { return ${c}_level(get()); }
    void check_weights() const { check(${c}_check_weights(get())); }

    // What every step of the calls that work() makes took, under its layer's name.
    template <class Work> std::vector<${c}_step> profile(Work work)
    {
        std::vector<${c}_step> steps(${M}_STEPS);
        check(${c}_profile(get(), steps.data()));
        const std::unique_ptr<${c}, void (*)(${c} *)> off(get(), [](${c} *handle) { ${c}_profile(handle, nullptr); });
        work();
        return steps;
    }

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

    // Appends ids to row 0; logits after the last of them: [${M}_VOCABULARY].
    std::vector<float> feed(const std::vector<std::int64_t> &ids) { return feed(1, ids); }

    // Appends ids, [batch][count], to the first `batch` rows; logits: [batch][${M}_VOCABULARY].
    std::vector<float> feed(std::int64_t batch, const std::vector<std::int64_t> &ids)
    {
        in_bounds(batch, 1, ${k.batch_upper});
        if (ids.empty() || ids.size() % static_cast<std::size_t>(batch) != 0)
            throw std::invalid_argument("ids: every row needs the same number of ids, 1 or more");
        std::vector<float> logits(static_cast<std::size_t>(batch) * ${M}_VOCABULARY);
        feed(batch, static_cast<std::int64_t>(ids.size()) / batch, ids.data(), logits.data());
        return logits;
    }

    // In the caller's memory; logits may be null.
    void feed(std::int64_t batch, std::int64_t count, const std::int64_t *ids, float *logits)
    {
        check(${c}_feed(get(), batch, count, ids, logits));
    }

    std::int64_t position(std::int64_t row = 0) const { return ${c}_position(get(), row); }
    std::int64_t capacity() const { return ${c}_capacity(get()); }
    void reset() { check(${c}_reset(get())); }
    void truncate(std::int64_t length, std::int64_t row = 0) { check(${c}_truncate(get(), row, length)); }
    void reorder(const std::vector<std::int64_t> &rows)
    {
        static const std::int64_t none = 0;
        check(${c}_reorder(get(), rows.empty() ? &none : rows.data(), static_cast<std::int64_t>(rows.size())));
    }

    // Feeds the prompt to row 0 and continues it. An exception of `on_token` ends the text and is passed on.
    GenerateResult generate(const std::vector<std::int64_t> &prompt, const GenerateOptions &options = GenerateOptions(),
                            const OnToken &on_token = OnToken())
    {
        GenerateResult result{};
        Receiver receiver{&on_token, nullptr};
        CallOptions call(options);
        call.c.callback = on_token ? &receive : nullptr;
        call.c.user = &receiver;
        const Status status = ${c}_generate(get(), ${"prompt.empty() ? nullptr : " if m.interface.encode else ""}prompt.data(), prompt.size(), &call.c, &result);
        if (receiver.thrown)
            std::rethrow_exception(receiver.thrown);
        check(status);
        return result;
    }

    // Continues several prompts side by side in rows of their own: for each prompt its texts, the best first. The model has to be made
    // with Sizes::batch of prompts times the larger of num_beams and num_return_sequences. No prompts: each of `batch` texts begins with
    // decoder_start_id.
    std::vector<std::vector<Generated>> generate_batch(const std::vector<std::vector<std::int64_t>> &prompts,
                                                       const GenerateOptions &options = GenerateOptions(), std::int64_t batch = 0)
    {
        const CallOptions call(options);
        std::vector<const std::int64_t *> begins;
        std::vector<std::size_t> counts;
        for (const std::vector<std::int64_t> &prompt : prompts) {
            begins.push_back(prompt.data());
            counts.push_back(prompt.size());
        }
        batch = prompts.empty() ? batch : static_cast<std::int64_t>(prompts.size());
        in_bounds(batch, 1, ${k.batch_upper});
        in_bounds(options.num_return_sequences, 1, ${k.batch_upper});
        const std::size_t texts = static_cast<std::size_t>(options.num_return_sequences), all = texts * static_cast<std::size_t>(batch);
        const std::int64_t longest = std::min(options.max_new_tokens < 0 ? options.max_length : options.max_new_tokens, capacity());
        const std::size_t room = static_cast<std::size_t>(std::max<std::int64_t>(longest, 1));
        std::vector<std::int64_t> ids(all * room);
        std::vector<GenerateResult> results(all);
        check(${c}_generate_batch(get(), prompts.empty() ? nullptr : begins.data(), counts.data(), batch, &call.c, ids.data(),
                                  static_cast<std::int64_t>(room), results.data()));
        std::vector<std::vector<Generated>> made(static_cast<std::size_t>(batch));
        for (std::size_t n = 0; n < all; n++) {
            const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(n * room);
            made[n / texts].push_back({{begin, begin + static_cast<std::ptrdiff_t>(results[n].tokens)}, results[n]});
        }
        return made;
    }
% endif
% if m.embedding:

    // One vector of ${M}_EMBEDDING floats for each of `batch` texts. ids and mask: [batch][length]; no mask: no padding.
    std::vector<float> embed(std::int64_t batch, const std::vector<std::int64_t> &ids, const std::vector<std::int64_t> &mask = {},
                             const EmbedOptions &options = EmbedOptions())
    {
        const std::size_t rows = batch > 0 ? static_cast<std::size_t>(batch) : 0;
        if (rows == 0 || ids.empty() || ids.size() % rows != 0 || (!mask.empty() && mask.size() != ids.size()))
            throw std::invalid_argument("ids: every row needs the same number of ids, 1 or more, and mask none or as many");
        std::vector<float> embeddings(rows * ${M}_EMBEDDING);
        const std::int64_t length = static_cast<std::int64_t>(ids.size() / rows);
        check(${c}_embed(get(), batch, length, ids.data(), mask.empty() ? nullptr : mask.data(), &options, embeddings.data()));
        return embeddings;
    }
% if m.tokenizer:

    // The same for texts, UTF-8, as many as the model was made for at a time.
    std::vector<float> embed(const std::vector<std::string> &texts, const EmbedOptions &options = EmbedOptions())
    {
        std::vector<${c}_text> rows;
        for (const std::string &text : texts)
            rows.push_back({text.data(), text.size(), nullptr, 0});
        std::vector<float> embeddings(texts.size() * ${M}_EMBEDDING);
        check(${c}_embed_text(get(), static_cast<std::int64_t>(rows.size()), rows.data(), &options, embeddings.data()));
        return embeddings;
    }
% endif
% endif
% if m.tokenizer:

    // Text, UTF-8, to ids.
    std::vector<std::int64_t> tokenize(std::string_view text)
    {
        // Mostly a byte gives one id at most; where there are more, they are asked for again.
        std::vector<std::int64_t> ids(text.size() + 16);
        std::size_t count = 0;
        Status status = ${c}_tokenize(get(), text.data(), text.size(), ids.data(), ids.size(), &count);
        if (status == ${M}_ERROR_CAPACITY && count > ids.size()) {
            ids.resize(count);
            status = ${c}_tokenize(get(), text.data(), text.size(), ids.data(), ids.size(), &count);
        }
        check(status);
        ids.resize(count);
        return ids;
    }

    // Texts, UTF-8, to rows of ids of one length, padded and with a mask, as run and embed take them.
    struct Rows {
        std::int64_t length;
        std::vector<std::int64_t> input_ids, attention_mask, token_type_ids; // [texts][length]
    };

    // seconds: none, or one for each text, to make pairs. Texts of more than `length` ids are cut.
    Rows tokenize_batch(const std::vector<std::string> &texts, std::int64_t length, const std::vector<std::string> &seconds = {})
    {
        if (texts.empty() || length < 1 || (!seconds.empty() && seconds.size() != texts.size()))
            throw std::invalid_argument("one text or more, a length of 1 or more, and a second for each text or for none");
        std::vector<${c}_text> given(texts.size());
        for (std::size_t i = 0; i < texts.size(); ++i)
            given[i] = {texts[i].data(), texts[i].size(), seconds.empty() ? nullptr : seconds[i].data(), seconds.empty() ? 0 : seconds[i].size()};
        const std::size_t room = texts.size() * static_cast<std::size_t>(length);
        Rows rows{length, std::vector<std::int64_t>(room), std::vector<std::int64_t>(room), std::vector<std::int64_t>(room)};
        check(${c}_tokenize_batch(get(), given.data(), static_cast<std::int64_t>(texts.size()), rows.input_ids.data(), rows.attention_mask.data(),
                                  rows.token_type_ids.data(), &rows.length));
        for (std::vector<std::int64_t> *row : {&rows.input_ids, &rows.attention_mask, &rows.token_type_ids})
            row->resize(texts.size() * static_cast<std::size_t>(rows.length));
        return rows;
    }

    // Ids to UTF-8 text.
    std::string detokenize(const std::vector<std::int64_t> &ids, bool keep_special = false) const
    {
        std::string text(16 * ids.size() + 16, '\0');
        std::size_t bytes = 0;
        Status status = ${c}_detokenize(get(), ids.data(), ids.size(), keep_special, text.data(), text.size(), &bytes);
        if (status == ${M}_ERROR_CAPACITY && bytes > text.size()) {
            text.resize(bytes);
            status = ${c}_detokenize(get(), ids.data(), ids.size(), keep_special, text.data(), text.size(), &bytes);
        }
        check(status);
        text.resize(bytes);
        return text;
    }
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
    struct Destroy {
        void operator()(${c} *handle) const noexcept { ${c}_destroy(handle); }
    };

    static ${c} *create(const char *weights_path, const Sizes &sizes)
    {
        ${c} *handle = nullptr;
        check(${c}_create(&handle, weights_path, &sizes));
        return handle;
    }

    static ${c} *create_in(const void *weights, std::size_t weights_size, void *memory, std::size_t memory_size, const Sizes &sizes)
    {
        ${c} *handle = nullptr;
        check(${c}_create_in(&handle, weights, weights_size, &sizes, memory, memory_size));
        return handle;
    }

    static void in_bounds(std::int64_t value, std::int64_t lower, std::int64_t upper)
    {
        if (value < lower || value > upper)
            throw Error(${M}_ERROR_RANGE);
    }

    template <class T> static const T *data(const std::vector<T> &values, std::int64_t count, const char *name)
    {
        if (values.size() != static_cast<std::size_t>(count))
            throw std::invalid_argument(std::string(name) + " has " + std::to_string(values.size()) + " elements, the sizes ask for " +
                                        std::to_string(count));
        return values.data();
    }
% if m.interface.feed:

    struct Receiver {
        const OnToken *on_token;
        std::exception_ptr thrown;
    };

    // The C struct, and what it points to.
    struct CallOptions {
        ${c}_generate_options c;
        std::vector<const char *> texts;
        std::vector<const std::int64_t *> words;
        std::vector<std::size_t> lengths;

        explicit CallOptions(const GenerateOptions &o) : c(${c}_generate_defaults())
        {
            for (const std::string &text : o.stop_strings)
                texts.push_back(text.c_str());
            for (const std::vector<std::int64_t> &word : o.bad_words) {
                words.push_back(word.data());
                lengths.push_back(word.size());
            }
% for name in ("max_new_tokens", "max_length", "num_beams", "num_return_sequences", "length_penalty", "early_stopping", "temperature", "top_k", "top_p", "min_p", "seed", "repetition_penalty", "no_repeat_ngram_size", "min_length", "min_new_tokens", "forced_bos_id", "forced_eos_id", "decoder_start_id", "keep_special"):
            c.${name} = o.${name};
% endfor
% for name in ("stop_id", "suppress_id", "begin_suppress_id"):
            c.${name}s = o.${name}s.data();
            c.${name}_count = o.${name}s.size();
% endfor
            c.bad_words = words.data();
            c.bad_word_lengths = lengths.data();
            c.bad_word_count = words.size();
            c.stop_strings = texts.data();
            c.stop_string_count = texts.size();
        }
        CallOptions(const CallOptions &) = delete;
        CallOptions &operator=(const CallOptions &) = delete;
    };

    // C code lies between this and generate, which no exception may cross.
    static int receive(std::int64_t, std::int64_t id, const char *text, std::size_t bytes, void *user)
    {
        Receiver &receiver = *static_cast<Receiver *>(user);
        try {
            return (*receiver.on_token)(id, std::string_view(text, bytes));
        } catch (...) {
            receiver.thrown = std::current_exception();
            return 1;
        }
    }
% endif

    std::unique_ptr<${c}, Destroy> handle_;
};

} // namespace kaoken::${m.name}

#endif
