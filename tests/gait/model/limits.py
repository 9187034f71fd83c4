"""Rate limits and destructive budgets, from the reference's section 14, sharing nothing with the product."""
from intent import require, typed
from jcs import by_bytes, time, time_text

SCHEMA, VERSION = "gait.gate.rate_limit_state", "1.0.0"
STATE = {"schema_id": "s", "schema_version": "s", "counters": [{"key": "s", "count": "i"}]}
SECONDS = {"minute": 60, "hour": 3600}
KEPT = 24 * 3600
MOST = 2**53 - 1


class Counters:
    """The state file's counters."""

    def __init__(self, document=None):
        self.counters = {}
        if document is None:
            return
        state = typed(STATE, document)
        require((state["schema_id"], state["schema_version"]) == (SCHEMA, VERSION))
        for row in state["counters"]:
            require(row["key"] and 0 <= row["count"] <= MOST and row["key"] not in self.counters)
            self.counters[row["key"]] = row["count"]

    def spend(self, rule, tool, identity, now, budget=False):
        """What the answer says of the limit; one more is counted where it is not exceeded."""
        tool = "destructive_budget|" + tool if budget else tool
        key = {"tool": tool, "identity": identity}.get(rule["scope"], tool + "|" + identity)
        # The zero time is at the start of a minute and of an hour.
        start = time_text((now[0] - now[0] % SECONDS[rule["window"]], 0))
        counter = "|".join((rule["window"], rule["scope"], start, key))
        used = self.counters.get(counter, 0)
        exceeded = used >= rule["requests"]
        used += not exceeded
        self.counters[counter] = used
        return {"scope": rule["scope"], "key": key, "used": used, "remaining": max(rule["requests"] - used, 0),
                "exceeded": exceeded}

    def rows(self, now):
        """The file's counters, without the buckets that began more than a day ago."""
        def old(key):
            parts = key.split("|")
            start = time(parts[2]) if len(parts) > 2 else None
            return start is not None and start[0] + KEPT < now[0]
        return sorted(([key, count] for key, count in self.counters.items() if not old(key)), key=lambda row: by_bytes(row[0]))


def tightest(rules):
    """The limits of which one counts where several rules have one: those with the fewest requests."""
    given = [rule for rule in rules if rule]
    least = min((rule["requests"] for rule in given), default=0)
    return [rule for rule in given if rule["requests"] == least]
