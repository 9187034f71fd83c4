"""differences.json: what ours does otherwise than gait on purpose, and which recorded commands show it.

An entry has `id`, `item` (the section of the reference it answers), what `gait` does and what `ours`, `why`, the `flag`
that restores gait's behaviour or null, the `tests` that show it where no recording can, and rows in `cases`:

    case     the cases it is about, as a pattern; without it, all cases in which `if` holds
    steps    of those cases; without it, all
    if       {"gait": {member: wanted}, "ours": {member: wanted}}: what the two answers must hold. `exit` is a member;
             a list wants each of its elements, {"without": list} none of them, "~text" a text that the regular
             expression finds, null no such member
    exit     what ours must exit with, which gait does not
    members  what ours must answer in these members
    elsewhere  true where these recordings need not show it, but others may
    also     further paths of differences it accounts for, as patterns; a name of SETS stands for several
"""
import fnmatch
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = os.path.join(HERE, "differences.json")

# What differs when the verdict does, and when ours refuses what gait answers.
SETS = {
    "@verdict": ["exit", "/verdict", "/reason_codes", "/violations", "/trace_id", "/trace_path", "/approval_ref",
                 "/approval_audit_path", "/required_approvals", "/valid_approvals", "/matched_rule", "trace*",
                 "approval_audit_*"],
    "@refused": ["exit", "/*", "trace*", "approval_audit_*"],
}


def holds(wanted, answer):
    for member, value in wanted.items():
        given = (answer or {}).get(member)
        if value is None:
            if given is not None:
                return False
        elif isinstance(value, dict):
            if any(each in (given or []) for each in value["without"]):
                return False
        elif isinstance(value, list):
            if not isinstance(given, list) or any(each not in given for each in value):
                return False
        elif isinstance(value, str) and value.startswith("~"):
            if not re.search(value[1:], given if isinstance(given, str) else json.dumps(given)):
                return False
        elif given != value:
            return False
    return True


class Table:
    def __init__(self, entries):
        self.entries = entries
        self._used = set()

    def explains(self, case, place, gaits, result):
        """Whether listed differences account for everything that differs at this step. `gaits` is its recording."""
        exit_code, answer, found = result
        theirs = {**(gaits["json"] or {}), "exit": gaits["exit"]}
        ours = {**(answer or {}), "exit": exit_code}
        rest, used = list(found), []
        for entry in self.entries:
            for number, row in enumerate(entry.get("cases", [])):
                if not self._applies(row, case, place, theirs, ours):
                    continue
                accounted = {"exit"} if "exit" in row else set()
                accounted |= {"/" + member for member in row.get("members", {})}
                for pattern in row.get("also", []):
                    accounted |= set(SETS.get(pattern, [pattern]))
                left = [d for d in rest if not any(fnmatch.fnmatch(d[0], pattern) for pattern in accounted)]
                if len(left) < len(rest):
                    used.append((entry["id"], number))
                rest = left
        if rest:
            return False
        self._used.update(used)
        return True

    @staticmethod
    def _applies(row, case, place, theirs, ours):
        if not fnmatch.fnmatch(case, row.get("case", "*")) or place not in row.get("steps", [place]):
            return False
        conditions = row.get("if", {})
        if not holds(conditions.get("gait", {}), theirs) or not holds(conditions.get("ours", {}), ours):
            return False
        if "exit" in row and row["exit"] != ours["exit"]:
            return False
        return all(ours.get(member) == value for member, value in row.get("members", {}).items())

    def unused(self):
        """Rows that no recorded command shows any more: what they say is no difference, or no longer ours."""
        return [f"{entry['id']}, row {number + 1}" for entry in self.entries
                for number, row in enumerate(entry.get("cases", []))
                if (entry["id"], number) not in self._used and not row.get("elsewhere")]


def load():
    with open(PATH, encoding="utf-8") as file:
        return Table(json.load(file)["differences"])
