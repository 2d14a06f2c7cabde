"""What data.py and wording.py promise, with the standard library alone: `python3 -m unittest` in this folder."""
import json
import subprocess
import sys
import unittest
import zlib
from pathlib import Path

import data
import wording

CASES = 60


def cases(row, seed=1, count=CASES, turns=4):
    writer = data.Writer(f"test {row} {seed}", evaluate=True)
    return [writer.case(row, turns) for _ in range(count)]


def trained(count=1500):
    writer = data.Writer("test training")
    return [writer.conversation(24) for _ in range(count)]


class Arithmetic(unittest.TestCase):
    def test_steps_lead_to_the_right_result(self):
        for op, apply in {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "x": lambda a, b: a * b}.items():
            most = 12 if op == "x" else 999
            for a in range(0, most + 1, 1 if op == "x" else 37):
                for b in range(0, most + 1, 1 if op == "x" else 41):
                    steps, result = data.work(op, a, b)
                    self.assertEqual(result, apply(a, b), f"{a} {op} {b}")
                    self.assertIn(str(abs(result)), steps)

    def test_pairs_that_are_asked_were_never_trained(self):
        def pairs(evaluate):
            writer = data.Writer("pairs", evaluate)
            answers = [writer.arithmetic("en")[2] for _ in range(2000)]
            return {answer.split(" = ")[0] for answer in answers if "×" not in answer}
        self.assertEqual(pairs(True) & pairs(False), set())
        self.assertGreater(len(pairs(True)), 500)


class Values(unittest.TestCase):
    def test_what_is_made_up_is_on_one_side_alone(self):
        for kind in wording.KINDS:
            for lang in ("en", "zh"):
                sides = []
                for evaluate in (False, True):
                    writer = data.Writer(f"values {kind}", evaluate)
                    sides.append({writer.value(kind, lang) for _ in range(400)} - data.COMMON)
                self.assertEqual(sides[0] & sides[1], set(), (kind, lang))
                for value in sides[1]:
                    self.assertEqual(zlib.crc32(value.encode()) % 5, 0)

    def test_facts_of_cases_are_values_never_told_in_training(self):
        told = " ".join(turn[0] for one in trained() for turn in one["turns"])
        made = {c["expect"] for c in cases("recall", count=300) if c["kind"] in ("code",) and len(c["expect"]) > 3}
        self.assertGreater(len(made), 20)
        self.assertEqual([value for value in made if value in told.split()], [])


class Wordings(unittest.TestCase):
    def test_held_wordings_are_none_of_those_trained(self):
        for lang in ("en", "zh"):
            for kind, texts in wording.HELD_ASK[lang].items():
                self.assertEqual(set(texts) & set(wording.ASK[lang][kind]), set(), (lang, kind))

    def test_every_kind_has_its_texts_in_both_languages(self):
        for lang in ("en", "zh"):
            for texts in (wording.TELL, wording.ASK, wording.HELD_ASK):
                self.assertEqual(set(texts[lang]), {"any", *wording.KINDS})
            for kind in wording.KINDS:
                for text in wording.TELL[lang][kind] + wording.TELL[lang]["any"]:
                    self.assertIn("{v}", text)


class Cases(unittest.TestCase):
    def test_the_fact_was_told_and_is_the_answer(self):
        for row in ("recall", "recall4", "wording", "noise"):
            for case in cases(row):
                *earlier, (_, reasoning, answer) = case["turns"]
                self.assertTrue(any(case["expect"] in turn[0] for turn in earlier), case)
                self.assertIn(case["expect"], reasoning)
                self.assertIn(case["expect"], answer)

    def test_what_was_not_told_is_not_there(self):
        for case in cases("untold"):
            self.assertRegex(case["turns"][-1][2], "You have not told me|你没有告诉过我")

    def test_the_same_seed_gives_the_same_and_another_gives_others(self):
        for row in data.ROWS:
            self.assertEqual(cases(row), cases(row))
            self.assertNotEqual(cases(row), cases(row, seed=2))

    def test_as_many_turns_lie_between_as_are_asked_for(self):
        for turns in (0, 8, 48):
            for case in cases("recall", count=5, turns=turns):
                self.assertEqual(len(case["turns"]), turns + 2)

    def test_the_program_writes_a_case_a_line(self):
        script = Path(data.__file__)
        out = subprocess.run([sys.executable, "-B", str(script), "recall4", "3", "5", "2"], capture_output=True, check=True, cwd=script.parent)
        lines = [json.loads(line) for line in out.stdout.decode().splitlines()]
        self.assertEqual([len(line["turns"]) for line in lines], [7] * 5)


class Rendering(unittest.TestCase):
    CONVERSATION = {"system": "S", "turns": [["u1", "r1", "a1"], ["u2", "r2", "a2"]]}

    def test_earlier_reasoning_is_left_out_and_the_last_is_opened(self):
        prompt = f"{data.BEGIN}S{data.USER}u1{data.ASSISTANT}a1{data.END}{data.USER}u2{data.ASSISTANT}<think>\n"
        self.assertEqual(data.render(self.CONVERSATION, prompt=True), prompt)
        self.assertEqual(data.render(self.CONVERSATION), prompt + f"r2\n</think>\n\na2{data.END}")

    def test_training_has_a_question_and_an_answer_everywhere(self):
        for one in trained(300):
            self.assertGreater(len(one["turns"]), 0)
            for user, _, answer in one["turns"]:
                self.assertTrue(user.strip(), one)
                self.assertTrue(answer.strip(), one)


if __name__ == "__main__":
    unittest.main()
