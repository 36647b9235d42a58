"""A hub of models on this machine: the part of Hugging Face's HTTP interface that uploads and downloads use."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_writer"


class LocalHub:
    """Repositories by name: commits, the newest last, each its files by path; `large` are stored by their SHA-256."""

    def __init__(self):
        self.repositories, self.private, self.large, self.requests = {}, set(), {}, []
        self.refuses_card = False

    def commit(self, name, files):
        """Adds a commit with these files on top of those that were there, and returns its id."""
        commits = self.repositories.setdefault(name, [])
        whole = {**(commits[-1][1] if commits else {}), **files}
        oid = hashlib.sha1(repr((len(commits), sorted(whole.items()))).encode()).hexdigest()
        commits.append((oid, whole))
        return oid

    def at(self, name, revision):
        """The commit and files of a revision; None where there is none such."""
        commits = self.repositories[name]
        if revision == "main":
            return commits[-1] if commits else ("0" * 40, {})
        return next((one for one in commits if one[0] == revision), None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Says nothing."""

    def answer(self, status, body=b"", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code, message="refused"):
        self.answer(status, {"error": message}, X_Error_Code=code, X_Error_Message=message)

    def body(self):
        """What was sent, also in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def handle_any(self):
        hub, body = self.server.hub, self.body()
        path = unquote(urlsplit(self.path).path).strip("/")
        hub.requests.append((self.command, path))
        writes = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if path == "api/validate-yaml":
            errors = [{"message": '"license" must be one of [...]'}] if hub.refuses_card else []
            return self.answer(400 if errors else 200, {"errors": errors, "warnings": []})
        if self.command == "PUT":
            hub.large[path.rpartition("/")[2]] = body
            return self.answer(200)
        if path == "api/repos/create":
            return self.create(json.loads(body)) if writes else self.refuse(401, "", "Invalid credentials")
        if path.endswith(".git/info/lfs/objects/batch"):
            wanted = json.loads(body)["objects"]
            host = f"http://127.0.0.1:{self.server.server_port}"
            found = [{**one, "actions": {"upload": {"href": f"{host}/large/{one['oid']}"}}} for one in wanted]
            return self.answer(200, {"transfer": "basic", "objects": found})
        parts = path.split("/")
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        if name not in hub.repositories or (name in hub.private and not writes):
            return self.refuse(401, "RepoNotFound", "Repository not found")
        verb, rest = (
            (parts[4:5] or [""])[0] if parts[0] == "api" else parts[2],
            parts[5:] if parts[0] == "api" else parts[3:],
        )
        return getattr(self, f"answer_{verb or 'info'}")(name, rest, body)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def create(self, wish):
        hub, name = self.server.hub, f"{wish['organization']}/{wish['name']}"
        there = name in hub.repositories
        hub.repositories.setdefault(name, [])
        if wish.get("visibility") == "private" and not there:
            hub.private.add(name)
        url = f"http://127.0.0.1:{self.server.server_port}/{name}"
        return self.answer(409 if there else 200, {"url": url})

    def answer_info(self, name, rest, body):
        oid, files = self.server.hub.at(name, "main")
        siblings = [{"rfilename": path} for path in files]
        private = name in self.server.hub.private
        self.answer(200, {"id": name, "sha": oid, "private": private, "siblings": siblings})

    def answer_tree(self, name, rest, body):
        found = self.server.hub.at(name, rest[0])
        if found is None:
            return self.refuse(404, "RevisionNotFound")
        files = [{"type": "file", "path": path, "size": len(text), "oid": "0"} for path, text in found[1].items()]
        return self.answer(200, files)

    answer_revision = answer_info

    def answer_preupload(self, name, rest, body):
        files = json.loads(body)["files"]
        modes = [
            {"path": one["path"], "uploadMode": "lfs" if one["path"].endswith((".safetensors", ".onnx")) else "regular",
             "shouldIgnore": False}
            for one in files
        ]  # fmt: skip
        self.answer(200, {"files": modes})

    def answer_commit(self, name, rest, body):
        files = {}
        for line in body.splitlines():
            one = json.loads(line)
            if one["key"] == "file":
                files[one["value"]["path"]] = base64.b64decode(one["value"]["content"])
            elif one["key"] == "lfsFile":
                files[one["value"]["path"]] = self.server.hub.large[one["value"]["oid"]]
        oid = self.server.hub.commit(name, files)
        self.answer(200, {"commitUrl": f"http://127.0.0.1/{name}/commit/{oid}", "commitOid": oid, "success": True})

    def answer_resolve(self, name, rest, body):
        found = self.server.hub.at(name, rest[0])
        if found is None:
            return self.refuse(404, "RevisionNotFound")
        content = found[1].get("/".join(rest[1:]))
        if content is None:
            self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=found[0])
            return None
        large = rest[-1].endswith((".safetensors", ".onnx"))
        digest = hashlib.sha256(content) if large else hashlib.sha1(b"blob %d\0" % len(content) + content)
        return self.answer(200, content, ETag=f'"{digest.hexdigest()}"', X_Repo_Commit=found[0])


@contextmanager
def local_hub():
    """A hub that listens on this machine, and its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.hub = LocalHub()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
