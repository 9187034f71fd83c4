"""python-tuf's own client, over HTTP, as a stranger would run it: with nothing but the first root."""
import contextlib
import functools
import http.server
import json
import pathlib
import threading


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def served(folder):
    """The URL of a plain static server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class TufClient:
    def __init__(self, folder, root, url):
        """Fails with ImportError where python-tuf is not installed."""
        from tuf.ngclient import Updater
        self.updater = Updater
        self.folder = folder
        (folder / "metadata").mkdir(parents=True)
        (folder / "targets").mkdir()
        self.root = root
        self.url = url

    def keys(self):
        """keyset.json and revoked.json, verified."""
        updater = self.updater(metadata_dir=str(self.folder / "metadata"), metadata_base_url=self.url,
                               target_dir=str(self.folder / "targets"), target_base_url=self.url, bootstrap=self.root)
        updater.refresh()
        out = {}
        for name in ("keyset.json", "revoked.json", "allowed_signers", "jwks.json"):
            info = updater.get_targetinfo(name)
            assert info is not None, f"python-tuf finds no target {name}"
            out[name] = pathlib.Path(updater.download_target(info)).read_bytes()
        return json.loads(out["keyset.json"]), json.loads(out["revoked.json"])

    def root_version(self):
        return json.loads((self.folder / "metadata" / "root.json").read_text())["signed"]["version"]


def tuf_client(folder, root, url):
    """None where python-tuf is not installed; that is said."""
    try:
        return TufClient(folder, root, url)
    except ImportError:
        print("skipped python-tuf: pip install tuf, in an environment of its own")
        return None
