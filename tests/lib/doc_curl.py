#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands before curl while tests/flow/document.py runs the commands of hoody-api.md as they are written: sends them to
the node's socket, fills their placeholders with what exists (and makes it first), and writes down what was asked and
answered. HOODY_DOC is a directory: socket, state.json, record."""
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(os.environ["HOODY_DOC"])
BASE = "http://node/api/v1"
IMAGE = "ubuntu/22.04" # what the document's ubuntu-22.04 is kept as
CURL = ["/usr/bin/curl", "-s", "--max-time", "60", "--unix-socket", str(HERE / "socket")]
# What a container has to be before a command can do its work.
BEFORE = {"start": "stopped", "stop": "running", "restart": "running", "pause": "running"}
ID = re.compile(r"[0-9a-f]{24}")
PLACEHOLDER = re.compile(r"\$?[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


def call(method, path, body=None, etag=None):
    data = ["-d", json.dumps(body)] if body is not None else []
    data += ["-H", f"If-Match: {etag}"] if etag else []
    out = subprocess.run([*CURL, "-X", method, *data, BASE + path], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


class Things:
    """The project and the containers that placeholders mean; made when they are not there (any more)."""

    def __init__(self):
        self.path = HERE / "state.json"
        self.ids = json.loads(self.path.read_text()) if self.path.exists() else {}

    def project(self):
        if "project" not in self.ids or not call("GET", f"/projects/{self.ids['project']}")["success"]:
            self.ids["project"] = call("POST", "/projects/", {"alias": "document"})["data"]["id"]
        self.path.write_text(json.dumps(self.ids))
        return self.ids["project"]

    def container(self, which, status=None):
        cid = self.ids.get(which)
        if not cid or not call("GET", f"/containers/{cid}")["success"]:
            cid = call("POST", f"/projects/{self.project()}/containers",
                       {"image": "builtin:busybox", "name": which.lower()})["data"]["id"]
            self.ids[which] = cid
            self.path.write_text(json.dumps(self.ids))
        now = call("GET", f"/containers/{cid}")["data"]["status"]
        if status and now != status:
            call("POST", f"/containers/{cid}/{'start' if status == 'running' else 'stop'}", {})
        return cid

    def other(self):
        """A second container of the project, to share with."""
        return self.container("TARGET_CONTAINER_ID")

    def share(self):
        cid = self.container("CONTAINER_ID")
        found = call("GET", f"/containers/{cid}/storage/shares")["data"]["shares"]
        if found:
            return found[0]["id"]
        return call("POST", f"/containers/{cid}/storage/shares",
                    {"path": "/etc", "target_container_id": self.other(), "mode": "ro"})["data"]["id"]

    def incoming(self, which):
        """One that this container receives."""
        cid = self.container(which)
        found = call("GET", f"/containers/{cid}/storage/incoming")["data"]["shares"]
        if found:
            return found[0]["id"]
        giver = self.container("CONTAINER_ID" if which != "CONTAINER_ID" else "TARGET_CONTAINER_ID")
        return call("POST", f"/containers/{giver}/storage/shares",
                    {"path": "/etc", "target_container_id": cid, "mode": "ro"})["data"]["id"]

    def alias(self):
        found = call("GET", "/proxy/aliases")["data"]["aliases"]
        if found:
            return found[0]["id"]
        return call("POST", "/proxy/aliases",
                    {"alias": "document-alias", "container_id": self.container("CONTAINER_ID")})["data"]["id"]

    def hook(self):
        base = f"/containers/{self.container('CONTAINER_ID')}/proxy/hooks/service_name"
        found = call("GET", base)["data"]
        if not found["hooks"]:
            call("POST", base, {"match": {"path": "/"}, "script": ""}, found["etag"])
            found = call("GET", base)["data"]
        return found["hooks"][0]["id"]

    def etag(self):
        """The example's file:vN stands for the version that the reader has just read."""
        return call("GET", f"/containers/{self.container('CONTAINER_ID')}/proxy/settings")["data"]["etag"]

    def event(self):
        self.container("CONTAINER_ID")
        return call("GET", "/events?limit=1")["data"]["events"][0]["id"]

    def image(self):
        return next(i["id"] for i in call("GET", "/images/user")["data"]["images"] if i["image_name"] == IMAGE)

    def copy(self):
        """Only a copy can be brought up to date."""
        cid = self.ids.get("copy")
        if not cid or not call("GET", f"/containers/{cid}")["success"]:
            self.ids["copy"] = call("POST", f"/containers/{self.container('CONTAINER_ID')}/copy", {})["data"]["id"]
            self.path.write_text(json.dumps(self.ids))
        return self.ids["copy"]

    def fill(self, name, url, method):
        last = url.rstrip("/").rsplit("/", 1)[-1]
        if last == "sync":
            return self.copy()
        if name == "IMAGE_ID":
            return self.image()
        if name.endswith("CONTAINER_ID"):
            return self.container(name, "stopped" if method == "DELETE" and url.endswith(name) else BEFORE.get(last))
        if name == "PROJECT_ID":
            return self.project()
        if name == "EVENT_ID":
            return self.event()
        if name == "SHARE_ID":
            return self.incoming(re.search(r"/containers/([A-Z_]+)/", url)[1]) if "/incoming/" in url else self.share()
        if name == "ALIAS_ID":
            return self.alias()
        if name == "HOOK_ID":
            return self.hook()
        if name == "YOUR_IP":
            return "192.0.2.1"
        return "0" * 23 + "1" if name.endswith("_ID") else name.lower()


def main():
    args = sys.argv[1:]
    if "--output" in args: # what goes into a file is judged too
        del args[args.index("--output"):args.index("--output") + 2]
    at = next(i for i, a in enumerate(args) if a.startswith("https://"))
    url = args[at].replace("https://api.hoody.com", "http://node", 1)
    # A reboot is for tests/system, in a machine of its own.
    args = [a.replace('"command":"restart"', '"command":"check-uptime"') for a in args]
    method = args[args.index("-X") + 1] if "-X" in args else "GET"
    template = PLACEHOLDER.sub("{id}", ID.sub("{id}", url.removeprefix(BASE).split("?")[0])).rstrip("/")
    things = Things()
    filled = [
        PLACEHOLDER.sub(lambda m: things.fill(m.group(0), url, method), a) if i == at or
        (i and args[i - 1] == "-d" and re.search(r'_ID"|YOUR_IP', a)) else a
        for i, a in enumerate([*args[:at], url, *args[at + 1:]])
    ]
    if PLACEHOLDER.search(url): # in a container that the document has just made, it is as it says
        filled = [f"If-Match: {things.etag()}" if a.startswith("If-Match: ") else a for a in filled]
    done = subprocess.run([CURL[0], *CURL[2:], "-w", "\n%{http_code}", *filled], capture_output=True, text=True)
    body, _, status = done.stdout.rpartition("\n")
    with open(HERE / "record", "a") as f:
        f.write(
            json.dumps({
                "method": method, "path": template, "status": int(status or 0), "body": body, "curl": done.returncode
            }) + "\n")
    sys.stdout.write(body)


main()
