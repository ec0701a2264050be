/* Names that are asked for: of a new class, or of one among many. */

const byId = (id) => document.getElementById(id);

/* The choices that have what was typed: the name itself first, then those that begin with it. */
function fitting(choices, typed) {
  const text = typed.trim().toLowerCase();
  const rank = (name) => (name === text ? 0 : name.startsWith(text) ? 1 : 2);
  return choices.map((name) => [name.toLowerCase(), name]).filter(([name]) => name.includes(text))
    .sort(([one], [other]) => rank(one) - rank(other)).map(([, name]) => name);
}

/* Asks for a name; `choices` are offered while it is typed, and Enter takes the first. */
function askName(title, then, value = "", choices = null) {
  const dialog = byId("asking");
  const input = make("input", { value, "aria-label": title, maxlength: 200, autocomplete: "off", spellcheck: "false" });
  const found = make("div", { class: "classes", role: "status" });
  const offer = () => {
    const names = fitting(choices, input.value).slice(0, 12);
    found.replaceChildren(...names.map((name, place) => make("button", { type: "button", class: place ? "" : "first", click: () => take(name) }, name)));
    if (!names.length) found.append(words.noSuchClass);
  };
  const take = (name) => {
    if (choices && !name) return;
    dialog.close();
    if (name) then(name);
  };
  const form = make("form", { method: "dialog" }, make("label", {}, title, input), found,
    make("div", { class: "row" }, make("button", { type: "submit", class: "accept" }, choices ? words.take : words.add),
      make("button", { type: "button", click: () => dialog.close() }, words.cancel)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take(choices ? fitting(choices, input.value)[0] : input.value.trim());
  });
  if (choices) input.addEventListener("input", offer);
  dialog.replaceChildren(form);
  if (choices) offer();
  dialog.showModal();
  input.select();
}
