"""A fresh process of a peer that reaches a language model's first token: cold_start_peers.py PEER MODEL THREADS ID...

Run as a script by `benchmarks/cold_start.py`. It imports what its peer needs and nothing else, and prints the token and the
largest resident memory in KB. MODEL is the peer's own form of the model.
"""

import sys


def onnxruntime(model, threads, ids):
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    shapes = {node.name: node.shape for node in session.get_inputs()}
    return int(session.run(["logits"], _inputs(np, shapes, ids))[0][0, -1].argmax())


def openvino(model, threads, ids):
    import numpy as np
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    shapes = {node.any_name: [d.get_length() if d.is_static else None for d in node.partial_shape] for node in compiled.inputs}
    request = compiled.create_infer_request()
    request.infer(_inputs(np, shapes, ids))
    return int(request.get_tensor("logits").data[0, -1].argmax())


def ctranslate2(model, threads, ids):
    import ctranslate2
    import numpy as np

    generator = ctranslate2.Generator(model, device="cpu", compute_type="float32", inter_threads=1, intra_threads=threads)
    logits = generator.forward_batch([ids], return_log_probs=False)
    return int(np.asarray(logits)[0, -1].argmax())


def llama_cpp(model, threads, ids):
    import llama_cpp

    llama = llama_cpp.Llama(model, n_ctx=1024, n_threads=threads, n_threads_batch=threads, type_k=0, type_v=0, verbose=False)
    llama.eval(ids)
    logits = llama_cpp.llama_get_logits_ith(llama.ctx, -1)
    return max(range(llama.n_vocab()), key=logits.__getitem__)


def torch(model, threads, ids):
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.inference_mode():
        return int(loaded(torch.tensor([ids]), logits_to_keep=1).logits[0, -1].argmax())


def kaoken(model, threads, ids):
    from kaoken.session import TextGenerator

    return int(TextGenerator(model, threads=threads).feed(ids).argmax())


def _inputs(np, shapes, ids):
    """Inputs of an exported graph: ids, a mask of ones, positions, and a cache that is empty."""
    found = {}
    for name, shape in shapes.items():
        if name == "input_ids":
            found[name] = np.array([ids], np.int64)
        elif name == "position_ids":
            found[name] = np.arange(len(ids))[None]
        elif "mask" in name:
            found[name] = np.ones((1, len(ids)), np.int64)
        else:
            found[name] = np.zeros((1, shape[1], 0, shape[3]), np.float32)
    return found


if __name__ == "__main__":
    token = globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]), [int(word) for word in sys.argv[4:]])
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(token, peak, flush=True)
