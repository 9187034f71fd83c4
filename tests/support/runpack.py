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


def check_pack(archive, signs=None):
    """Its documents, as of check_runpack, with the runpack within. `signs(key_id, signature, message)` says whether a signature over bytes is good."""
    files = contents(archive)
    manifest = json.loads(files.pop("pack_manifest.json"))
    assert manifest["contents"] == [{"path": name, "sha256": hashlib.sha256(data).hexdigest(), "type": name.rsplit(".", 1)[1]}
                                    for name, data in sorted(files.items())]
    unsigned = {name: value for name, value in manifest.items() if name != "signatures"}
    assert manifest["pack_id"] == digest({**unsigned, "pack_id": ""})
    (signature,) = manifest["signatures"]
    assert signature["signed_digest"] == digest(unsigned)
    if signs:
        assert signs(signature["key_id"], signature["sig"], bytes.fromhex(signature["signed_digest"]))
    records = [json.loads(line) for line in files.get("proof_records.jsonl", b"").splitlines()]
    before = None
    for record, path in zip(records, sorted(set(files) - {"proof_records.jsonl"}), strict=True) if records else ():
        integrity = record.pop("integrity")
        hashed = "sha256:" + digest({**record, "integrity": {"previous_record_hash": before or ""}})
        assert (integrity["record_hash"], integrity.get("previous_record_hash")) == (hashed, before)
        event = record["event"]
        assert (event["entry_path"], event["entry_sha256"], event["entry_size_bytes"]) == (path, hashlib.sha256(files[path]).hexdigest(), len(files[path]))
        named = {name: record[name] for name in ("timestamp", "source", "source_product", "agent_id", "record_type", "event")}
        assert record["record_id"] == f"prf-1980-01-01T00:00:00Z-{digest(named)[:8]}"
        assert integrity["signature"].startswith("base64:")
        if signs:
            assert signs(integrity["signing_key_id"], integrity["signature"][7:], hashed.encode())
        before = hashed
    return {"manifest": manifest, "payload": json.loads(files["run_payload.json"]), "records": records, "run": check_runpack(files["source/runpack.zip"])}
