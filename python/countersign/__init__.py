"""Run a tool only after a signed, verified allow for exactly its intent, once.

    gate = Gate("/run/countersign/gate.sock", trust="/var/lib/countersign/published")

    @gate.guarded("tenant.retire", targets=[...], context={...})
    def retire(tenant): ...

    gate.run(["kubectl", "delete", "deployment", "payments"], tool_name="kubectl", context={...})

Whatever goes wrong, a timeout included, raises NotAllowed and runs nothing. Standard library only; signatures are checked
by the `countersign` program with the keys of `trust`, which is the caller's own copy of the published key set.
"""
from .gate import Gate, NotAllowed
from .calls import intent_of_call

__all__ = ["Gate", "NotAllowed", "intent_of_call"]
