"""Train the tense model: a small T5 that puts the stories of grammar.py from one tense into the other.

    python -m models.story_t5.train            # the recipe: writes weights, tokenizer, losses and examples beside this file
    python -m models.story_t5.train --steps 50 --output /some/folder

Everything follows from the seed: the pairs, the tokenizer, the first weights and the order of the batches. (Sums of
floats depend on the thread count and the torch build, so another machine gets close weights, not equal ones.) The weights
are rounded to float16, and the rounded ones are the model: losses, rates and examples are theirs.

The tokenizer is a real SentencePiece model; training it anew (--new-tokenizer) needs `pip install sentencepiece`. With the
tokenizer.json that lies here that package is not needed.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch.optim.lr_scheduler import LambdaLR
from transformers import T5Config, T5ForConditionalGeneration

from models.story.grammar import stories

from .grammar import pairs

VOCABULARY = 960
PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
LONGEST = 256
SEED = 2025
FIRST_BIAS = 6.0
BIAS_RATE = 10.0
COPYING = 0.4  # every third batch of this share of the steps is random ids to be copied
IGNORED = -100  # the label that cross-entropy leaves out

Pair = tuple[list[int], list[int]]


def train_tokenizer(seed: int, count: int = 8000) -> Tokenizer:
    """A Unigram model that SentencePiece trains, in the form of T5's tokenizer.json, with its table of nmt_nfkc.

    It reads the story grammar's longer stories too, for their words.
    """
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    texts, made = itertools.islice(pairs(seed), count), io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=itertools.chain(itertools.chain.from_iterable(texts), itertools.islice(stories(seed), count // 4)),
        model_writer=made,
        model_type="unigram",
        vocab_size=VOCABULARY,
        normalization_rule_name="nmt_nfkc",
        required_chars="".join(chr(code) for code in range(33, 127)),
        num_threads=1,
        minloglevel=2,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        pad_piece=PAD,
        eos_piece=END,
        unk_piece=UNKNOWN,
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(made.getvalue())
    tokenizer = Tokenizer(models.Unigram([(piece.piece, piece.score) for piece in proto.pieces], unk_id=2))
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([PAD, END, UNKNOWN])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, 1)]
    )
    return tokenizer


def encoded(tokenizer: Tokenizer, seed: int) -> Iterator[Pair]:
    """Endless (source ids, target ids), both with the end."""
    for source, target in pairs(seed):
        yield tokenizer.encode(source).ids, tokenizer.encode(target).ids


def copies(seed: int) -> Iterator[Pair]:
    """Endless random ids to be copied. Nothing but looking them up in the source helps there, so the decoder learns to align."""
    rng = random.Random(seed)
    while True:
        ids = [*(rng.randrange(3, VOCABULARY) for _ in range(rng.randint(4, 48))), 1]
        yield ids, ids


def batches(source: Iterator[Pair], size: int) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of pairs of like lengths: eight batches are drawn at once and sorted."""
    while True:
        drawn = sorted(itertools.islice(source, 8 * size), key=lambda pair: len(pair[0]))
        for start in torch.randperm(8).tolist():
            yield collate(drawn[start * size : (start + 1) * size])


def collate(rows: list[Pair]) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask and labels, each [rows, longest]."""
    longest = [max(len(row[side]) for row in rows) for side in (0, 1)]
    ids, labels = torch.zeros(len(rows), longest[0], dtype=torch.long), torch.full((len(rows), longest[1]), IGNORED)
    for n, (source, target) in enumerate(rows):
        ids[n, : len(source)], labels[n, : len(target)] = torch.tensor(source), torch.tensor(target)
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def optimizers_of(model: T5ForConditionalGeneration) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, biases and norms; rates relative to the schedule.

    Position biases have to grow to several units before a head looks at one neighbour alone: they learn BIAS_RATE times faster.
    """
    named = dict(model.named_parameters())
    biases = [p for name, p in named.items() if "relative" in name]
    outer = [p for name, p in named.items() if "relative" not in name and (p.dim() < 2 or "shared" in name)]
    inner = [p for p in named.values() if all(p is not q for q in [*biases, *outer])]
    groups = [{"params": outer, "lr": 1.0}, {"params": biases, "lr": BIAS_RATE}]
    return [
        torch.optim.Muon(inner, lr=1.0, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(groups, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over the first twentieth, then a cosine down to zero."""
    warmup = max(1, steps // 20)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def configuration() -> T5Config:
    """Three and three layers, shaped as t5-small is: ReLU, embeddings tied to the head, relative position bias."""
    return T5Config(
        vocab_size=VOCABULARY, d_model=128, d_kv=32, d_ff=384, num_layers=3, num_decoder_layers=3, num_heads=4,
        dropout_rate=0.0, feed_forward_proj="relu", n_positions=LONGEST, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip


@torch.no_grad()
def look_at_neighbours(model: T5ForConditionalGeneration) -> None:
    """Start some heads with a bias towards one near position. Cross-attention has no positions: it can follow the source in
    order only where the encoder's states tell their neighbours, and finding that out from nothing takes long."""
    bias = "block.0.layer.0.SelfAttention.relative_attention_bias"
    encoder, decoder = (stack.get_submodule(bias).weight for stack in (model.encoder, model.decoder))
    half = encoder.shape[0] // 2  # its second half is for positions that follow
    for head, bucket in enumerate((1, half + 1, 2)):
        encoder[bucket, head] = FIRST_BIAS
    for head, bucket in enumerate((1, 2)):
        decoder[bucket, head] = FIRST_BIAS


def train(
    tokenizer: Tokenizer, steps: int, size: int, seed: int, peak: float
) -> tuple[T5ForConditionalGeneration, dict[str, object]]:
    """Run the recipe; returns the model (float16-rounded weights, as float32) and the record."""
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(configuration()).train()
    look_at_neighbours(model)
    optimizers = optimizers_of(model)
    schedulers = [LambdaLR(optimizer, lambda step: learning_rate(step, steps, peak)) for optimizer in optimizers]
    source, copied = batches(encoded(tokenizer, seed + 1), size), batches(copies(seed), size)
    curve, tokens, started = [], 0, time.monotonic()
    for step in range(steps):
        batch = next(copied if step % 3 == 0 and step < COPYING * steps else source)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for scheduler in schedulers:
            scheduler.step()
        tokens += int(batch["attention_mask"].sum()) + int((batch["labels"] != IGNORED).sum())
        if step % 48 == 1 or step == steps - 1:
            curve.append([step, round(loss.item(), 4)])
            print(f"step {step:5d}  loss {loss.item():.4f}  {time.monotonic() - started:.0f} s", flush=True)
    seconds = time.monotonic() - started
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    parameters = sum(p.numel() for p in model.parameters())
    record = {"seed": seed, "steps": steps, "tokens": tokens, "seconds": round(seconds), "parameters": parameters}
    return model.eval(), record | evaluation(model, tokenizer, seed) | {"curve": curve}


@torch.no_grad()
def evaluation(model: T5ForConditionalGeneration, tokenizer: Tokenizer, seed: int, count: int = 256) -> dict[str, object]:
    """Losses in nats a token on pairs of training and held-out seeds; for held-out ones how many greedy texts are exact."""
    losses = []
    for offset in (1, 2):
        rows = list(itertools.islice(encoded(tokenizer, seed + offset), count))
        losses.append(sum(model(**collate(rows[n : n + 16])).loss.item() for n in range(0, count, 16)) / (count // 16))
    held_out, exact, examples = list(itertools.islice(pairs(seed + 2), count)), 0, []
    for start in range(0, count, 16):
        chosen = held_out[start : start + 16]
        batch = collate([(tokenizer.encode(s).ids, [1]) for s, _ in chosen])
        ids = model.generate(batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=LONGEST, do_sample=False)
        for (source, target), text in zip(chosen, tokenizer.decode_batch(ids.tolist()), strict=True):
            exact += text == target
            examples.append({"source": source, "target": target, "written": text})
    wrong = [e for e in examples if e["written"] != e["target"]]
    return {
        "train_loss": round(losses[0], 5),
        "held_out_loss": round(losses[1], 5),
        "held_out_pairs": count,
        "held_out_exact": exact,
        "examples": examples[:4] + [e for e in wrong if e not in examples[:4]][:2],
    }


def save(
    model: T5ForConditionalGeneration, tokenizer: Tokenizer, record: dict[str, object], output: Path, new_tokenizer: bool
) -> None:
    """Write float16 weights, config.json, generation_config.json, tokenizer.json and loss.json."""
    output.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(output)
    if new_tokenizer or output != Path(__file__).parent:  # reading and writing it again changes last digits
        tokenizer.save(str(output / "tokenizer.json"))
    (output / "loss.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=16, help="pairs a step")
    parser.add_argument("--peak", type=float, default=3e-3, help="largest learning rate")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--new-tokenizer", action="store_true", help="train the tokenizer too (needs sentencepiece)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    kept = Path(__file__).with_name("tokenizer.json")
    new = arguments.new_tokenizer or not kept.is_file()
    tokenizer = train_tokenizer(arguments.seed) if new else Tokenizer.from_file(str(kept))
    model, record = train(tokenizer, arguments.steps, arguments.batch, arguments.seed, arguments.peak)
    save(model, tokenizer, record, arguments.output, new)
    print({key: value for key, value in record.items() if key not in ("curve", "examples")})


if __name__ == "__main__":
    main()
