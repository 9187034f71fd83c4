"""An independent check of the signatures in files a step wrote: RFC 8785 here, Ed25519 by libcrypto."""
import base64
import binascii
import ctypes
import ctypes.util
import hashlib
import io
import json
import os
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
from verify_gait import canonical  # noqa: E402

_ED25519 = 1087  # EVP_PKEY_ED25519
_crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for _name in ("EVP_PKEY_new_raw_public_key", "EVP_PKEY_new_raw_private_key", "EVP_MD_CTX_new"):
    getattr(_crypto, _name).restype = ctypes.c_void_p
_crypto.EVP_PKEY_new_raw_public_key.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
_crypto.EVP_PKEY_new_raw_private_key.argtypes = _crypto.EVP_PKEY_new_raw_public_key.argtypes
_crypto.EVP_DigestSignInit.argtypes = [ctypes.c_void_p] * 5
_crypto.EVP_DigestSign.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
_crypto.EVP_DigestVerifyInit.argtypes = [ctypes.c_void_p] * 5
_crypto.EVP_DigestVerify.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p,
                                     ctypes.c_size_t]
_crypto.EVP_MD_CTX_free.argtypes = [ctypes.c_void_p]
_crypto.EVP_PKEY_free.argtypes = [ctypes.c_void_p]


def verifies(public, message, signature):
    key = _crypto.EVP_PKEY_new_raw_public_key(_ED25519, None, public, len(public))
    if not key:
        return False
    context = _crypto.EVP_MD_CTX_new()
    good = (_crypto.EVP_DigestVerifyInit(context, None, None, None, key) == 1 and
            _crypto.EVP_DigestVerify(context, signature, len(signature), message, len(message)) == 1)
    _crypto.EVP_MD_CTX_free(context)
    _crypto.EVP_PKEY_free(key)
    return good


def signature_of(private, message):
    """By a private key as gait keeps it: seed and public half."""
    key = _crypto.EVP_PKEY_new_raw_private_key(_ED25519, None, private[:32], 32)
    context = _crypto.EVP_MD_CTX_new()
    out, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
    good = (_crypto.EVP_DigestSignInit(context, None, None, None, key) == 1 and
            _crypto.EVP_DigestSign(context, out, ctypes.byref(size), message, len(message)) == 1)
    _crypto.EVP_MD_CTX_free(context)
    _crypto.EVP_PKEY_free(key)
    if not good:
        raise ValueError("libcrypto does not sign with this key")
    return out.raw[:size.value]


def public_keys(files):
    """{key_id: 32 bytes} of every public key among `files`."""
    keys = {}
    for path, data in files.items():
        if not path.endswith("public.key"):
            continue
        try:
            raw = base64.b64decode(data.strip(), validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(raw) == 32:
            keys[hashlib.sha256(raw).hexdigest()] = raw
    return keys


def _fault(document, envelope, keys):
    unsigned = {k: v for k, v in document.items() if k not in ("signature", "signatures", "countersign")}
    digest = hashlib.sha256(canonical(unsigned).encode()).digest()
    if envelope.get("signed_digest") != digest.hex():
        return "signed_digest is not the document's"
    if envelope.get("alg") != "ed25519":
        return "alg is not ed25519"
    key = keys.get(envelope.get("key_id"))
    if key is None:
        return None  # a throw-away key of the dev mode: its public half is nowhere
    if not verifies(key, digest, base64.b64decode(envelope["sig"], validate=True)):
        return "the signature does not verify"
    return None


def _pack_faults(entries):
    """What an evidence pack says of itself and is not so."""
    manifest = json.loads(entries["pack_manifest.json"])
    contents = manifest["contents"]
    found = [f"{c['path']} is not what contents says" for c in contents
             if hashlib.sha256(entries.get(c["path"], b"")).hexdigest() != c["sha256"]]
    if {c["path"] for c in contents} | {"pack_manifest.json"} != set(entries):
        found.append("contents lists other files")
    own = hashlib.sha256(canonical({"run_id": manifest["run_id"], "contents": contents}).encode()).hexdigest()
    if manifest["pack_id"] != "pack_" + own[:16]:
        found.append("pack_id is another")
    for name in ("control_index", "evidence_pointers"):
        if json.loads(entries[name + ".json"]) != manifest[name]:
            found.append(f"{name}.json is not the manifest's")
    return found


def faults(path, data, keys):
    """What is wrong with the signatures in the file; an empty list where they are good or there are none."""
    if path.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        found = _pack_faults(entries) if "pack_manifest.json" in entries else []
        for name, content in entries.items():
            found += faults(name, content, keys)
        return [f"{path}#{fault}" for fault in found]
    if not path.endswith(".json"):
        return []
    try:
        document = json.loads(data)
    except ValueError:
        return []
    found = []
    for part in document.get("entries") or [] if isinstance(document, dict) and "signature" not in document else []:
        if isinstance(part, dict) and isinstance(part.get("signature"), dict):
            found.append(_fault(part, part["signature"], keys))
    if isinstance(document, dict):
        envelopes = [document.get("signature")] + list(document.get("signatures") or [])
        found += [_fault(document, e, keys) for e in envelopes if isinstance(e, dict)]
    return [f"{path}: {fault}" for fault in found if fault]
