/* What the page knows, and its talk with the server. Nothing is taken for recorded that the server has not said is. */

const EVERY = 2000, RETRY = 3000;

/* Which page this is: kept while its tab lives, so that it can undo its own answers after a restart. */
function ownName() {
  let name = sessionStorage.getItem("byol-label");
  if (!name) {
    name = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("byol-label", name);
  }
  return name;
}

const by = ownName();
/* The server's last word, what is being sent, and what could not be written yet. */
let view = null, sending = false, waiting = null, lost = false, timer = 0;
const seenNotices = new Set();

async function ask(path, values = {}) {
  const query = new URLSearchParams({ by, ...values });
  const answer = await fetch(`${path}?${query}`, { cache: "no-store" });
  if (!answer.ok) throw Object.assign(new Error(), await answer.json().catch(() => ({ problem: String(answer.status) })));
  return answer.json();
}

function take(next) {
  lost = false;
  const first = view === null, added = view?.added ?? 0;
  view = next;
  if (next.added > added) {
    document.querySelectorAll("#told .added").forEach((told) => told.remove());
    tell(words.added(next.added), "added");
  }
  for (const notice of next.notices) {
    const name = `${notice.revision} ${notice.not_fitted ?? ""}`;
    if (first || seenNotices.has(name)) { seenNotices.add(name); continue; }
    seenNotices.add(name);
    tell(notice.edited ? words.edited(notice.edited) : words.notFitted(notice.not_fitted));
  }
  show();
}

async function refresh() {
  try {
    const next = await ask("/state");
    if (!sending) take(next);
  } catch {
    lost = true;
    showProblems();
  }
}

async function follow() {
  if (!sending && !waiting) await refresh();
  setTimeout(follow, EVERY);
}

/* Sends what is to be done; whether it was. One thing at a time: what is pressed meanwhile was meant for an image that is not
   there yet. */
async function send(path, values) {
  if (sending || waiting || !view) return false;
  return post({ path, values });
}

async function post(what, again = false) {
  sending = true;
  document.body.classList.add("sending");
  try {
    const answer = await fetch(what.path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Byol": view.token },
      body: JSON.stringify({ by, ...what.values }),
    });
    if (answer.ok) {
      waiting = null;
      document.querySelectorAll("#told .passing").forEach((told) => told.remove());
      const next = await answer.json();
      sending = false;
      take(next);
      if (next.left_out > 0) tell(words.said.leftOut(next.left_out));
      return true;
    }
    if (answer.status === 403 && !again) {
      /* The server was begun anew. */
      view.token = (await ask("/state")).token;
      return await post(what, true);
    }
    const { problem, kind } = await answer.json().catch(() => ({ problem: String(answer.status) }));
    waiting = kind === "unwritten" ? { ...what, problem } : null;
    /* What is wrong with the table stands there until it is mended. */
    if (kind !== "unwritten" && kind !== "table") tell(words.problem(problem), "passing");
    sending = false;
    if (kind !== "unwritten") await refresh();
  } catch {
    lost = true;
    waiting = what;
  } finally {
    sending = false;
    document.body.classList.remove("sending");
  }
  if (waiting) {
    showProblems();
    clearTimeout(timer);
    timer = setTimeout(retry, RETRY);
  }
  return false;
}

function retry() {
  if (waiting && !sending) post(waiting);
}

/* What somebody should know and may put away; `passing` goes with the next answer that is taken. */
function tell(text, kind = "") {
  const told = make("p", { class: `notes ${kind}` }, text, " ");
  told.append(make("button", { type: "button", click: () => told.remove() }, words.dismiss));
  byId("told").append(told);
  while (byId("told").children.length > 3) byId("told").firstChild.remove();
}

/* What stands in the way of answers. */
function showProblems() {
  const problem = lost ? words.noAnswer
    : waiting ? words.unwritten(waiting.problem)
    : view?.problem ? words.table(view.problem) : "";
  const place = byId("standing");
  if (place.dataset.text === problem) return;
  place.dataset.text = problem;
  place.replaceChildren();
  if (problem) {
    place.append(make("p", { class: "notes" }, make("strong", {}, problem), " ",
      waiting ? make("button", { type: "button", click: retry }, words.tryNow) : ""));
  }
}
