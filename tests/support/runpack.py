"""Runpacks and packs read with nothing of the product's: zip, SHA-256, and RFC 8785 of what they hold (no number in them is a fraction)."""
import hashlib
import io
import json
import zipfile


def jcs(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value):
    return hashlib.sha256(jcs(value)).hexdigest()


def contents(archive):
    """The files of a zip's path or bytes by their names."""
    with zipfile.ZipFile(archive if not isinstance(archive, bytes) else io.BytesIO(archive)) as opened:
        assert len(set(opened.namelist())) == len(opened.namelist())
        return {name: opened.read(name) for name in opened.namelist()}


def check_runpack(archive):
    """Its documents, once every digest that its manifest gives is found true."""
    files = contents(archive)
    manifest = json.loads(files["manifest.json"])
    assert files["manifest.json"] == jcs(manifest)
    assert {row["path"]: row["sha256"] for row in manifest["files"]} == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"}
    unsigned = {name: value for name, value in manifest.items() if name != "signatures"}
    assert manifest["manifest_digest"] == digest({**unsigned, "manifest_digest": ""})
    out = {"manifest": manifest}
    for name in ("run", "refs"):
        out[name] = json.loads(files[f"{name}.json"])
    for name in ("intents", "results"):
        out[name] = [json.loads(line) for line in files[f"{name}.jsonl"].splitlines()]
    return out
