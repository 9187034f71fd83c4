"""The broker on its socket: tools behind approval.

    broker = Broker("/run/countersign-broker/broker.sock")
    answer = broker.call_tool("fs:write", {"path": "a.txt", "text": "hello"})
    if answer.get("error") == "approval_required":
        ...                                      # a person approves; call again with the same arguments

    for request in broker.allowlist_manager.get_pending_approvals():   # for people and orchestrators
        print(request["id"], request["summary"])

Standard library only. Who asks is the kernel's word for this process, or the secret of `agent_secret` (a file): an agent_id
only chooses between agents that the caller is. Approving takes the approver's own key: `countersign broker approve`.
"""
import http.client
import json
import os
import socket

DEFAULT_SOCKET = "/run/countersign-broker/broker.sock"


class BrokerError(Exception):
    """The broker refused, or does not answer: `code`, and what to do in the text."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("broker", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class AllowlistManager:
    def __init__(self, broker):
        self._broker = broker

    def get_pending_approvals(self):
        """The calls that wait for people, oldest first; for a user of the broker's `people`."""
        return self._broker._ask("GET", "/v1/pending")


class Broker:
    """One broker. From any thread: each call has a connection of its own."""

    def __init__(self, path=None, agent_secret=None, timeout=600):
        self._path = path or os.environ.get("COUNTERSIGN_BROKER", DEFAULT_SOCKET)
        self._secret = agent_secret or os.environ.get("COUNTERSIGN_AGENT_SECRET")
        self._timeout = timeout
        self.allowlist_manager = AllowlistManager(self)

    def call_tool(self, tool, args=None, agent_id=None):
        """The tool's answer {"tool_id","server","result",…}, or {"error": WORD, …} of the written workflow. Never repeated
        by itself: after "outcome_unknown" or a BrokerError "no_answer" it may have run."""
        return self._ask("POST", "/v1/call", {"tool_id": tool, "args": args or {}}, agent_id)

    def search_tools(self, query, max_results=10, agent_id=None):
        return self._ask("POST", "/v1/search", {"query": query, "max_results": max_results}, agent_id)["tools"]

    def describe_tool(self, tool, agent_id=None):
        return self._ask("POST", "/v1/describe", {"tool_id": tool}, agent_id)

    def load_tools(self, tools, agent_id=None):
        return self._ask("POST", "/v1/load", {"tool_ids": list(tools)}, agent_id)["tools"]

    def explain(self, tool, args=None, agent_id=None):
        """How a call would be decided and why; nothing is called."""
        return self._ask("POST", "/v1/explain", {"tool_id": tool, "args": args or {}}, agent_id)

    def propose_server(self, server_name, source, source_id, source_path=None, agent_id=None):
        """Proposes a tool server; with its files (an absolute path) it is vetted at once."""
        body = {"server_name": server_name, "source": source, "source_id": source_id}
        if source_path is not None:
            body["source_path"] = str(source_path)
        return self._ask("POST", "/v1/proposals", body, agent_id)

    def reply(self, text):
        """Hands in what a person answered to a notice, "no CODE" or "yes CODE"; for `people` and for users of notify.replies. The answer
        has "status": "rejected", or "pending" with "how_to_approve", since a yes approves nothing."""
        return self._ask("POST", "/v1/reply", {"text": text})

    def _ask(self, method, target, body=None, agent_id=None):
        if body is not None and agent_id is not None:
            body = {**body, "agent_id": agent_id}
        if body is not None and self._secret:
            with open(self._secret, encoding="utf-8") as file:
                body = {**body, "agent_secret": file.read().strip()}
        connection = _Connection(self._path, self._timeout)
        try:
            connection.request(method, target, None if body is None else json.dumps(body),
                               {} if body is None else {"Content-Type": "application/json"})
            answer = connection.getresponse()
            read = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as failure:
            raise BrokerError("no_answer", f"the broker at {self._path} gave no answer: {failure}") from failure
        finally:
            connection.close()
        if answer.status != 200:
            error = read.get("error", {})
            raise BrokerError(error.get("code", "refused"), " ".join(filter(None, (error.get("message"), error.get("hint")))))
        return read
