"""Conversations in the form of DeepSeek-R1: what vigil-nano-r1 is trained on and measured with. Standard library only.

A conversation is {"system", "turns": [[user, reasoning, answer], …], …}; the last turn is the one that is asked.
`python3 data.py ROW SEED COUNT [TURNS]` writes held-back cases, one JSON object a line.
"""
import json
import random
import re
import sys
import zlib
from wording import *

ROWS = ("recall", "recall4", "wording", "noise", "untold", "arithmetic", "yesno", "talk", "outside")


COMMON = {*COLOURS["en"], *COLOURS["zh"], *CITIES["en"], *CITIES["zh"], *NAMES, *DOGS, *ZH_DOGS}
_TEXTS = repr([TELL, ASK, TALK, GREET, PASSING, FILL, OUTSIDE, WORDS, ACK])
CHARACTERS = sorted(set(re.findall(r"[\u4e00-\u9fa5]", _TEXTS)) | set(ZH_SURNAMES + ZH_GIVEN))
ALL_WORDS = sorted({w for w in re.findall(r"[A-Za-z]{2,}", _TEXTS)} | {w.capitalize() for w in re.findall(r"[a-z]{3,}", _TEXTS)} | COMMON)


def held(value):
    """Values are shared out by their checksum: a fifth is for the evaluation alone."""
    return zlib.crc32(value.encode()) % 5 == 0


class Writer:
    """Writes conversations from one seed. `evaluate`: only values, and where asked wordings, never trained."""

    def __init__(self, seed, evaluate=False):
        self.r = random.Random(seed)
        self.evaluate = evaluate

    def pick(self, rows):
        return self.r.choice(rows)

    # values
    def syllables(self):
        n = self.pick([1, 2, 2, 3])
        return ("".join(self.pick(ONSET) + self.pick(NUCLEUS) for _ in range(n)) + self.pick(CODA)).capitalize()

    def odd(self, lang):
        """What nobody is called: rare characters, words of other uses, letters. It teaches to copy whatever stands there."""
        r = self.r
        form = r.random()
        if form < 0.35:
            return "".join(chr(r.randint(0x4E00, 0x9FA5)) if r.random() < 0.4 else self.pick(CHARACTERS) for _ in range(r.randint(1, 4)))
        if form < 0.7:
            return " ".join(self.pick(ALL_WORDS) for _ in range(self.pick([1, 1, 1, 2])))
        return "".join(self.pick("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(2, 8))).capitalize()

    def raw_value(self, kind, lang):
        r = self.r
        if kind == "code":
            form = self.pick(["LDLD", "LLDD", "DDDD", "LL-DDD", "DDDDDD", "LLLL", "LDDD", "LLL-DD"])
            letters, digits = "ABCDEFGHJKLMNPQRSTUVWXYZ", "0123456789"
            return "".join(self.pick(letters) if c == "L" else self.pick(digits) if c == "D" else c for c in form)
        if kind == "number":
            return str(r.randint(1, 10 ** self.pick([2, 3, 4, 5]) - 1))
        if kind == "colour":
            return self.pick(COLOURS[lang])
        if not self.evaluate and r.random() < 0.25:
            return self.odd(lang)
        if lang == "zh" and r.random() < 0.8:
            if kind == "city":
                return self.pick(CITIES["zh"])
            if kind == "dog":
                return self.pick(ZH_DOGS) if r.random() < 0.4 else "小" + self.pick(ZH_GIVEN) if r.random() < 0.5 else self.pick(ZH_GIVEN) * 2
            return self.pick(ZH_SURNAMES) + "".join(self.pick(ZH_GIVEN) for _ in range(self.pick([1, 2, 2])))
        if r.random() < 0.7:
            return self.syllables()
        return self.pick({"city": CITIES["en"], "dog": DOGS, "name": NAMES}[kind])

    def value(self, kind, lang):
        while True:
            value = self.raw_value(kind, lang)
            # Colours, cities and common names are few, so both sides have them all; what is made up is shared out.
            if value in COMMON or held(value) == self.evaluate:
                return value

    # typed noise, in what the user writes and outside the values
    def noise(self, text):
        r = self.r
        keep = re.split(r"(\{v\})", text)
        how = self.pick(["lower", "upper", "spaces", "bare", "wide", "typo", "typo"])
        def change(part):
            if part == "{v}" or not part:
                return part
            if how == "lower":
                return part.lower()
            if how == "upper":
                return part.upper()
            if how == "spaces":
                return re.sub(" ", lambda _: " " * self.pick([1, 2, 3]), part) if " " in part else part + "  "
            if how == "bare":
                return re.sub(r"[.,!?:;'。，！？：；]", "", part)
            if how == "wide":
                return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in part)
            at = [i for i, c in enumerate(part) if c.isalpha() and c.isascii()]
            if len(at) < 4:
                return part + self.pick([" ", "？", "!", "…"])
            i = self.pick(at)
            kind = self.pick(["drop", "double", "swap", "near"])
            if kind == "drop":
                return part[:i] + part[i + 1:]
            if kind == "double":
                return part[:i] + part[i] + part[i:]
            if kind == "swap" and i + 1 < len(part):
                return part[:i] + part[i + 1] + part[i] + part[i + 2:]
            return part[:i] + self.pick("abcdefghijklmnopqrstuvwxyz") + part[i + 1:]
        return "".join(change(part) for part in keep)

    def typed(self, text, chance=0.12):
        """As people type it: exact, or at times with noise."""
        return self.noise(text) if self.r.random() < chance else text

    def strange(self):
        return self.syllables().lower() if self.r.random() < 0.5 else self.pick(ALL_WORDS).lower()

    def wrap(self, template, lang):
        """Strange words within a question, or before it: it stays one."""
        if lang == "zh":
            words = "".join(self.pick(CHARACTERS) for _ in range(self.r.randint(1, 4)))
            at = self.r.choice([0, template.find("我的") if "我的" in template else 0, len(template) - 1])
            return template[:at] + words + ("，" if at == 0 and self.r.random() < 0.7 else "") + template[at:]
        words = template.split(" ")
        for _ in range(self.r.randint(1, 3)):
            at = self.r.randint(0, len(words))
            words.insert(at, self.strange())
        if self.r.random() < 0.4:
            words.insert(0, " ".join(self.strange() for _ in range(self.r.randint(1, 4))).capitalize() + self.pick([":", ",", ".", ""]))
        return " ".join(words)

    # turns
    def noun(self, kind, lang):
        return self.pick(KINDS[kind][lang]["nouns"])

    def tell(self, kind, lang, value, chance=0.12):
        own = TELL[lang][kind]
        template = self.pick(own) if self.r.random() < 0.5 else self.pick(TELL[lang]["any"])
        text = self.typed(template.replace("{n}", self.noun(kind, lang) if kind != "dog" else {"en": "dog's name", "zh": "狗的名字"}[lang]), chance)
        said = KINDS[kind][lang]["said"]
        if lang == "en":
            return [text.replace("{v}", value), f"They tell me their {said}: {value}. I keep it.", f"{self.pick(ACK[lang])}"]
        return [text.replace("{v}", value), f"对方告诉我{said}：{value}。我记住。", f"{self.pick(ACK[lang])}"]

    def question(self, kind, lang, wording=ASK, chance=0.12):
        own = wording[lang][kind]
        template = self.pick(own) if own and self.r.random() < 0.35 else self.pick(wording[lang]["any"])
        noun = self.noun(kind, lang) if kind != "dog" else {"en": "dog's name", "zh": "狗的名字"}[lang]
        lead = self.pick(LEAD[lang]) if wording is ASK else ""
        if wording is ASK and not self.evaluate:
            p = self.r.random()
            if p < 0.08 and lang == "en":
                # Verbs that nobody knows ask as well.
                template = self.strange().capitalize() + " " + self.pick(["my {n}.", "me my {n}.", "my {n}?", "my {n}!", "to me my {n}.", "what my {n} is.", "what my {n} was?"])
            elif p < 0.2:
                template = self.wrap(template, lang)
            elif p < 0.55:
                template = self.built(lang)
        return self.typed(lead + template.replace("{n}", noun), chance)

    def built(self, lang):
        parts = ASK_PARTS[lang]
        if self.r.random() < 0.3:
            text = self.pick(parts["whole"])
        else:
            text = self.pick(parts["open"]) + (" " if lang == "en" else "") + self.pick(parts["verb"]) + self.pick(parts["tail"]) + self.pick(parts["end"])
        text = text.replace("{m}", "my {n}" if lang == "en" else "我的{n}").replace("{k}", "{n}")
        return text[0].upper() + text[1:] if self.r.random() < 0.85 else text

    def ask(self, kind, lang, facts, wording=ASK, chance=0.12):
        said = KINDS[kind][lang]["said"]
        value = facts.get(kind)
        text = self.question(kind, lang, wording, chance)
        if lang == "en":
            if value is None:
                return [text, f"They ask for their {said}. I look back: it was not told.", f"You have not told me your {said}."]
            return [text, f"They ask for their {said}. I look back: {value}.", f"Your {said} is {value}."]
        if value is None:
            return [text, f"对方问自己的{said}。往前看：没有说过。", f"你没有告诉过我你的{said}。"]
        return [text, f"对方问自己的{said}。往前看：{value}。", f"你的{said}是{value}。"]

    def yesno(self, kind, lang, facts):
        value = facts.get(kind)
        right = value is not None and self.r.random() < 0.5
        asked = value if right else self.value(kind, lang)
        right = asked == value
        said = KINDS[kind][lang]["said"]
        noun = {"en": "dog's name", "zh": "狗的名字"}[lang] if kind == "dog" else self.noun(kind, lang)
        if lang == "en":
            text = self.pick(["Is my {n} {v}?", "My {n} is {v}, right?", "Did I say that my {n} is {v}?", "Is {v} my {n}?"])
            text = self.typed(text.replace("{n}", noun)).replace("{v}", asked)
            if value is None:
                return [text, f"They ask whether their {said} is {asked}. I look back: it was not told.", f"You have not told me your {said}."]
            if right:
                return [text, f"They ask whether their {said} is {asked}. I look back: {value}. The same.", f"Yes, your {said} is {value}."]
            return [text, f"They ask whether their {said} is {asked}. I look back: {value}. Not the same.", f"No, your {said} is {value}."]
        text = self.pick(["我的{n}是{v}吗？", "我的{n}是{v}，对吗？", "我说过我的{n}是{v}吗？", "{v}是我的{n}吗？"])
        text = self.typed(text.replace("{n}", noun)).replace("{v}", asked)
        if value is None:
            return [text, f"对方问{said}是不是{asked}。往前看：没有说过。", f"你没有告诉过我你的{said}。"]
        if right:
            return [text, f"对方问{said}是不是{asked}。往前看：{value}。一样。", f"是的，你的{said}是{value}。"]
        return [text, f"对方问{said}是不是{asked}。往前看：{value}。不一样。", f"不是，你的{said}是{value}。"]

    def arithmetic(self, lang):
        r = self.r
        op = self.pick("++--x")
        if op == "x":
            a, b = r.randint(0, 12), r.randint(0, 12)
        else:
            a, b = (r.randint(0, 10 ** self.pick([1, 2, 3, 3]) - 1) for _ in "ab")
        while (zlib.crc32(f"{a}{op}{b}".encode()) % 5 == 0) != self.evaluate and op != "x":
            a, b = (r.randint(0, 10 ** self.pick([1, 2, 3, 3]) - 1) for _ in "ab")
        steps, result = work(op, a, b)
        sign = {"+": "+", "-": "-", "x": self.pick(["x", "*", "×"])}[op]
        word = {"en": {"+": "plus", "-": "minus", "x": "times"}, "zh": {"+": "加", "-": "减", "x": "乘"}}[lang][op]
        if lang == "en":
            text = self.pick([f"What is {a} {sign} {b}?", f"{a} {sign} {b}", f"{a}{sign}{b}=?", f"Calculate {a} {sign} {b}.", f"What is {a} {word} {b}?",
                              f"How much is {a} {word} {b}?", f"Compute {a}{sign}{b}", f"{a} {sign} {b} = ?", f"Please work out {a} {sign} {b}.", f"Can you tell me what {a} {word} {b} is?"])
        else:
            text = self.pick([f"{a}{sign}{b}等于多少？", f"{a}{word}{b}是多少？", f"计算{a}{sign}{b}。", f"请算一下{a} {sign} {b}", f"{a} {sign} {b} = ?", f"{a}{word}{b}等于几？", f"帮我算{a}{word}{b}。", f"{a} {word} {b} 等于多少？", f"{a} {sign} {b} 等于多少？"])
        said = {"+": "+", "-": "-", "x": "×"}[op]
        return [text, steps, f"{a} {said} {b} = {result}"]

    def fill(self, text, lang):
        return re.sub(r"\{([xyzptd])\}", lambda m: str(self.r.randint(2, 99)) if m[1] == "d" else self.pick(FILL[lang][m[1]]), text)

    def talk(self, lang):
        if self.r.random() < 0.3:
            text, answer = self.pick(GREET[lang])
            return [self.typed(text), {"en": "They greet me.", "zh": "对方在打招呼。"}[lang], answer]
        texts, reasoning, answer = self.pick(TALK[lang])
        return [self.typed(self.pick(texts)), reasoning, answer]

    def passing(self, lang):
        text = self.typed(self.fill(self.pick(PASSING[lang]), lang))
        return [text, {"en": "They tell me something in passing.", "zh": "对方随便说说。"}[lang], self.pick({"en": ["I see.", "Thank you for telling me."], "zh": ["明白了。", "谢谢你告诉我。"]}[lang])]

    def outside(self, lang):
        text = self.typed(self.fill(self.pick(OUTSIDE[lang]), lang))
        return [text, {"en": "This is outside what I can do. I say so.", "zh": "这超出我的能力，我如实说。"}[lang],
                {"en": "I am a small demonstration model, so I can not answer that.", "zh": "我是一个小型演示模型，回答不了这个。"}[lang]]

    def instruct(self, lang):
        r = self.r
        kind = self.pick(["repeat", "count", "translate"])
        if kind == "repeat":
            words = " ".join(self.pick([self.syllables().lower(), self.pick(WORDS)[0]]) for _ in range(r.randint(1, 4))) if lang == "en" else "".join(self.pick(WORDS)[1] for _ in range(r.randint(1, 3)))
            text = self.pick({"en": ["Repeat: {w}", "Say {w}", "Repeat after me: {w}", "Please say: {w}", 'Say "{w}".', 'Repeat "{w}".'], "zh": ["重复：{w}", "跟我说：{w}", "请说：{w}"]}[lang]).replace("{w}", words)
            return [text, {"en": f"I shall repeat: {words}.", "zh": f"我要重复：{words}。"}[lang], words]
        if kind == "count":
            a = r.randint(1, 20)
            b = a + r.randint(1, 11)
            text = self.pick({"en": ["Count from {a} to {b}.", "Please count from {a} to {b}"], "zh": ["从{a}数到{b}。", "请从{a}数到{b}"]}[lang]).replace("{a}", str(a)).replace("{b}", str(b))
            return [self.typed(text, 0.05), {"en": f"I count from {a} to {b}.", "zh": f"我从{a}数到{b}。"}[lang], ", ".join(map(str, range(a, b + 1)))]
        en, zh = self.pick(WORDS)
        word, other = (en, zh) if lang == "en" else (zh, en)
        text = self.typed(self.pick(TRANSLATE[lang]).replace("{w}", "{v}")).replace("{v}", word)
        return [text, {"en": f"The word is {word}. In Chinese: {other}.", "zh": f"词是{word}，英语：{other}。"}[lang], other]

    def distractor(self, lang):
        p = self.r.random()
        if p < 0.30: return self.passing(lang)
        if p < 0.52: return self.arithmetic(lang)
        if p < 0.72: return self.talk(lang)
        if p < 0.90: return self.instruct(lang)
        return self.outside(lang)

    def opening(self, lang):
        p = self.r.random()
        if p < 0.45: return self.talk(lang)
        if p < 0.60: return self.outside(lang)
        if p < 0.75: return self.arithmetic(lang)
        if p < 0.90: return self.instruct(lang)
        return self.ask(self.pick(list(KINDS)), lang, {})

    def lang(self):
        return "en" if self.r.random() < 0.58 else "zh"

    # conversations
    def conversation(self, most):
        """One for training, of up to `most` turns."""
        r = self.r
        lang = self.lang()
        p = r.random()
        if p < 0.1:
            # Whoever tries a model greets it first, and tells it nothing.
            rows = [self.opening(lang) for _ in range(self.pick([1, 1, 1, 2, 3]))]
            return {"system": self.pick(SYSTEM) if r.random() < 0.12 else "", "turns": rows}
        turns = r.randint(0, 6) if p < 0.35 else r.randint(3, 24) if p < 0.6 else r.randint(16, most)
        kinds = r.sample(list(KINDS), self.pick([0, 1, 1, 2, 3, 4, 4]))
        facts = {}
        rows = []
        together = r.random() < 0.15 and len(kinds) > 1
        for kind in kinds:
            facts[kind] = self.value(kind, lang)
        told = [self.tell(kind, lang, facts[kind]) for kind in kinds]
        if together:
            told = [[" ".join(t[0] for t in told) if lang == "en" else "".join(t[0] for t in told), told[0][1], told[0][2]]]
            told[0][1] = ("They tell me about themselves. I keep it." if lang == "en" else "对方介绍自己。我记住。")
        other = lambda: self.lang() if r.random() < 0.08 else lang
        rest = [self.distractor(other()) for _ in range(turns)]
        if r.random() < 0.6:
            rows = told + rest
        else:
            rows = rest
            for turn in told:
                rows.insert(r.randint(0, len(rows)), turn)
        # Questions at the end; the last is answered with its reasoning. More than one makes more of a long conversation.
        asked = 0
        if kinds and (turns > 10 or r.random() < 0.5):
            asked = r.randint(1, 5)
        for _ in range(asked):
            kind = self.pick(kinds) if r.random() < 0.8 else self.pick(list(KINDS))
            rows.append(self.ask(kind, other(), facts) if r.random() < 0.8 else self.yesno(kind, lang, facts))
        p = r.random()
        if asked == 0 and p < 0.5 or not kinds and p < 0.8:
            last = self.arithmetic(lang) if p < 0.15 else self.distractor(lang) if p < 0.35 or not kinds else told[-1]
            if last is told[-1] if told else False:
                rows = [row for row in rows if row is not last]
            if not kinds and 0.35 <= p < 0.6: last = self.ask(self.pick(list(KINDS)), lang, facts)
            rows.append(last)
        elif asked == 0:
            kind = self.pick(kinds) if kinds and r.random() < 0.7 else self.pick(list(KINDS))
            rows.append(self.ask(kind, lang, facts) if r.random() < 0.8 else self.yesno(kind, lang, facts))
        return {"system": self.pick(SYSTEM) if r.random() < 0.12 else "", "turns": rows}

    def case(self, row, turns):
        """One for the evaluation: `turns` distracting turns between the telling and the question."""
        lang = self.lang()
        kinds = self.r.sample(list(KINDS), 4 if row in ("recall4", "wording", "noise") else 1)
        facts = {kind: self.value(kind, lang) for kind in kinds}
        rows = [self.tell(kind, lang, facts[kind], 0) for kind in kinds]
        # What lies between is as trained; its values are held back as well.
        rows += [self.distractor(lang) for _ in range(turns)]
        kind = self.pick(kinds)
        expect = facts[kind]
        if row == "untold":
            kind = self.pick([k for k in KINDS if k not in facts])
            expect = None
        if row in ("recall", "recall4", "untold"):
            rows.append(self.ask(kind, lang, facts, chance=0))
        elif row == "wording":
            rows.append(self.ask(kind, lang, facts, HELD_ASK, 0))
        elif row == "noise":
            rows.append(self.ask(kind, lang, facts, chance=1))
        elif row == "yesno":
            rows.append(self.yesno(kind, lang, facts))
        else:
            rows.append({"arithmetic": self.arithmetic, "talk": self.talk, "outside": self.outside}[row](lang))
            expect = rows[-1][2].split(" = ")[-1] if row == "arithmetic" else rows[-1][2]
        return {"row": row, "lang": lang, "kind": kind, "expect": expect if expect is not None and row != "yesno" else rows[-1][2], "turns": rows}


def work(op, a, b):
    """Column by column, the ones first. @returns the steps and the result"""
    if op == "x":
        if min(a, b) > 10:
            low = a * (b - 10)
            return f"{a} × {b}: {a} × 10 = {a * 10}, {a} × {b - 10} = {low}, {a * 10} + {low} = {a * b}.", a * b
        return f"{a} × {b} = {a * b}.", a * b
    if op == "-" and a < b:
        steps, result = work("-", b, a)
        return f"{a} - {b}: {a} is less than {b}, so minus. {steps}", -result
    width = max(len(str(a)), len(str(b)))
    x, y = str(a).zfill(width), str(b).zfill(width)
    steps, digits, carry = [], [], 0
    for i in range(width - 1, -1, -1):
        p, q = int(x[i]), int(y[i])
        if op == "+":
            total = p + q + carry
            steps.append(f"{p} + {q} + {carry} = {total}")
            digits.append(total % 10)
            carry = total // 10
        else:
            total = p - q - carry
            borrow = 1 if total < 0 else 0
            steps.append(f"{p} - {q} - {carry} = {total}" + (f", {total} + 10 = {total + 10}" if borrow else ""))
            digits.append(total + 10 * borrow)
            carry = borrow
    if op == "+" and carry:
        digits.append(carry)
    written = "".join(map(str, reversed(digits)))
    result = a + b if op == "+" else a - b
    return f"{' '.join(x)} {op} {' '.join(y)}: {'; '.join(steps)}. So {' '.join(written)}, {result}.", result


BEGIN, END, USER, ASSISTANT = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"


def render(conversation, prompt=False):
    """As the runtime renders a prompt: earlier turns without their reasoning, then `<think>` and a newline."""
    *earlier, (user, reasoning, answer) = conversation["turns"]
    text = BEGIN + conversation.get("system", "")
    for u, _, a in earlier:
        text += USER + u + ASSISTANT + a + END
    text += USER + user + ASSISTANT + "<think>\n"
    return text if prompt else text + reasoning + "\n</think>\n\n" + answer + END


if __name__ == "__main__":
    row, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    turns = int(sys.argv[4]) if len(sys.argv) > 4 else 8
    writer = Writer(f"held {row} {turns} {seed}", evaluate=True)
    for _ in range(count):
        print(json.dumps(writer.case(row, turns), ensure_ascii=False))
