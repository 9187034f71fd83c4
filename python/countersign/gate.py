"""The gate's client, and the wrapper that fails closed."""
import functools
import http.client
import inspect
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

LONGEST_ANSWER = 4 << 20


class NotAllowed(Exception):
    """Nothing was run. `code` says why; `answer` is the gate's, where there is one."""

    def __init__(self, code, message, answer=None):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.answer = answer or {}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, deadline):
        super().__init__("localhost", timeout=max(deadline - time.monotonic(), 0.001))
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Gate:
    """A gate on a Unix socket. `timeout` is of one whole decision, in seconds."""

    def __init__(self, path=None, *, signer=None, trust=None, policy_digest=None, program="countersign", timeout=10.0):
        self.path = path or os.environ.get("COUNTERSIGN_GATE") or "/run/countersign/gate.sock"
        self.signer = signer
        self.trust = trust
        self.policy_digest = policy_digest
        self.program = program
        self.timeout = timeout

    def decide(self, intent, approvals=(), context_envelope=None, deadline=None, delegations=()):
        """The gate's answer to one intent. Raises NotAllowed where there is none; any verdict may be in it."""
        request = {"intent": intent}
        if approvals:
            request["approval_tokens"] = list(approvals)
        if delegations:
            request["delegation_tokens"] = list(delegations)
        if context_envelope is not None:
            request["context_envelope"] = context_envelope
        if self.policy_digest:
            request["policy"] = self.policy_digest
        deadline = deadline or time.monotonic() + self.timeout
        connection = _UnixConnection(self.path, deadline)
        try:
            connection.request("POST", "/v1/evaluate", json.dumps(request), {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read(LONGEST_ANSWER + 1)
            if len(body) > LONGEST_ANSWER or time.monotonic() > deadline:
                raise NotAllowed("no_answer", "the gate's answer is too long or came too late")
            answer = json.loads(body)
        except (OSError, http.client.HTTPException, ValueError) as failure:
            raise NotAllowed("no_answer", f"the gate at {self.path} gave no answer: {failure}") from failure
        finally:
            connection.close()
        if not isinstance(answer, dict):
            raise NotAllowed("no_answer", "the gate's answer is no object")
        if response.status != 200:
            error = answer.get("error") if isinstance(answer.get("error"), dict) else {}
            raise NotAllowed(str(error.get("code", response.status)), str(error.get("message", "refused")), answer)
        return answer

    def run(self, argv, *, tool_name, context, targets=(), args=None, approvals=(), delegations=(), context_envelope=None, **options):
        """subprocess.run(argv, **options), once, after the permit for exactly `argv` was spent. Never through a shell."""
        argv = [os.fspath(word) for word in argv]
        if options.get("shell") or not argv:
            raise ValueError("a list of words is run, not a shell's line")
        if shutil.which(argv[0]) is None:  # a misspelt program must not cost an approval
            raise NotAllowed("not_found", f"there is no program {argv[0]}")
        intent = self._intent(tool_name, {**(args or {}), "argv": argv}, targets, context)
        return self.call(subprocess.run, argv, intent=intent, approvals=approvals, delegations=delegations,
                         context_envelope=context_envelope, **options)

    def call(self, function, /, *args, intent, approvals=(), delegations=(), context_envelope=None, **named):
        """function(*args, **named), once, after the permit for `intent` was spent. The intent must describe that call."""
        with self._allowed(intent, approvals, context_envelope, delegations) as (trace, document, deadline):
            self._spend(["permit", "--trace", trace, "--intent", document, *self._trust(), "--json"], deadline)
        return function(*args, **named)

    def guarded(self, tool_name, *, context, targets=()):
        """A decorator: each call asks first, with the call's own arguments as the intent's `args`. The keyword `approvals`
        of a call goes to the gate. `targets` and `context` may be functions of the bound arguments."""

        def wrap(function):
            signature = inspect.signature(function)

            @functools.wraps(function)
            def ask_first(*args, approvals=(), **named):
                bound = signature.bind(*args, **named)
                bound.apply_defaults()
                given = json.loads(json.dumps(bound.arguments))  # what is approved is what is passed, as JSON
                if given != bound.arguments:
                    raise NotAllowed("arguments", "an argument is not what JSON would make of it")
                intent = self._intent(tool_name, given, targets(given) if callable(targets) else targets,
                                      context(given) if callable(context) else context)
                call = signature.bind(*args, **named)
                return self.call(function, *call.args, intent=intent, approvals=approvals, **call.kwargs)

            return ask_first

        return wrap

    @staticmethod
    def _intent(tool_name, args, targets, context):
        return {"schema_id": "gait.gate.intent_request", "schema_version": "1.0.0", "tool_name": tool_name, "args": args,
                "targets": list(targets), "context": dict(context)}

    def _trust(self):
        words = ["--signer", self.signer] if self.signer else []
        words += ["--trust", os.fspath(self.trust)] if self.trust else []
        return words + (["--policy-digest", self.policy_digest] if self.policy_digest else [])

    def _allowed(self, intent, approvals, context_envelope, delegations):
        return _Allowed(self, intent, approvals, context_envelope, delegations)

    def _spend(self, words, deadline):
        try:
            done = subprocess.run([self.program, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                  timeout=max(deadline - time.monotonic(), 0.001))
        except (OSError, subprocess.TimeoutExpired) as failure:
            raise NotAllowed("no_answer", f"the permit could not be checked: {failure}") from failure
        try:
            said = json.loads(done.stdout)
        except ValueError:
            said = {}
        if done.returncode != 0 or said.get("permitted") is not True:
            error = said.get("error") if isinstance(said, dict) and isinstance(said.get("error"), dict) else {}
            raise NotAllowed(str(error.get("code", "refused")), str(error.get("message", done.stderr.strip())))


class _Allowed:
    """An allow, written down for `countersign` to verify; the files are gone at the end."""

    def __init__(self, gate, intent, approvals, context_envelope, delegations):
        self._asked = (gate, intent, approvals, context_envelope, delegations)
        self._folder = None

    def __enter__(self):
        gate, intent, approvals, context_envelope, delegations = self._asked
        deadline = time.monotonic() + gate.timeout
        answer = gate.decide(intent, approvals, context_envelope, deadline, delegations)
        if answer.get("verdict") != "allow" or not isinstance(answer.get("trace"), dict):
            reasons = ", ".join(map(str, answer.get("reason_codes") or []))
            raise NotAllowed(str(answer.get("verdict", "no_verdict")), f"the gate does not allow it ({reasons})", answer)
        self._folder = tempfile.TemporaryDirectory(prefix="countersign-")
        paths = []
        for name, document in (("trace.json", answer["trace"]), ("intent.json", intent)):
            paths.append(os.path.join(self._folder.name, name))
            with open(paths[-1], "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
                json.dump(document, file)
        return (*paths, deadline)

    def __exit__(self, *_):
        if self._folder:
            self._folder.cleanup()
