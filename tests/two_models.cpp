// Two compiled models in one C++ program. two_models GPT2.weights BERT.weights OUT: checks what it can by itself, writes the rest
// for the test to compare: GPT-2's logits by run and by feed, BERT's hidden state, generated ids, text.
#include "tiny_bert.hpp"
#include "tiny_gpt2.hpp"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <thread>
#include <type_traits>

namespace gpt2 = kaoken::tiny_gpt2;
namespace bert = kaoken::tiny_bert;

static_assert(std::is_nothrow_move_constructible_v<gpt2::Model> && std::is_nothrow_move_assignable_v<gpt2::Model>);
static_assert(!std::is_copy_constructible_v<gpt2::Model> && !std::is_copy_assignable_v<bert::Model>);

static int failures = 0;

static void expect(bool held, const char *what)
{
    if (!held) {
        std::cout << "failed: " << what << '\n';
        failures++;
    }
}

template <class Exception, class Action> static std::string thrown(Action action)
{
    try {
        action();
    } catch (const Exception &error) {
        return error.what();
    }
    return "nothing";
}

static std::vector<std::int64_t> made_up(std::size_t count, std::int64_t vocabulary)
{
    std::vector<std::int64_t> ids(count);
    for (std::size_t i = 0; i < count; i++)
        ids[i] = static_cast<std::int64_t>(i * 37 + 11) % vocabulary;
    return ids;
}

template <class T> static void write(std::ofstream &out, const std::vector<T> &values)
{
    out.write(reinterpret_cast<const char *>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
}

static void errors(const char *gpt2_weights, const char *bert_weights)
{
    expect(thrown<gpt2::Error>([&] { gpt2::Model wrong(bert_weights); }) == "the weights file belongs to another model", "foreign weights");
    expect(thrown<gpt2::Error>([&] { gpt2::Model wrong(std::string("/nowhere")); }) == "a file cannot be opened or read", "no file");
    gpt2::Sizes large{};
    large.batch = 1000;
    expect(gpt2::Model::memory_size(large) == 0, "memory of impossible sizes");
    expect(thrown<gpt2::Error>([&] { gpt2::Model wrong(gpt2_weights, large); }) == "an id, a size or a length is out of bounds", "sizes");

    gpt2::Model model(gpt2_weights);
    expect(thrown<gpt2::Error>([&] { model.feed({1, 2, 512}); }) == "an id, a size or a length is out of bounds", "id");
    expect(model.position() == 0, "nothing fed by a refused call");
    expect(thrown<std::invalid_argument>([&] { model.feed(std::vector<std::int64_t>()); }) != "nothing", "no ids");
    expect(thrown<gpt2::Error>([&] { model.truncate(1); }) != "nothing", "truncate beyond");
    expect(thrown<gpt2::Error>([&] { model.reorder({7}); }) != "nothing", "reorder");
    try {
        model.feed({-1});
    } catch (const gpt2::Error &error) {
        expect(error.status() == TINY_GPT2_ERROR_RANGE, "status");
    }
    expect(thrown<std::runtime_error>([&] {
               model.generate({1, 2}, gpt2::GenerateOptions(), [](std::int64_t, std::string_view) -> bool { throw std::runtime_error("mine"); });
           }) == "mine", "an exception of the callback comes back");
    const auto steps = model.profile([&] { model.feed({1, 2, 3}); });
    expect(steps.size() == TINY_GPT2_STEPS && std::string(steps[1].layer) == "transformer.h.0.ln_1" && steps[1].calls == 1, "profile");
    expect(thrown<gpt2::Error>([&] { model.profile([&] { model.feed({-1}); }); }) != "nothing", "an exception leaves a profile");
    model.reset();
    gpt2::Model other = std::move(model);
    expect(model.get() == nullptr && other.get() != nullptr, "moved");
    expect(thrown<gpt2::Error>([&] { model.reset(); }) == "an argument is null, misaligned or has no meaning", "use after move");
    other = gpt2::Model(gpt2_weights);
    expect(other.position() == 0, "move assignment");

    bert::Model encoder(bert_weights);
    bert::Inputs inputs;
    inputs.sequence_length = 3;
    inputs.input_ids = {1, 2};
    expect(thrown<std::invalid_argument>([&] { encoder.run(inputs); }) == "input_ids has 2 elements, the sizes ask for 3", "length of a vector");
    inputs.sequence_length = -3;
    expect(thrown<bert::Error>([&] { encoder.run(inputs); }) == "an id, a size or a length is out of bounds", "negative length");
}

static std::vector<float> run_gpt2(gpt2::Model &model, std::int64_t batch, std::int64_t length)
{
    gpt2::Inputs in;
    in.batch_size = batch;
    in.sequence_length = length;
    in.past_sequence_length = 0;
    in.input_ids = made_up(static_cast<std::size_t>(batch * length), TINY_GPT2_VOCABULARY);
    in.attention_mask.assign(in.input_ids.size(), 1);
    for (std::int64_t i = 0; i < batch * length; i++)
        in.position_ids.push_back(i % length);
    return model.run(in).logits;
}

static std::vector<float> run_bert(bert::Model &model, std::int64_t batch, std::int64_t length)
{
    bert::Inputs in;
    in.batch_size = batch;
    in.sequence_length = length;
    in.input_ids = made_up(static_cast<std::size_t>(batch * length), 512);
    in.attention_mask.assign(in.input_ids.size(), 1);
    in.token_type_ids.assign(in.input_ids.size(), 0);
    return model.run(in).last_hidden_state;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    errors(argv[1], argv[2]);

    gpt2::Sizes sizes{};
    sizes.batch = 2;
    gpt2::Model writer(argv[1], sizes);
    bert::Sizes encoder_sizes{};
    encoder_sizes.batch_size = 2;
    encoder_sizes.threads = 2;
    bert::Model encoder(argv[2], encoder_sizes);
    std::ofstream out(argv[3], std::ios::binary);
    std::vector<float> hidden;
    std::thread beside([&] { hidden = run_bert(encoder, 2, 21); });
    write(out, run_gpt2(writer, 2, 19));
    beside.join();
    write(out, hidden);
    bert::EmbedOptions as_they_are{};
    as_they_are.pooling = TINY_BERT_POOLING_LAST;
    as_they_are.normalize = -1;
    const std::vector<float> last = encoder.embed(2, made_up(42, 512), {}, as_they_are);
    expect(std::equal(last.begin(), last.begin() + TINY_BERT_EMBEDDING, hidden.begin() + 20 * TINY_BERT_EMBEDDING), "embed");
    expect(encoder.embed({"the old house", "a dog"}) == encoder.embed({"the old house", "a dog"}) &&
               encoder.embed({"the old house"}).size() == TINY_BERT_EMBEDDING,
           "embed texts");
    expect(thrown<bert::Error>([&] { encoder.embed({"\xff"}); }) != "", "no UTF-8");
    expect(thrown<std::invalid_argument>([&] { encoder.embed(2, made_up(5, 512)); }) != "", "uneven rows");

    const bert::Model::Rows rows = encoder.tokenize_batch({"A cat sat down.", "A dog"}, 20);
    expect(rows.length > 4 && rows.input_ids.size() == 2 * static_cast<std::size_t>(rows.length), "rows");
    expect(rows.attention_mask.front() == 1 && rows.attention_mask.back() == 0 && rows.token_type_ids.back() == 0, "mask");
    expect(encoder.embed(2, rows.input_ids, rows.attention_mask).size() == 2 * TINY_BERT_EMBEDDING, "vectors of texts");
    expect(encoder.tokenize_batch({"A cat"}, 20, {"sat down"}).token_type_ids.back() == 1, "pairs");
    expect(thrown<std::invalid_argument>([&] { encoder.tokenize_batch({"a"}, 20, {"b", "c"}); }) != "", "uneven pairs");

    writer.reset();
    write(out, writer.feed(2, made_up(34, TINY_GPT2_VOCABULARY)));
    expect(writer.position(1) == 17 && writer.position(7) == -1 && writer.capacity() == 128, "positions");

    writer.reset();
    gpt2::GenerateOptions options;
    options.max_new_tokens = 20;
    options.temperature = 0.8;
    options.top_k = 40;
    options.repetition_penalty = 1.2;
    options.seed = 7;
    std::vector<std::int64_t> ids;
    std::string streamed;
    const gpt2::GenerateResult result = writer.generate(writer.tokenize("A dog ran"), options, [&](std::int64_t id, std::string_view text) {
        if (id >= 0)
            ids.push_back(id);
        streamed += text;
        return false;
    });
    expect(result.tokens == 20 && ids.size() == 20 && result.reason == TINY_GPT2_STOP_LENGTH, "generate");
    write(out, ids);
    writer.reset();
    expect(writer.complete("A dog ran", options) == streamed, "complete");
    expect(writer.detokenize(writer.tokenize("d\xc3\xa9j\xc3\xa0 vu \xf0\x9f\x90\x95")) == "d\xc3\xa9j\xc3\xa0 vu \xf0\x9f\x90\x95", "text and back");
    out << streamed;
    return failures != 0;
}
