#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's document, replayed: every curl command of hoody-api.md is taken out of it, run as written (in its own
shell, with jq and variables) against a standalone agent, and held against the table below."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import local
import tap
import webserver

TOP = pathlib.Path(__file__).resolve().parents[2]
CONTROL = "control plane"
CONTAINER = ("id", "project_id", "name", "status", "container_image", "created_at")
SHARE = ("id", "source_container_id", "source_path", "mode", "enabled", "status")
ALIAS = ("id", "alias", "enabled", "container_id")
WRITTEN = ("file_version", "etag", "propagation")
OPERATION = ("operation", "container_id", "status", "operation_id")

# What works: method and path, then the expected status and the members that data must have.
WORKS = {
    "GET /projects": (200, ("projects", "pagination")),
    "POST /projects": (201, ("id", "alias")),
    "GET /projects/{id}": (200, ("id", "alias")),
    "PATCH /projects/{id}": (200, ("id", "alias", "color")),
    "POST /projects/{id}/containers": (201, CONTAINER),
    "GET /projects/{id}/containers": (200, ("containers", "pagination")),
    "GET /containers": (200, ("containers", "pagination")),
    "GET /containers/{id}": (200, CONTAINER),
    "PATCH /containers/{id}": (200, CONTAINER),
    "DELETE /containers/{id}": (200, OPERATION),
    "POST /containers/{id}/start": (200, OPERATION),
    "POST /containers/{id}/stop": (200, OPERATION),
    "POST /containers/{id}/restart": (200, OPERATION),
    "GET /containers/{id}/status-logs": (200, ("logs", "pagination")),
    "POST /containers/{id}/copy": (201, CONTAINER),
    "POST /containers/{id}/sync": (200, OPERATION),
    "GET /containers/{id}/snapshots": (200, ("container_id", "snapshot_count", "max_snapshots", "snapshots")),
    "POST /containers/{id}/snapshots": (200, ("container_id", "project_id", "snapshot")),
    "PUT /containers/{id}/snapshots/pre-deploy-v2": (200, ("container_id", "snapshot")),
    "PATCH /containers/{id}/snapshots/pre-deploy-v2/alias": (200, ("container_id", "snapshot")),
    "GET /containers/{id}/firewall/rules": (200, ("ingress", "egress", "rule_count", "byte_count", "max_rules",
                                                  "max_bytes")),
    "POST /containers/{id}/firewall/ingress": (201, ("ingress", "egress")),
    "PATCH /containers/{id}/firewall/ingress": (200, ("direction", "new_state", "updated")),
    "DELETE /containers/{id}/firewall/ingress": (200, ("direction", "removed_count", "removed")),
    "POST /containers/{id}/firewall/egress": (201, ("ingress", "egress")),
    "DELETE /containers/{id}/firewall/egress": (200, ("direction", "removed_count", "removed")),
    "POST /containers/{id}/firewall/reset": (200, ("ingress", "egress")),
    "GET /containers/{id}/network": (200, ("container_id", "configured")),
    "PUT /containers/{id}/network": (200, ("type", "proxy", "dns_servers", "credentials_configured", "status",
                                           "configured_at")),
    "DELETE /containers/{id}/network": (200, ("container_id", )),
    "POST /containers/{id}/network/start": (200, ("container_id", "status", "is_running", "last_check")),
    "POST /containers/{id}/network/stop": (200, ("container_id", "status")),
    "GET /images/public/{id}": (200, ("id", "image_name", "os")),
    "POST /images/import/{id}": (200, ("image", "sha256")),
    "GET /images/public": (200, ("images", "pagination")),
    "GET /images/user": (200, ("images", "pagination")),
    "GET /events": (200, ("events", "pagination")),
    "GET /events/stats": (200, ("total", "by_type")),
    "GET /events/{id}": (200, ("id", "event_type", "payload", "created_at")),
    "DELETE /events": (200, ("deleted_count", )),
    "DELETE /events/{id}": (200, ("deleted_count", )),
    "POST /events/cleanup": (200, ("deleted_count", )),
    "DELETE /projects/{id}": (200, ("operation", "operation_id", "deleted")),
    "GET /projects/{id}/stats": (200, ("stats", "summary")),
    "GET /containers/{id}/stats": (200, ("id", "status", "status_code", "processes", "started_at", "disk", "network",
                                         "cpu", "memory", "processing_time")),
    "GET /containers/{id}/env": (200, ("environment_vars", "env_sync")),
    "PUT /containers/{id}/env": (200, ("environment_vars", "synced", "env_sync")),
    "PUT /containers/{id}/env/{id}": (200, ("environment_vars", "synced")),
    "DELETE /containers/{id}/env/{id}": (200, ("environment_vars", "synced")),
    "GET /containers/{id}/storage/shares": (200, ("shares", "pagination")),
    "POST /containers/{id}/storage/shares": (201, SHARE),
    "GET /containers/{id}/storage/shares/{id}": (200, SHARE),
    "PATCH /containers/{id}/storage/shares/{id}": (200, SHARE),
    "DELETE /storage/shares/{id}": (200, ("share_id", )),
    "GET /containers/{id}/storage/incoming": (200, ("shares", )),
    "GET /storage/incoming": (200, ("shares", )),
    "GET /storage/shares": (200, ("shares", )),
    "PATCH /containers/{id}/storage/incoming/{id}/mount": (200, ("share", "override")),
    "POST /servers/{id}/execute-command": (200, ("command_log_id", "status", "output", "exit_code")),
    "GET /proxy/aliases": (200, ("aliases", "pagination")),
    "POST /proxy/aliases": (201, ALIAS),
    "GET /proxy/aliases/{id}": (200, ALIAS),
    "PATCH /proxy/aliases/{id}": (200, ALIAS),
    "PATCH /proxy/aliases/{id}/state": (200, ALIAS),
    "DELETE /proxy/aliases/{id}": (200, ALIAS),
    "GET /projects/{id}/proxy/permissions": (200, ("groups", "permissions", "default", "enable_proxy", "file_version")),
    "GET /containers/{id}/proxy/permissions": (200, ("groups", "permissions", "default", "enable_proxy",
                                                     "file_version")),
    "GET /containers/{id}/proxy/hooks": (200, ("hooks", "etag")),
    "GET /containers/{id}/proxy/hooks/{id}": (200, ("hooks", "etag")),
    "GET /containers/{id}/proxy/settings": (200, ("enable_proxy", "default", "etag")),
    "GET /containers/{id}/proxy/groups": (200, ("groups", )),
    "GET /containers/{id}/proxy/services": (200, ("services", )),
    "GET /containers/{id}/proxy/services/{id}": (200, ("service", "effective_default", "hooks")),
    "GET /meta/public-key": (200, ("keys", "active_kid")),
    "GET /ip": (200, ("ip", )),
    "GET /servers/{id}/available-commands": (200, ("commands", "server_info")),
}
# The control plane's alone: 501 CONTROL_PLANE_ONLY.
CONTROL_BELOW = ("/auth/", "/users/", "/vault", "/wallet/", "/notifications", "/ai/", "/realms", "/pools", "/rentals",
                 "/projects/{id}/permissions", "/meta/social-stats")
CONTROL_ONLY = ("POST /containers/{id}/authorize", "GET /images/{id}/icon", "POST /images/purchase/{id}",
                "POST /images/rate/{id}", "GET /servers", "GET /servers/{id}", "GET /servers/available",
                "POST /servers/{id}/rent")


def image_server(web):
    """Has the document's ubuntu-22.04, as LXC's image servers publish theirs: busybox by another name."""
    root = web / "root"
    for folder in ("bin", "dev", "etc", "proc", "root", "sbin", "sys", "tmp"):
        (root / folder).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for link in ("bin/sh", "sbin/init"):
        (root / link).symlink_to("/bin/busybox")
    subprocess.run(["tar", "-C", root, "-cf", web / "root.tar.xz", "-J", "."], check=True)
    webserver.streams(web, "ubuntu:jammy", "ubuntu/22.04")
    return webserver.Server(web)


def blocks(text):
    """The document's code blocks that have a curl command."""
    return [b for b in re.findall(r"^```\n(.*?)^```", text, re.M | re.S) if re.search(r"\bcurl\b", b)]


def expected(key):
    """(kind, status, words): None when the table lacks the command."""
    path = key.split()[1]
    if key in WORKS:
        return ("worked", *WORKS[key])
    if re.match(r"(/projects|/containers)/\{id\}/proxy/", path):
        return ("worked", 200, WRITTEN) # every write of a document
    if key in CONTROL_ONLY or path.startswith(CONTROL_BELOW):
        return (CONTROL, 501, "CONTROL_PLANE_ONLY")
    return None


def judge(entry):
    key = f"{entry['method']} {entry['path']}"
    want = expected(key)
    if not want:
        return tap.ok(False, f"{key} is in the table", entry) and None
    kind, status, words = want
    try:
        body = json.loads(entry["body"])
    except ValueError:
        body = {}
    if kind == "worked":
        good = body.get("success") is True and all(w in body.get("data", {}) for w in words)
    else:
        good = body.get("success") is False and body.get("error") == words and body.get("message")
    tap.ok(entry["curl"] == 0 and entry["status"] == status and good, f"{key}: {kind}, {status}", entry)
    return kind


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    text = (TOP / "tests/vectors/hoody-api.md").read_text()
    with harness.Node(start=False, conf=dict(harness.STANDALONE,
                                             Network={"DefaultProxy": "socks5://127.0.0.1:1080"})) as node:
        server = image_server(node.directory / "web")
        node.conf = dict(node.conf, Storage={"ImageServer": server.url("").rstrip("/")})
        node.start_agent()
        local.Local(node, 90).do("POST", "/images/import/ubuntu-22.04")
        doc = node.directory / "document"
        (doc / "bin").mkdir(parents=True)
        (doc / "socket").symlink_to(node.directory / "run" / "debug.sock")
        shutil.copy(TOP / "tests/lib/doc_curl.py", doc / "bin" / "curl")
        (doc / "bin" / "curl").chmod(0o755)
        env = dict(os.environ, HOODY_DOC=str(doc), PATH=f"{doc / 'bin'}:{os.environ['PATH']}")
        commands = sum(len(re.findall(r"\bcurl -s", b)) for b in blocks(text))
        for block in blocks(text):
            # Uppercase words stand for what the reader has; doc_curl fills them in.
            done = subprocess.run(["bash", "-c", block], env=env, capture_output=True, text=True,
                                  timeout=120 * harness.SLOW, cwd=doc)
            if "Traceback" in done.stderr:
                tap.ok(False, "a block runs", block, done.stderr)
        record = [json.loads(line) for line in (doc / "record").read_text().splitlines()]
        tap.eq(len(record), commands, f"all {commands} commands of the document were run")
        kinds = [judge(entry) for entry in record]
        count = {k: kinds.count(k) for k in ("worked", CONTROL)}
        tap.eq(sum(count.values()), commands, "each works, or is the control plane's")
        tap.figure(
            f"{commands} commands of the document: {count['worked']} worked, {count[CONTROL]} are the control plane's "
            "alone"
        )
        for c in json.loads(
                subprocess.run(
                    ["/usr/bin/curl", "-s", "--unix-socket",
                     str(doc / "socket"), "http://node/api/v1/containers/"], capture_output=True,
                    text=True).stdout)["data"]["containers"]:
            subprocess.run([
                "/usr/bin/curl", "-s", "--unix-socket",
                str(doc / "socket"), "-X", "DELETE", "-d", '{"force":true}', f"http://node/api/v1/containers/{c['id']}"
            ], capture_output=True)
        server.close()
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
