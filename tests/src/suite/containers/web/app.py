"""A book of notes: pages from templates, an interface in JSON, files to fetch and to leave."""

import csv
import json
import mimetypes
import sqlite3
import tempfile
import urllib.parse
from pathlib import Path
from string import Template
from wsgiref.util import FileWrapper

HERE = Path(__file__).parent
DATA = Path("/var/lib/app")
MOST = 4_000_000


def database():
    found = sqlite3.connect(DATA / "notes.db", timeout=60)
    found.execute("create table if not exists notes (id integer primary key, day text, text text)")
    return found


def page(name, **values):
    text = Template((HERE / "templates" / name).read_text()).safe_substitute(values)
    return "200 OK", "text/html; charset=utf-8", [text.encode()]


def index(_env):
    with database() as notes:
        rows = notes.execute("select text from notes order by id desc limit 20").fetchall()
    return page("index.html", count=len(rows), rows="".join(f"<li>{text}" for (text,) in rows))


def static(env):
    path = HERE / "static" / Path(env["PATH_INFO"]).name
    if not path.is_file():
        return missing(env)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return "200 OK", kind, [path.read_bytes()]


def notes(env):
    if env["REQUEST_METHOD"] == "POST":
        text = json.loads(body(env))["text"]
        with database() as book:
            made = book.execute("insert into notes (day, text) values (date(), ?)", (text,))
        return "201 Created", "application/json", [json.dumps({"id": made.lastrowid}).encode()]
    if env["REQUEST_METHOD"] == "DELETE":
        with database() as book:
            gone = book.execute("delete from notes").rowcount
        return "200 OK", "application/json", [json.dumps({"gone": gone}).encode()]
    query = urllib.parse.parse_qs(env.get("QUERY_STRING", ""))
    like = "%" + query.get("like", [""])[0] + "%"
    with database() as book:
        rows = book.execute("select id, day, text from notes where text like ?", (like,)).fetchall()
    return "200 OK", "application/json", [json.dumps(rows).encode()]


def report(env):
    """All notes as a table, put together in a temporary file."""
    table = tempfile.NamedTemporaryFile("w+b", suffix=".csv")
    lines = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")
    with database() as book:
        csv.writer(lines).writerows(book.execute("select id, day, text from notes"))
    lines.seek(0)
    for line in lines:
        table.write(line.encode())
    table.seek(0)
    return "200 OK", "text/csv", env.get("wsgi.file_wrapper", FileWrapper)(table)


def upload(env):
    """A file that somebody leaves, under a name that nobody else can guess."""
    with tempfile.NamedTemporaryFile(dir=DATA / "uploads", prefix="upload-", suffix=".part", delete=False) as part:
        part.write(body(env))
    kept = Path(part.name).with_suffix(".bin")
    Path(part.name).rename(kept)
    return "201 Created", "text/plain", [str(kept.stat().st_size).encode()]


def missing(_env):
    return "404 Not Found", *page("missing.html")[1:]


def body(env):
    return env["wsgi.input"].read(min(int(env.get("CONTENT_LENGTH") or 0), MOST))


PAGES = {"": index, "static": static, "notes": notes, "report": report, "upload": upload}


def application(env, start_response):
    first = env["PATH_INFO"].strip("/").split("/")[0]
    status, kind, content = PAGES.get(first, missing)(env)
    start_response(status, [("Content-Type", kind)])
    return content
