"""Notes: a table of sqlite behind an API, and a page in the browser that uses it.

    python examples/notes.py [PORT [DATABASE]]

Without a database the notes are kept in memory.
"""

import sqlite3
import sys

import bladehttp as http

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Notes</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<style>
  body { font: 16px system-ui; margin: 2rem auto; max-width: 30rem }
  li { margin: .5rem 0 }
</style>
<h1>Notes</h1>
<form id="form"><input id="text" placeholder="A note" required> <button>Add</button></form>
<ul id="list"></ul>
<script>
  const ask = (method, path, body) => fetch("/notes" + path, {
    method,
    body: body && JSON.stringify(body),
    headers: body ? { "Content-Type": "application/json" } : {},
  });
  async function show() {
    const notes = await (await ask("GET", "")).json();
    list.replaceChildren(...notes.map(note => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.textContent = "Delete";
      button.onclick = () => ask("DELETE", "/" + note.id).then(show);
      item.append(note.text + " ", button);
      return item;
    }));
  }
  form.onsubmit = event => {
    event.preventDefault();
    ask("POST", "", { text: text.value }).then(() => { form.reset(); show(); });
  };
  show();
</script></html>
"""

server = http.server(int(sys.argv[1]) if sys.argv[1:] else 3000)
database = sqlite3.connect(sys.argv[2] if sys.argv[2:] else ":memory:", isolation_level=None)
database.row_factory = sqlite3.Row
database.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")


def find(key):
    row = database.execute("SELECT id, text FROM notes WHERE id = ?", [key]).fetchone()
    if row is None:
        http.abort(404, json={"error": f"there is no note {key}"})
    return dict(row)


@server.handle("GET", "/")
def page(request, response):
    response.write(PAGE)


@server.handle("GET", "/notes")
def show_all(request, response):
    response.json([dict(row) for row in database.execute("SELECT id, text FROM notes")])


@server.handle("POST", "/notes")
def create(request, response):
    added = database.execute("INSERT INTO notes (text) VALUES (?)", [request.body["text"]])
    response.headers["Location"] = f"/notes/{added.lastrowid}"
    response.json(find(added.lastrowid), status=http.CREATED)


@server.handle("GET", "/notes/{id}")
def show(request, response):
    response.json(find(request.params["id"]))


@server.handle("PUT", "/notes/{id}")
def change(request, response):
    note = find(request.params["id"])
    database.execute("UPDATE notes SET text = ? WHERE id = ?", [request.body["text"], note["id"]])
    response.json(find(note["id"]))


@server.handle("DELETE", "/notes/{id}")
def delete(request, response):
    database.execute("DELETE FROM notes WHERE id = ?", [find(request.params["id"])["id"]])
    response.status = http.NO_CONTENT


if __name__ == "__main__":
    server.listen(
        signals=True, ready=lambda: print(f"Listening on Port {server.port}...", flush=True)
    )
