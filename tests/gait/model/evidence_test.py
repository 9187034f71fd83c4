#!/usr/bin/env python3
"""Compares what the gate makes of approvals, rate limits and the kill switch with models that were written from the reference alone.

    evidence_test.py JUDGE        JUDGE is tests/gait/judge.cc, built

First the models are held against gait's recorded answers, so that they may be believed; then the gate against the models, over the
recorded evidence and over seeded mutations of it. Tokens are signed anew after they are changed, and some are changed after that.
COUNTERSIGN_EVIDENCE_ROUNDS says how many of each kind, COUNTERSIGN_MODEL_SEED which.
"""
import base64
import copy
import json
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import approvals  # noqa: E402
import intent as intents  # noqa: E402
import limits  # noqa: E402
import model_test as base  # noqa: E402
import policy as policies  # noqa: E402
import rules  # noqa: E402
import stops  # noqa: E402
from intent import Refused  # noqa: E402
from jcs import time, time_text  # noqa: E402

NOW = "2026-12-01T12:00:00Z"  # of approvals: after every recording
MOMENT = time(NOW)
# Flags that decide about more than approvals, limits and stops.
OTHER = {"--context-envelope", "--approved-script-registry", "--delegation-token"}


def key_of(files, path, half):
    raw = base64.b64decode(files[pathlib.Path(path).name])
    return raw[32:] if half == "public half" else raw


def read(data):
    """A file's document; Refused where it is none."""
    try:
        return base.strict_json(data.decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise Refused from fault


class Recorded:
    """Recorded evaluations with evidence: what was asked, and what gait answered."""

    def __init__(self):
        self.all = base.Recordings()
        _, self.keys = base.recorded.from_pack(base.VECTORS / "gait_commands.json")

    def steps(self, *wanted):
        for case in self.all.cases:
            for step in case["steps"]:
                flags = base.flags_of(step["argv"])
                if step["argv"][1:3] != ["gate", "eval"] or not set(wanted) & set(flags) or set(flags) & OTHER or not step["json"]:
                    continue
                files = case["files"]
                policy = self.all.parsed.get(base.hashlib.sha256(files[flags["--policy"]]).hexdigest())
                if policy is None or "error" in step["json"]:
                    continue
                yield case, flags, step["json"], asked(base.policy_of(policy), read(files[flags["--intent"]]),
                                                       flags.get("--evaluation-time", NOW), False)


def asked(policy, document, now, strict):
    """The question that evidence is weighed for; None where policy or intent are refused."""
    if policy is None or strict and any(base.rounded(v) for v in base.everything(document)):
        return None
    try:
        intent = intents.normalised(copy.deepcopy(document), strict)
    except Refused:
        return None
    return {"intent": intent, "intent_digest": intents.intent_digest(intent), "policy_digest": policy[1],
            "decision": rules.Engine(strict, now).decide(policy[0], intent)}


def believed_approvals(recorded):
    found, count = [], 0
    for case, flags, answer, about in recorded.steps("--approval-token", "--approval-token-chain"):
        paths = {p.strip() for p in [flags.get("--approval-token", ""), *flags.get("--approval-token-chain", "").split(",")]} - {""}
        public = (key_of(recorded.keys, flags["--approval-public-key"], "all") if "--approval-public-key" in flags else
                  key_of(recorded.keys, flags["--private-key"], "public half"))
        if about["decision"]["verdict"] != "require_approval":
            continue
        said = approvals.added_up([read(case["files"][p]) for p in sorted(paths)], public, about, about["decision"]["approvals"],
                                  about["decision"]["distinct"], MOMENT, False)
        codes = sorted(c for c in answer.get("reason_codes", []) if c.startswith("approval_"))
        theirs = {"valid": answer.get("valid_approvals", 0), "reasons": codes, "approved": "approval_granted" in codes,
                  "ref": sorted(set(answer.get("approval_ref", "").split(",")))}
        ours = {**said, "ref": sorted(set(said["ref"].split(",")))}
        found += [(case["name"], m, ours[m], v) for m, v in theirs.items() if ours[m] != v]
        count += 1
    return found, count


def believed_limits(recorded):
    """The recorded sequences are shorter than their bucket; the state file is as the last step left it."""
    found, count, states = [], 0, {}
    for case, _, answer, about in recorded.steps("--rate-limit-state"):
        document = read(case["files"]["state.json"])
        now = time(document["counters"][0]["key"].split("|")[2])
        counters = states.setdefault(case["name"], (limits.Counters(), document, now))[0]
        for name, budget in (("rate_limit", False), ("destructive_budget", True)):
            rule = (about["decision"][name] or [None])[0]
            destructive = any(t["destructive"] for t in about["intent"]["targets"])
            if rule is None or budget and not destructive:
                continue
            use = counters.spend(rule, about["intent"]["tool_name"], about["intent"]["context"]["identity"], now, budget)
            theirs = {m: answer.get(f"{name}_{m}", 0) for m in ("key", "scope", "used", "remaining")}
            theirs["exceeded"] = f"{name}_exceeded" in answer["reason_codes"]
            found += [(case["name"], name, m, use[m], v) for m, v in theirs.items() if use[m] != v]
            count += 1
    for name, (counters, document, now) in states.items():
        rows = [[row["key"], row["count"]] for row in document["counters"]]
        found += [] if rows == counters.rows(now) else [(name, "state", rows, counters.rows(now))]
    return found, count


def believed_stops(recorded):
    found, count = [], 0
    for case, flags, answer, about in recorded.steps("--kill-switch-state"):
        given = answer.get("kill_switch", {})
        count += 1
        try:
            listed = stops.entries(read(case["files"][flags["--kill-switch-state"]]))
        except Refused:
            found += [] if given.get("status") == "unavailable" else [(case["name"], "refused", given)]
            continue
        ids, codes = stops.found(listed, about["intent"], time(flags["--evaluation-time"]))
        if (given.get("matched_entry_ids", []), given.get("reason_codes", [])) != (ids, codes):
            found.append((case["name"], given, ids, codes))
    return found, count


class Approvals:
    """Tokens for recorded questions, minted by the model with a test-only key and changed."""

    def __init__(self, recorded, chance):
        self.chance, self.recorded = chance, recorded
        self.private = key_of(recorded.keys, "approval_private.key", "all")
        self.stranger = key_of(recorded.keys, "rogue_private.key", "all")
        self.questions = [q for q in self._questions() if q]
        self.presented = [read(data) for case in recorded.all.cases for path, data in case["files"].items()
                          if path.endswith(".json") and b"gait.gate.approval_token" in data]
        self.mutator = base.Mutator(chance.random(), self.presented)

    def _questions(self):
        """(policy text, policy, intent text, what is asked) where approvals decide, with more of them needed than is usual."""
        pairs = [(p, i) for p in sorted(self.recorded.all.policies.items()) for i in sorted(self.recorded.all.intents.items())]
        for (_, document), (_, intent) in self.chance.sample(pairs, 600):
            document, intent = copy.deepcopy(document), copy.deepcopy(intent)
            for rule in document.get("rules") or []:
                if self.chance.random() < 0.5:
                    rule.update(min_approvals=self.chance.choice((0, 1, 2, 2, 3)), require_distinct_approvers=self.chance.random() < 0.5)
            about = asked(base.policy_of(document), intent, NOW, True)
            if about and about["decision"]["verdict"] == "require_approval":
                yield json.dumps(document, ensure_ascii=False), json.dumps(intent, ensure_ascii=False), about

    def token(self, about):
        pick = self.chance.choice
        fields = {"approver_identity": pick(("alice@x", "Alice@X", " alice@x ", "bob@x", "\u00e9ve@x", "e\u0301ve@x", "\u0130da@x", "carol\u0001@x")),
                  "reason_code": pick(("CHG-1", " CHG-2 ")), "intent_digest": about["intent_digest"],
                  "policy_digest": about["policy_digest"], "scope": sorted(approvals.required_scopes(about["intent"]))}
        if about["intent"]["delegation"]:
            fields["delegation_binding_digest"] = approvals.digest(approvals.hashed(about["intent"]["delegation"]))
        odd = self.chance.random()
        if odd < 0.1:
            fields["scope"] = pick((fields["scope"][1:], ["*"], [*fields["scope"], "more"], [s.upper() for s in fields["scope"]], []))
        elif odd < 0.2:
            fields[pick(("intent_digest", "policy_digest", "delegation_binding_digest"))] = pick(("0" * 64, "", "x", about["policy_digest"].upper()))
        elif odd < 0.35:
            fields[pick(("max_targets", "max_ops"))] = pick((-1, 0, 1, 2, 3, 64))
        expires = (MOMENT[0] + pick((-1, 0, 0, 1, 3600, 3600, 3600, 3600, 3600, 3600)), pick((0, 0, 1)))
        fields["scope"] = fields["scope"] or ["nothing"]
        token = approvals.minted(pick([self.private] * 12 + [self.stranger]), fields, (MOMENT[0] - 60, 0), expires)
        kind = self.chance.random()
        if kind < 0.15:
            return approvals.sealed(self.mutator.mutated(token), self.private)
        if kind < 0.3:
            return self.mutator.mutated(token)
        if kind < 0.35:
            return {**token, "signature": {**token["signature"], **pick(({"key_id": ""}, {"alg": "ED25519"}, {"signed_digest": ""}, {"more": 1}))}}
        return token

    def asks(self):
        policy, intent, about = self.chance.choice(self.questions)
        tokens = [self.token(about) for _ in range(self.chance.choice((0, 1, 1, 2, 2, 3, 4)))]
        if tokens and self.chance.random() < 0.2:
            tokens.append(copy.deepcopy(self.chance.choice(tokens)))
        if self.chance.random() < 0.1:
            tokens.append(self.chance.choice(self.presented))
        self.chance.shuffle(tokens)
        decision = about["decision"]
        said = approvals.added_up(tokens, self.private[32:], about, decision["approvals"], decision["distinct"], MOMENT, True)
        said.update(verdict="allow" if said["approved"] else "require_approval", required=decision["approvals"],
                    entries=[list(row) for row in said["entries"]])
        question = {"asks": "approvals", "policy": policy, "intent": intent, "tokens": [json.dumps(t, ensure_ascii=False) for t in tokens],
                    "key": base64.b64encode(self.private[32:]).decode(), "now": NOW}
        return question, said

    @staticmethod
    def seen(answer):
        """What a test of nothing would not see: approvals that count."""
        return answer.get("approved") is True

    @staticmethod
    def normal(answer):
        return {**answer, "entries": sorted(answer["entries"])} if "entries" in answer else answer


class Limits:
    def __init__(self, recorded, chance):
        self.chance = chance
        self.states = [read(case["files"]["state.json"]) for case in recorded.all.cases
                       if b"rate_limit_state" in case["files"].get("state.json", b"")]
        self.mutator = base.Mutator(chance.random(), self.states)

    def asks(self):
        pick = self.chance.choice
        rows = [{"requests": pick((1, 2, 3)), "window": pick(("minute", "hour")), "scope": pick(("tool", "identity", "tool_identity")),
                 "budget": pick((False, False, True)), "tool": pick(("a", "b|c", "destructive_budget|a")), "identity": pick(("i", "c|i", ""))}
                for _ in range(3)]
        now, spends = MOMENT[0] + pick((0, 59, 3599, 86399)), []
        for _ in range(pick((1, 4, 12))):
            now += pick((0, 0, 0, 1, 30, 60, 3600, 90000, -61))
            spends.append({**pick(rows), "now": time_text((now, pick((0, 999999999))))})
        question = {"asks": "limits", "spends": spends, "now": time_text((now, 0))}
        document = None
        if self.chance.random() < 0.6:
            document = copy.deepcopy(pick(self.states))
            document["counters"] += [{"key": f"{r['window']}|{r['scope']}|{time_text((now - now % 3600, 0))}|{r['tool']}", "count": pick((0, 1, 5))}
                                     for r in rows[:pick((0, 1))]]
            if self.chance.random() < 0.6:
                document = self.mutator.mutated(document)
            question["state"] = json.dumps(document)
        try:
            counters = limits.Counters(document)
        except Refused:
            return question, None
        uses = [counters.spend(s, s["tool"], s["identity"], time(s["now"]), s["budget"]) for s in spends]
        return question, {"uses": uses, "rows": counters.rows((now, 0))}

    @staticmethod
    def seen(answer):
        return any(use["exceeded"] for use in answer.get("uses", []))

    @staticmethod
    def normal(answer):
        rows = [[row["key"], row["count"]] for row in answer["document"]["counters"]]
        return {"uses": answer["uses"], "rows": sorted(rows, key=lambda row: limits.by_bytes(row[0]))}


class Stops:
    def __init__(self, recorded, chance):
        self.chance = chance
        self.states = []
        for case in recorded.all.cases:
            for data in case["files"].values():
                if b'"gait.gate.kill_switch_state"' in data:
                    try:
                        self.states.append(read(data))
                    except Refused:
                        continue
        self.intents = [document for _, document in sorted(recorded.all.intents.items())]
        self.mutator = base.Mutator(chance.random(), self.states + self.intents)

    def entry(self, intent):
        """One that may well stop the intent."""
        pick, context = self.chance.choice, intent["context"]
        target = pick(intent.get("targets") or [{"kind": "path", "value": "/srv/a"}])
        about = {"agent_id": context.get("agent_id", "agent-1"), "identity": context["identity"], "tool_name": intent["tool_name"].upper(),
                 "environment": context.get("environment", "prod").upper(), "target_kind": target["kind"], "target_value": target["value"],
                 "path_prefixes": [target["value"].rsplit("/", 1)[0] + "/./", "/other"], "workspace_prefixes": [context["workspace"] + "/../", "/"]}
        chosen = {name: about[name] for name in self.chance.sample(sorted(about), pick((0, 1, 1, 2, 3)))}
        return {"entry_id": pick(("e1", "e2", "")), "enabled": self.chance.random() < 0.9, **chosen,
                "expires_at": pick(("0001-01-01T00:00:00Z", NOW, "2027-01-01T00:00:00+01:00", "2020-01-01T00:00:00Z"))}

    def asks(self):
        chance = self.chance
        some = [copy.deepcopy(d) for d in chance.choices([i for i in self.intents if isinstance(i.get("context"), dict) and {"identity", "workspace"} <= set(i["context"])], k=4)]
        state = copy.deepcopy(chance.choice(self.states))
        if chance.random() < 0.8 and isinstance(state.get("entries"), list):
            try:
                state["entries"] += [self.entry(chance.choice(some)) for _ in range(chance.choice((1, 2)))]
            except (KeyError, AttributeError, TypeError):
                pass  # a recorded intent that lacks what an entry is made of
        if chance.random() < 0.4:
            state = self.mutator.mutated(state)
        some = [self.mutator.mutated(d) if chance.random() < 0.3 else d for d in some]
        question = {"asks": "stops", "state": json.dumps(state, ensure_ascii=False),
                    "intents": [json.dumps(d, ensure_ascii=False) for d in some], "now": NOW}
        try:
            listed = stops.entries(state)
        except Refused:
            return question, None
        results = []
        for document in some:
            try:
                if any(base.rounded(v) for v in base.everything(document)):
                    raise Refused
                results.append(stops.found(listed, intents.normalised(copy.deepcopy(document), True), MOMENT))
            except Refused:
                results.append("refused")
        return question, {"results": [list(r) if isinstance(r, tuple) else r for r in results]}

    @staticmethod
    def seen(answer):
        return any(row.get("status") == "active" for row in answer.get("results", []))

    @staticmethod
    def normal(answer):
        return {"results": ["refused" if "refused" in row else [[i for i in row.get("matched_entry_ids", []) if i], row.get("reason_codes", [])]
                            for row in answer["results"]]}


def compared(judge, asker, rounds):
    """(differences, answers that were no refusal, those of them that show the thing itself)."""
    pairs = [asker.asks() for _ in range(rounds)]
    found, told, seen = [], 0, 0
    for (question, model), answer in zip(pairs, judge.answers([q for q, _ in pairs])):
        if "failed" in answer or (model is None) != ("refused" in answer):
            found.append((question, answer, model))
            continue
        if model is None:
            continue
        told += 1
        seen += asker.seen(answer)
        if asker.normal(answer) != model:
            found.append((question, asker.normal(answer), model))
    return found, told, seen


def main():
    judge, recorded = base.Judge(sys.argv[1]), Recorded()
    rounds, seed = base.setting("COUNTERSIGN_EVIDENCE_ROUNDS", 600), base.setting("COUNTERSIGN_MODEL_SEED", 1)
    bad = False
    for name, believed, kind in (("approvals", believed_approvals, Approvals), ("limits", believed_limits, Limits),
                                 ("stops", believed_stops, Stops)):
        wrong, steps = believed(recorded)
        found, told, seen = compared(judge, kind(recorded, random.Random(seed)), rounds)
        print(f"{name}: {steps} recorded answers of gait, {len(wrong)} otherwise; {rounds} questions to the gate (seed {seed}), {told} "
              f"answered, {seen} of them {'approved' if name == 'approvals' else 'exceeded' if name == 'limits' else 'stopped'}, "
              f"{len(found)} otherwise than by the model")
        for row in wrong[:base.MOST_SHOWN]:
            print("  ", *row)
        for question, ours, model in found[:base.MOST_SHOWN]:
            print(f"--- gate  {json.dumps(ours)}\n    model {json.dumps(model)}\n    {json.dumps(question)[:4000]}")
        bad = bad or wrong or found or not steps or seen < rounds // 20
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
