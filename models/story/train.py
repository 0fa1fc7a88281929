"""Train the story model: a GPT-2 of about two million parameters on stories that grammar.py tells.

    python -m models.story.train            # the recipe: writes weights, tokenizer and loss beside this file
    python -m models.story.train --threads 1 --steps 50 --output /some/folder

Everything follows from the seed: the text, the tokenizer, the first weights and the order of the batches. (Sums
of floats depend on the thread count and the torch build, so another machine gets close weights, not equal ones.)
The weights are rounded to float16, and the rounded ones are the model: the losses reported are theirs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel

from .grammar import stories

VOCABULARY = 1536
CONTEXT = 512
END = "<|endoftext|>"
SEED = 2024


def train_tokenizer(seed: int, count: int = 4000) -> Tokenizer:
    """Byte-level BPE as GPT-2 defines it, with id 0 for the end of a story."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(itertools.islice(stories(seed), count), trainer)
    return tokenizer


def rows(tokenizer: Tokenizer, seed: int) -> Iterator[np.ndarray]:
    """Endless rows of CONTEXT + 1 ids: whole stories one after another, each row starting with a new one.

    Starting with a story puts the positions that generation uses where training used them.
    """
    source = stories(seed)
    while True:
        row: list[int] = []
        while len(row) <= CONTEXT:
            row += [*tokenizer.encode(next(source)).ids, tokenizer.token_to_id(END)]
        yield np.array(row[: CONTEXT + 1])


def batches(source: Iterator[np.ndarray], size: int) -> Iterator[torch.Tensor]:
    while True:
        yield torch.from_numpy(np.stack([next(source) for _ in range(size)]))


def loss_of(model: GPT2LMHeadModel, batch: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in nats a token."""
    logits = model(batch[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())


def evaluate(model: GPT2LMHeadModel, seed: int, tokenizer: Tokenizer, count: int = 64) -> float:
    """Loss on `count` rows of stories that another seed tells."""
    model.eval()
    source = batches(rows(tokenizer, seed), 8)
    with torch.no_grad():
        losses = [loss_of(model, next(source)).item() for _ in range(count // 8)]
    model.train()
    return sum(losses) / len(losses)


def optimizers_of(model: GPT2LMHeadModel) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings and vectors; rates relative to the schedule."""
    inner = [p for p in model.transformer.h.parameters() if p.dim() == 2]
    outer = [p for p in model.parameters() if all(p is not q for q in inner)]
    return [
        torch.optim.Muon(inner, lr=1.0, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=1.0, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over the first twentieth, then a cosine down to zero."""
    warmup = max(1, steps // 20)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def train(steps: int, batch_size: int, seed: int, peak: float) -> tuple[GPT2LMHeadModel, Tokenizer, dict[str, object]]:
    """Run the recipe; returns the model (float16-rounded weights, as float32), its tokenizer and the record."""
    tokenizer = train_tokenizer(seed)
    torch.manual_seed(seed)
    end = tokenizer.token_to_id(END)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=192, n_layer=4, n_head=6,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).train()
    optimizers = optimizers_of(model)
    source, curve, started = batches(rows(tokenizer, seed + 1), batch_size), [], time.monotonic()
    for step in range(steps):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = learning_rate(step, steps, peak)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(model, next(source))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if step % 25 == 0 or step == steps - 1:
            curve.append([step, round(loss.item(), 4)])
            print(f"step {step:5d}  loss {loss.item():.4f}  {time.monotonic() - started:.0f} s", flush=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    record = {
        "seed": seed,
        "steps": steps,
        "tokens": steps * batch_size * CONTEXT,
        "parameters": sum(p.numel() for p in model.parameters()),
        "train_loss": round(evaluate(model, seed + 1, tokenizer), 4),
        "held_out_loss": round(evaluate(model, seed + 2, tokenizer), 4),
        "curve": curve,
    }
    return model.eval(), tokenizer, record


def save(model: GPT2LMHeadModel, tokenizer: Tokenizer, record: dict[str, object], output: Path) -> None:
    """Write float16 weights, config.json, generation_config.json, tokenizer.json and loss.json."""
    output.mkdir(parents=True, exist_ok=True)
    model.generation_config.eos_token_id = model.generation_config.bos_token_id = tokenizer.token_to_id(END)
    model.half().save_pretrained(output)
    tokenizer.save(str(output / "tokenizer.json"))
    (output / "loss.json").write_text(json.dumps(record) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=2, help="rows of 512 tokens a step")
    parser.add_argument("--peak", type=float, default=3e-3, help="largest learning rate")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, tokenizer, record = train(arguments.steps, arguments.batch, arguments.seed, arguments.peak)
    save(model, tokenizer, record, arguments.output)
    print({key: value for key, value in record.items() if key != "curve"})


if __name__ == "__main__":
    main()
