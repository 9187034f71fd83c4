#!/usr/bin/env python3
"""Compares the gate with a model of it that was written from the reference alone and shares no code with it.

    model_test.py JUDGE        JUDGE is tests/gait/judge.cc, built

First the model is held against gait's recorded answers, so that it may be believed; then the gate against the model, over
the cross product of the recorded policies and intents and over seeded mutations of both. COUNTERSIGN_MODEL_PAIRS and
COUNTERSIGN_MODEL_MUTATIONS say how many (0 pairs: all), COUNTERSIGN_MODEL_SEED which.
"""
import copy
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import intent as intents  # noqa: E402
import jcs  # noqa: E402
import policy as policies  # noqa: E402
import recorded  # noqa: E402
import rules  # noqa: E402
from intent import Refused  # noqa: E402

VECTORS = HERE.parents[1] / "vectors"
NOW = "2026-06-15T12:00:00Z"
# Flags that leave the decision to policy and intent.
PLAIN = {"--policy", "--intent", "--key-mode", "--private-key", "--approval-public-key", "--trace-out", "--json",
         "--evaluation-time"}
APPROVAL_CODES = ("approval_",)
OF_THE_CALL = ("invalid --", "relative trace path")
RANDOM_DIGEST = "trimmed_key_collision"
MOST_SHOWN = 10


LONE = re.compile("[\ud800-\udfff]")


def setting(name, otherwise):
    return int(os.environ.get(name, otherwise))


def flags_of(argv):
    return {argv[i]: argv[i + 1] if i + 1 < len(argv) else "" for i, word in enumerate(argv) if word.startswith("--")}


def strict_json(text):
    def unique(pairs):
        if len({k.lower() for k, _ in pairs}) < len(pairs):
            raise Refused
        return dict(pairs)
    def number(text):
        if float(text) in (float("inf"), float("-inf")):
            raise Refused
        return float(text)
    try:
        document = json.loads(text, object_pairs_hook=unique, parse_constant=lambda _: 1 / 0, parse_float=number)
        return json.loads(LONE.sub("\ufffd", json.dumps(document, ensure_ascii=False)))
    except (ValueError, ZeroDivisionError, RecursionError) as fault:
        raise Refused from fault


def rounded(value):
    """Whether readers make another number of it."""
    return isinstance(value, int) and not isinstance(value, bool) and jcs.number(value) != str(value)


def everything(value):
    yield value
    if isinstance(value, (dict, list)):
        for member in value.values() if isinstance(value, dict) else value:
            yield from everything(member)


def decided(strict, policy, document, now):
    """What the model says of a policy's and an intent's documents; None where it refuses the intent."""
    if strict and any(rounded(v) for v in everything(document)):
        return None
    try:
        intent = intents.normalised(copy.deepcopy(document), strict)
    except Refused:
        return None
    said = rules.Engine(strict, now).decide(policy, intent)
    return {"intent_digest": intents.intent_digest(intent), "verdict": said["verdict"], "reasons": sorted(said["reasons"]),
            "violations": sorted(said["violations"]), "rule": rules.names(said["rules"]),
            "approvals": said["approvals"], "distinct": said["distinct"], "broker": said["broker"],
            "rate_limit": said["rate_limit"], "destructive_budget": said["destructive_budget"]}


def policy_of(document):
    """(checked policy, digest); None where the model refuses it."""
    try:
        policy = policies.checked(copy.deepcopy(document))
    except Refused:
        return None
    return policy, policies.policy_digest(policy)


class Recordings:
    def __init__(self):
        self.cases, _ = recorded.from_pack(VECTORS / "gait_commands.json")
        with open(VECTORS / "gait_policies.json", encoding="utf-8") as file:
            self.parsed = json.load(file)["policies"]
        self.policies, self.intents = {}, {}
        for case in self.cases:
            for data in case["files"].values():
                text = data.decode("utf-8", "replace")
                name = hashlib.sha256(data).hexdigest()
                if name in self.parsed:
                    self.policies[text] = self.parsed[name]
                elif '"tool_name"' in text and '"context"' in text and '"trace_id"' not in text:
                    try:
                        document = strict_json(text)
                    except Refused:
                        continue
                    if isinstance(document, dict) and "args" in document:
                        self.intents[text] = document

    def plain_steps(self):
        """(case, step, policy document, intent text) of evaluations that hang on nothing else."""
        with open(HERE.parent / "recordings.json", encoding="utf-8") as file:
            untold = {(row["case"], row["step"]) for row in json.load(file)["untold"]}
        for case in self.cases:
            for place, step in enumerate(case["steps"], 1):
                flags = flags_of(step["argv"])
                if step["argv"][1:3] != ["gate", "eval"] or not set(flags) <= PLAIN or (case["name"], place) in untold:
                    continue
                files = case["files"]
                policy, intent = files.get(flags.get("--policy")), files.get(flags.get("--intent"))
                if policy is None or intent is None or RANDOM_DIGEST in case["name"]:
                    continue
                document = self.parsed.get(hashlib.sha256(policy).hexdigest())
                if document is not None:
                    yield case["name"], step, document, intent, flags.get("--evaluation-time", NOW)


def believed(recordings):
    """Differences between the model without our differences and gait's recorded answers."""
    found, compared = [], 0
    for name, step, policy_document, text, now in recordings.plain_steps():
        answer = step["json"] or {}
        policy = policy_of(policy_document)
        try:
            document = strict_json(text.decode("utf-8"))
        except (Refused, UnicodeDecodeError):
            continue
        said = policy and decided(False, policy[0], document, now)
        compared += 1
        if not said:
            if step["exit"] not in (1, 6):
                found.append((name, "refused", answer.get("verdict")))
            continue
        if answer.get("error", "~").startswith(OF_THE_CALL) or not answer:
            continue
        if "verdict" not in answer:
            found.append((name, said["verdict"], answer.get("error")))
            continue
        reasons = sorted(r for r in answer.get("reason_codes", []) if not r.startswith(APPROVAL_CODES))
        violations = sorted(v for v in answer.get("violations", []) if v != "approval_not_granted")
        theirs = {"intent_digest": answer["intent_digest"], "verdict": answer["verdict"], "reasons": reasons,
                  "violations": violations, "rule": answer.get("matched_rule", ""),
                  "approvals": answer.get("required_approvals", 0), "policy_digest": answer["policy_digest"]}
        ours = {**said, "policy_digest": policy[1]}
        if said["broker"] and said["verdict"] == "allow":  # and none was named
            ours.update(verdict="block", reasons=sorted([*said["reasons"], "broker_credential_required"]),
                        violations=["broker_credential_missing"])
        for member, value in theirs.items():
            if ours[member] != value:
                found.append((name, member, ours[member], value))
    return found, compared


class Judge:
    def __init__(self, program):
        self.program = program

    def answers(self, requests):
        lines = "\n".join(json.dumps(request) for request in requests) + "\n"
        done = subprocess.run([self.program], input=lines, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{self.program} ended with {done.returncode}: {done.stderr[-2000:]}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def compared(judge, groups):
    """Differences between the gate and the model over [(policy text, policy document, [(intent text, document)])]."""
    requests = [{"policy": text, "intents": [t for t, _ in some], "now": NOW} for text, _, some in groups]
    found = []
    for (text, document, some), answer in zip(groups, judge.answers(requests)):
        policy = policy_of(document)
        if policy is None or "refused" in answer:
            if (policy is None) != ("refused" in answer):
                found.append((text, "", "policy", answer.get("refused"), "accepted" if policy else "refused"))
            continue
        if answer["policy_digest"] != policy[1]:
            found.append((text, "", "policy_digest", answer["policy_digest"], policy[1]))
        for (intent_text, intent_document), said in zip(some, answer["results"]):
            model = decided(True, policy[0], intent_document, NOW)
            if model is None or "refused" in said:
                if (model is None) != ("refused" in said):
                    found.append((text, intent_text, "intent", said, model))
                continue
            for member, value in model.items():
                script_block = member in ("approvals", "distinct") and model["verdict"] != "require_approval"
                # Of several limits the tightest counts; the reference does not say which of those with as few requests.
                same = said.get(member) in (value or [None]) if member in rules.LIMITS else said.get(member) == value
                if not same and not script_block:
                    found.append((text, intent_text, member, said.get(member), value))
    return found


class Mutator:
    """Drops, retypes and revalues members; new values are mostly ones that stand under the same name elsewhere."""

    ODD = [None, "", " ", 0, 1, -1, 2.5, True, False, [], {}, ["x"], "block", "allow", "high", "fs.delete", "*", "/**",
           "../..", "UPPER", "\u0130", 10**17, "unknown", "required", [None], [" a ", "A"], {"x": 1}]

    def __init__(self, seed, documents):
        self.random = random.Random(seed)
        self.pool = {}
        for document in documents:
            self._gather(document)

    def _gather(self, value):
        if isinstance(value, dict):
            for name, member in value.items():
                self.pool.setdefault(name, []).append(member)
                self._gather(member)
        elif isinstance(value, list):
            for element in value:
                self._gather(element)

    def mutated(self, document):
        document = copy.deepcopy(document)
        for _ in range(self.random.choice((1, 1, 2, 3))):
            places = list(self._places(document))
            if not places:
                break
            owner, name = self.random.choice(places)
            kind = self.random.random()
            if kind < 0.2:
                del owner[name]
            elif kind < 0.3 and isinstance(owner, list):
                owner.append(copy.deepcopy(owner[name]))
            elif kind < 0.3:
                key = self.random.choice(sorted(self.pool))
                if not any(key.lower() == str(given).lower() for given in owner):
                    owner[key] = copy.deepcopy(self.random.choice(self.pool[key]))
            elif kind < 0.75 and name in self.pool:
                owner[name] = copy.deepcopy(self.random.choice(self.pool[name]))
            elif isinstance(owner[name], str) and kind < 0.9:
                text = owner[name]
                owner[name] = self.random.choice((text.upper(), text + " ", "/" + text, text[:-1], text * 2))
            else:
                owner[name] = copy.deepcopy(self.random.choice(self.ODD))
        return document

    def _places(self, value):
        if isinstance(value, (dict, list)):
            for name in list(value) if isinstance(value, dict) else range(len(value)):
                yield value, name
                yield from self._places(value[name])


def main():
    judge = Judge(sys.argv[1])
    seed = setting("COUNTERSIGN_MODEL_SEED", 1)
    recordings = Recordings()
    wrong, steps = believed(recordings)
    chance = random.Random(seed)
    policies_, intents_ = sorted(recordings.policies.items()), sorted(recordings.intents.items())

    limit = setting("COUNTERSIGN_MODEL_PAIRS", 3000)
    each = len(intents_) if limit == 0 else max(1, limit // len(policies_))
    product = [(text, document, chance.sample(intents_, min(each, len(intents_)))) for text, document in policies_]
    found = compared(judge, product)

    rounds = setting("COUNTERSIGN_MODEL_MUTATIONS", 1500)
    mutator = Mutator(seed, [d for _, d in policies_] + [d for _, d in intents_])
    groups = []
    for _ in range(rounds // 3):
        text, document = chance.choice(policies_)
        if chance.random() < 0.6:
            document = mutator.mutated(document)
            text = json.dumps(document, ensure_ascii=False)
        some = [mutator.mutated(d) for _, d in chance.choices(intents_, k=3)]
        groups.append((text, document, [(json.dumps(d, ensure_ascii=False), d) for d in some]))
    found += compared(judge, groups)

    pairs = sum(len(some) for _, _, some in product)
    print(f"model: {steps} recorded evaluations of gait, {len(wrong)} answered otherwise")
    for row in wrong[:MOST_SHOWN]:
        print("  ", *row)
    print(f"gate: {pairs} pairs and {rounds} mutations (seed {seed}), {len(found)} answered otherwise than by the model")
    for policy, intent, member, ours, model in found[:MOST_SHOWN]:
        print(f"--- {member}\n  gate  {ours}\n  model {model}\n  policy {policy}\n  intent {intent}")
    return 1 if wrong or found or not steps or not pairs else 0


if __name__ == "__main__":
    sys.exit(main())
