"""What the hooks of this folder share: the notice on standard input, secrets from files, one bounded POST. Standard library only."""
import json
import sys
import urllib.error
import urllib.request

TIMEOUT = 8  # seconds; the channel's own limit is 10
LARGEST_ANSWER = 65536


class NotSent(Exception):
    """Ends the hook with status 1: the broker tries again."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def notice():
    """The broker's notice: {"id","type","timestamp","data"}."""
    return json.load(sys.stdin)


def secret(path):
    """The first line of a file that only the broker's user reads."""
    with open(path, encoding="utf-8") as file:
        return file.readline().strip()


def post(url, body, headers=None):
    """What the server answers, as text. Fails on anything but 2xx."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=TIMEOUT) as answer:
            return answer.read(LARGEST_ANSWER).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        raise NotSent(f"the server answered {error.code}") from None
    except OSError as error:
        raise NotSent(f"no answer: {error}") from None


def run(main):
    """The hook's exit status: 0 where the notice is delivered."""
    try:
        main()
    except (NotSent, OSError, ValueError, KeyError) as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        sys.exit(1)
