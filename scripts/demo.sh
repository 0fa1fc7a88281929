#!/usr/bin/env bash
# Sets everything up and does Kaoken's main job: a trained story model writes a story in C, and GPT-2 at true size is
# exported, compiled, built and timed. Everything lands in demo/; running it again repeats only the cheap steps.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

prepare export
kaoken="$VENV/bin/kaoken"
mkdir -p demo
cd demo

say "1. The story model, trained on made-up stories (2 million parameters): export, compile, build"
[ -f story-onnx/model.onnx ] || "$kaoken" export story -o story-onnx
"$kaoken" compile story-onnx -o story-c --build

say "2. It writes a story, from the command line"
"$kaoken" run story-c "Once upon a time" -n 160 --temperature 0.8 --seed 3 --threads 2

say "3. The same folder as a C program: cc, nothing else"
echo "cc -O2 example/main.c *.c kaoken/*.c -lm -lpthread -o ../story"
(cd story-c && ${CC:-cc} -O2 example/main.c ./*.c kaoken/*.c -lm -lpthread -o ../story)
echo './story story-c/story.weights "One winter"'
./story story-c/story.weights "One winter"

say "4. GPT-2, 124 million parameters at true size (random weights: no hub is asked; 25 s and 3 GB of memory)"
[ -f gpt2-onnx/model.onnx ] || "$kaoken" export gpt2 --random-weights -o gpt2-onnx
"$kaoken" compile gpt2-onnx -o gpt2-c --build

say "5. Its speed beside onnxruntime, on one thread and two"
"$kaoken" bench gpt2-onnx gpt2-c --prefill 16,128 --decode 128 --rounds 3

say "Done. Look at demo/story-c: story.h is its API, README.md says how to use it; demo/gpt2-c is GPT-2."
