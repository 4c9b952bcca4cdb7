# SPDX-License-Identifier: GPL-2.0-or-later
"""A small HTTP server of files on loopback, with the habits of a bad one when asked: breaks off, knows no ranges,
refuses, is slow."""
import hashlib
import http.server
import json
import pathlib
import subprocess
import threading


def streams(web, product, aliases):
    """Of `web` with its root.tar.xz an image server as LXC's are (simple streams), which has that archive as a product
    of this architecture. The archive's SHA-256."""
    data = (web / "root.tar.xz").read_bytes()
    item = {
        "ftype": "root.tar.xz", "path": "root.tar.xz", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)
    }
    arch = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    version = {"items": {"root.tar.xz": item}}
    versions = {"20251120_05:24": version}
    products = {f"{product}:{arch}:default": {"aliases": aliases, "arch": arch, "versions": versions}}
    (web / "streams/v1").mkdir(parents=True)
    (web / "streams/v1/index.json").write_text(
        json.dumps({"index": {"images": {"datatype": "image-downloads", "path": "streams/v1/images.json"}}}))
    (web / "streams/v1/images.json").write_text(json.dumps({"products": products}))
    return item["sha256"]


class Server:
    """server.url("name"); server.requests is what came, (path, Range header)."""

    def __init__(self, directory):
        self.directory, self.requests, self.break_after, self.ranges, self.failures = pathlib.Path(
            directory), [], None, True, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                outer.requests.append((self.path, self.headers.get("Range")))
                path = outer.directory / self.path.lstrip("/")
                if outer.failures > 0:
                    outer.failures -= 1
                    return self.refuse(503)
                if not path.is_file():
                    return self.refuse(404)
                data, start = path.read_bytes(), 0
                if self.headers.get("Range") and outer.ranges:
                    start = int(self.headers["Range"].split("=")[1].split("-")[0])
                    if start >= len(data):
                        return self.refuse(416)
                body = data[start:]
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if outer.break_after is not None and len(body) > outer.break_after:
                    self.wfile.write(body[:outer.break_after])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return None
                self.wfile.write(body)
                return None

            def refuse(self, status):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        class Threaded(http.server.ThreadingHTTPServer):
            def handle_error(self, request, address):
                pass # a client that leaves is no news

        self.httpd = Threaded(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.httpd.serve_forever, daemon=True)
        self.thread.start()

    def url(self, name):
        return f"http://127.0.0.1:{self.httpd.server_address[1]}/{name}"

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()
        self.thread.join()
