# SPDX-License-Identifier: GPL-2.0-or-later
"""OCI image layouts, made by hand, and the older form of `docker save`."""
import gzip
import hashlib
import io
import json
import os
import tarfile

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def entry(t, name, what="DIRTYPE", link=None, **more):
    """A directory, a file of some bytes, or another kind with its link."""
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = 0o755, 1_700_000_000
    for key, value in more.items():
        setattr(info, key, value)
    if isinstance(what, bytes):
        info.size = len(what)
        return t.addfile(info, io.BytesIO(what))
    info.type, info.linkname = getattr(tarfile, what), link or ""
    return t.addfile(info)


def layer(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for e in entries:
            more = e[-1] if isinstance(e[-1], dict) else {}
            entry(t, *(e[:-1] if more else e), **more)
    return out.getvalue()


def configuration(layers, said):
    return json.dumps({
        "architecture": ARCH, "os": "linux", "config": said,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(d).hexdigest() for d in layers]}
    }).encode()


def layout(directory, layers, said=None):
    """Layers (tars), the lowest first, and what the image says of itself (its "config")."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    manifest = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(configuration(layers, said or {}), "config.v1+json"),
        "layers": [blob(gzip.compress(d, 1, mtime=0), "layer.v1.tar+gzip") for d in layers]
    }
    index = {
        **blob(json.dumps(manifest).encode(), "manifest.v1+json"), "annotations": {
            "org.opencontainers.image.ref.name": "t"
        }, "platform": {"os": "linux", "architecture": ARCH}
    }
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [index]}))


def saved(directory, layers, said):
    """As `docker save` writes it."""
    directory.mkdir()
    for n, data in enumerate(layers):
        (directory / f"{n}.tar").write_bytes(data)
    (directory / "config.json").write_bytes(configuration(layers, said))
    (directory / "manifest.json").write_text(
        json.dumps([{"Config": "config.json", "RepoTags": [], "Layers": [f"{n}.tar" for n in range(len(layers))]}]))
