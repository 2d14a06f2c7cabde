"""Trains vigil-nano-r1. Needs PyTorch, tokenizers, safetensors, and transformers for the evaluation.

python3 train.py --out FOLDER [--seconds 400] [--resume FOLDER]
Writes tokenizer.json, model-0000{1,2}.safetensors (F16), recipe.json, logits.json and eval.json.
Processes write fresh conversations all the while, so that hardly any is seen twice.
"""
import argparse
import hashlib
import json
import math
import multiprocessing
import os
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F
from data import ASSISTANT, BEGIN, END, USER, Writer, render
from network import CONFIG, Model

SPECIAL = [BEGIN, END, USER, ASSISTANT, "<think>", "</think>"]
# Qwen2's pieces, which llama.cpp knows as `deepseek-r1-qwen`: digits stand alone.
PIECES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def learn_tokenizer(path, samples):
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    writer = Writer("tokenizer")
    texts = []
    for _ in range(samples):
        conversation = writer.conversation(24)
        texts += [part for turn in conversation["turns"] for part in turn]
        texts.append("\n")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PIECES), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=CONFIG["vocab_size"] - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    tokenizer.save(path)
    return tokenizer


def produce(worker, folder, path, length, most, seed):
    """Writes files of packed rows, each of whole conversations, until it is ended."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(path)
    think, begin, assistant, end = (tokenizer.token_to_id(t) for t in ("<think>", BEGIN, ASSISTANT, END))
    writer = Writer(f"train {seed} {worker}")
    number, pool = 0, []
    while True:
        while len([f for f in os.listdir(folder) if f.startswith(f"{worker}-")]) > 24:
            time.sleep(0.2)
        rows, weights = [], []
        while len(rows) < 256:
            if len(pool) < 64:
                for encoding in tokenizer.encode_batch([render(writer.conversation(most)) for _ in range(512)]):
                    ids = np.array(encoding.ids, np.uint16)
                    if len(ids) > length:
                        continue
                    inside = np.cumsum(ids == assistant) - np.cumsum(ids == end) > 0
                    # 1: what users write, 6: earlier answers, 20: the reasoning and the answer at the end. Of the token itself.
                    weight = np.where(inside | (ids == end), 6, 1).astype(np.uint8)
                    weight[ids == assistant] = 0
                    weight[ids == begin] = 0
                    at = int(np.argmax(ids == think))
                    weight[at:at + 2] = 0
                    weight[at + 2:] = 20
                    pool.append((ids, weight))
            row, weight = np.full(length, end, np.uint16), np.zeros(length, np.uint8)
            at = 0
            while pool:
                # The last of them first; a shorter one where it does not fit.
                fit = next((i for i in range(len(pool) - 1, max(-1, len(pool) - 40), -1) if len(pool[i][0]) <= length - at), None)
                if fit is None:
                    break
                ids, counts = pool.pop(fit)
                row[at:at + len(ids)], weight[at:at + len(ids)] = ids, counts
                at += len(ids)
            rows.append(row)
            weights.append(weight)
        np.savez(f"{folder}/.{worker}.npz", rows=np.stack(rows), weights=np.stack(weights))
        os.rename(f"{folder}/.{worker}.npz", f"{folder}/{worker}-{number}.npz")
        number += 1


def save(model, out, recipe):
    from safetensors.torch import save_file
    halves = {1: {}, 2: {}}
    for name, p in model.state_dict().items():
        half = 2 if ".layers." in name and int(name.split(".")[2]) >= CONFIG["num_hidden_layers"] // 2 else 1
        halves[half][name] = p.detach().half().contiguous().cpu()
    for half, tensors in halves.items():
        save_file(tensors, f"{out}/model-0000{half}.safetensors")
    with open(f"{out}/recipe.json", "w") as file:
        json.dump({"config": CONFIG, **recipe}, file, indent=1)


def train(args, device, began):
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    path = f"{args.out}/tokenizer.json"
    if not os.path.exists(path):
        if args.resume:
            os.system(f"cp {args.resume}/tokenizer.json {path}")
        else:
            learn_tokenizer(path, args.samples)
    print(f"tokenizer {time.time() - began:.0f} s", flush=True)
    folder = tempfile.mkdtemp()
    context = multiprocessing.get_context("spawn")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    workers = [context.Process(target=produce, args=(n, folder, path, args.length, args.most, args.seed), daemon=True) for n in range(args.workers)]
    for worker in workers:
        worker.start()
    model = Model(CONFIG).to(device)
    if args.resume:
        from safetensors.torch import load_file
        for half in (1, 2):
            model.load_state_dict({k: v.float() for k, v in load_file(f"{args.resume}/model-0000{half}.safetensors").items()}, strict=False)
    print(f"{sum(p.numel() for p in model.parameters())} weights", flush=True)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=args.rate, betas=(0.9, 0.95), **({"fused": True} if device == "cuda" else {}))

    def loss_of(ids, weight):
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = model(ids[:, :-1])
        each = F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        weight = weight[:, 1:].flatten().float()
        return (each * weight).sum() / weight.sum()
    step_loss = torch.compile(loss_of) if device == "cuda" else loss_of

    queue, kept, step, tokens, started, saved, repeats = [], [], 0, 0, None, 0, 0

    def batch():
        nonlocal queue, repeats
        while sum(len(r) for r, _ in queue) < args.rows:
            names = [f for f in os.listdir(folder) if not f.startswith(".")][:8]
            for name in names:
                with np.load(f"{folder}/{name}") as file:
                    queue.append((torch.from_numpy(file["rows"].astype(np.int32)).to(device), torch.from_numpy(file["weights"]).to(device)))
                os.remove(f"{folder}/{name}")
            if names:
                # Rows of several processes side by side.
                rows, weights = torch.cat([r for r, _ in queue]), torch.cat([w for _, w in queue])
                order = torch.randperm(len(rows), device=device)
                queue = [(rows[order], weights[order])]
            elif kept:
                queue.append(kept[np.random.randint(len(kept))])
                repeats += 1
            else:
                time.sleep(0.05)
        rows, weights = queue.pop(0)
        if len(rows) > args.rows:
            queue.insert(0, (rows[args.rows:], weights[args.rows:]))
            rows, weights = rows[:args.rows], weights[:args.rows]
        if len(kept) < 2000 and len(rows) == args.rows:
            kept.append((rows, weights))
        return rows.long(), weights

    while True:
        ids, weights = batch()
        if len(ids) != args.rows:
            continue
        # By the clock: the schedule ends when the time does, however fast the machine is.
        now = time.time()
        if step == 20:
            started = now
        share = 0 if started is None else (now - started) / max(1, args.seconds - (started - began))
        if share >= 1:
            break
        rate = args.rate * min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, share))))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = step_loss(ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        tokens += ids.numel()
        if step in (1, 20, 50) or step % 250 == 0:
            print(f"step {step} loss {loss.item():.4f} {tokens / 1e6:.0f} M tokens {now - began:.0f} s repeats {repeats} pending {len(os.listdir(folder))}", flush=True)
        if share > 0.25 * (saved + 1):
            saved += 1
            save(model, args.out, recipe(args, step, tokens))
    for worker in workers:
        worker.terminate()
    save(model, args.out, recipe(args, step, tokens))
    print(f"trained: {step} steps, {tokens / 1e6:.0f} M tokens, {time.time() - began:.0f} s", flush=True)
    return model


def recipe(args, step, tokens):
    here = os.path.dirname(os.path.abspath(__file__))
    digest = hashlib.sha256()
    for name in ("wording.py", "data.py", "network.py", "train.py"):
        with open(f"{here}/{name}", "rb") as file:
            digest.update(file.read())
    return {"sha256": digest.hexdigest(), "seed": args.seed, "steps": step, "tokens": tokens, "rows": args.rows, "length": args.length,
            "most": args.most, "rate": args.rate, "seconds": args.seconds}


def evaluate(model, out, device, until):
    """Greedy answers to held-back cases, and the logits of some prompts."""
    from tokenizers import Tokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM
    tokenizer = Tokenizer.from_file(f"{out}/tokenizer.json")
    reference = Qwen2ForCausalLM(Qwen2Config(**CONFIG, hidden_act="silu", rope_parameters={"rope_type": "default", "rope_theta": CONFIG["rope_theta"]})).to(device).eval()
    state = {name: p.detach().half().float() for name, p in model.state_dict().items()}
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    reference.load_state_dict(state)
    end = tokenizer.token_to_id(END)
    samples = []
    for row, turns in (("recall4", 8), ("arithmetic", 0), ("untold", 20), ("talk", 2)):
        prompt = render(Writer(f"logits {row}", True).case(row, turns), prompt=True)
        ids = tokenizer.encode(prompt).ids
        with torch.no_grad():
            logits = reference(torch.tensor([ids], device=device)).logits[0, -1].float()
            own = model.eval()(torch.tensor([ids], device=device))[0, -1].float()
        print(f"ours and transformers' logits differ by {(own - logits).abs().max().item():.4f}", flush=True)
        samples.append({"prompt": prompt, "ids": ids, "logits": [round(x, 5) for x in logits.tolist()]})
    with open(f"{out}/logits.json", "w") as file:
        json.dump(samples, file, ensure_ascii=False)
    results = []
    plan = [("arithmetic", 2), ("recall", 8), ("recall4", 48), ("untold", 24), ("wording", 8), ("noise", 8), ("yesno", 8), ("outside", 4), ("talk", 4), ("recall4", 24), ("recall4", 64),
            ("recall", 48), ("recall4", 96), ("recall4", 128), ("recall4", 192)]
    for row, turns in plan:
        if time.time() > until:
            break
        writer = Writer(f"device {row} {turns}", True)
        cases = [writer.case(row, turns) for _ in range(128)]
        prompts = [tokenizer.encode(render(case, prompt=True)).ids for case in cases]
        longest = max(map(len, prompts))
        ids = torch.tensor([[end] * (longest - len(p)) + p for p in prompts], device=device)
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
        with torch.no_grad():
            made = reference.generate(input_ids=ids, attention_mask=mask, max_new_tokens=160, do_sample=False, eos_token_id=end, pad_token_id=end)
        right = closed = 0
        wrong = []
        for case, answer in zip(cases, made[:, longest:].tolist()):
            text = tokenizer.decode(answer[:answer.index(end)] if end in answer else answer, skip_special_tokens=False)
            said = text.split("</think>")[-1].strip()
            ok = said == case["turns"][-1][2]
            right += ok
            closed += text.count("</think>") == 1
            if not ok and len(wrong) < 4:
                wrong.append([case["turns"][-1], text])
        results.append({"row": row, "turns": turns, "tokens": sum(map(len, prompts)) / len(prompts), "right": right, "closed": closed, "of": len(cases), "wrong": wrong})
        print(row, turns, f"{results[-1]['tokens']:.0f} tokens, right {right}, closed {closed} of {len(cases)}", json.dumps(wrong[:2], ensure_ascii=False), flush=True)
        with open(f"{out}/eval.json", "w") as file:
            json.dump(results, file, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    began = time.time()
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--evaluate", type=float, default=70, help="seconds for the evaluation")
    parser.add_argument("--resume")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--most", type=int, default=72, help="distracting turns at most")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--samples", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = train(args, device, began)
    evaluate(model, args.out, device, time.time() + args.evaluate)
    os._exit(0)
